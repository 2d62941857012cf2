"""`block-address` and `unblock-address`: on a FortiGate by its name, or with ``nftables`` here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from playbooks.actions.action import Action, Effect, Order, Outcome, Plan, Touch
from playbooks.actions.fortigate import Fortigate, named
from playbooks.actions.kinds import Address, Arguments, Count, Word

if TYPE_CHECKING:
    from playbooks.actions.nftables import Nftables

LOCAL = "nftables"


class BlockArguments(Arguments):
    """Which address is blocked where; ``minutes`` 0 is until somebody frees it."""

    address: Address
    firewall: Word = LOCAL
    minutes: Count = 0


class UnblockArguments(Arguments):
    """Which address is freed where."""

    address: Address
    firewall: Word = LOCAL


class BlockAddress(Action[BlockArguments]):
    """Blocks one address; blocking it again changes nothing."""

    name = "block-address"
    arguments = BlockArguments
    effect: ClassVar[Effect] = "changes"
    repeats = True
    approvals = 1
    undo = "unblock-address"

    def __init__(self, firewalls: dict[str, Fortigate], nftables: Nftables) -> None:
        self._firewalls, self._nftables = firewalls, nftables

    def plan(self, given: BlockArguments) -> Plan:
        self._check(given.firewall)
        en = f" for {given.minutes} minutes" if given.minutes else " until it is freed"
        vi = f" trong {given.minutes} phút" if given.minutes else " cho đến khi gỡ"
        return Plan(
            f"block {given.address} on {given.firewall}{en}",
            f"chặn {given.address} trên {given.firewall}{vi}",
            (Touch("address", given.address),),
        )

    def run(self, given: BlockArguments, order: Order) -> Outcome:
        del order
        if given.firewall == LOCAL:
            self._nftables.block(given.address, given.minutes)
        else:
            named(self._firewalls, given.firewall).block(given.address)
        return Outcome(f"{given.address} is blocked on {given.firewall}")

    def undoing(self, given: BlockArguments) -> dict[str, Any]:
        return {"address": given.address, "firewall": given.firewall}

    def _check(self, firewall: str) -> None:
        if firewall == LOCAL:
            self._nftables.check()
        else:
            named(self._firewalls, firewall)


class UnblockAddress(Action[UnblockArguments]):
    """Frees one address; freeing it again changes nothing."""

    name = "unblock-address"
    arguments = UnblockArguments
    effect: ClassVar[Effect] = "changes"
    repeats = True
    approvals = 1
    undo = "block-address"

    def __init__(self, firewalls: dict[str, Fortigate], nftables: Nftables) -> None:
        self._firewalls, self._nftables = firewalls, nftables

    def plan(self, given: UnblockArguments) -> Plan:
        where = f"{given.address} on {given.firewall}"
        return Plan(f"free {where}", f"gỡ chặn {given.address} trên {given.firewall}")

    def run(self, given: UnblockArguments, order: Order) -> Outcome:
        del order
        if given.firewall == LOCAL:
            self._nftables.free(given.address)
        else:
            named(self._firewalls, given.firewall).free(given.address)
        return Outcome(f"{given.address} is free on {given.firewall}")
