"""`isolate-host` and `release-host`: through the webhook of an EDR.

``POST {"action": "isolate" | "release", "host": ..., "id": ...}``; any 2xx answer means done. Which
products speak so, or which few lines translate for the others, is in the guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from playbooks.actions.action import (
    Action,
    ActionFailedError,
    Effect,
    Order,
    Outcome,
    Plan,
    Touch,
)
from playbooks.actions.door import Door, Resolve, expect, system_resolve
from playbooks.actions.kinds import Arguments, Host, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.config_playbooks import IsolationConfig


class HostArguments(Arguments):
    """Which host, through which EDR."""

    host: Host
    edr: Word


class Isolation:
    """Speaks to the EDRs."""

    def __init__(
        self, settings: Sequence[IsolationConfig], resolve: Resolve = system_resolve
    ) -> None:
        self._edrs = {each.name: each for each in settings}
        self._resolve = resolve

    def edr(self, name: str) -> IsolationConfig:
        """Return an EDR by its name; raises ``ActionFailedError``."""
        if name not in self._edrs:
            raise ActionFailedError(f"no EDR is named {name} (playbooks.isolation)")
        return self._edrs[name]

    def order(self, verb: str, given: HostArguments, key: str) -> None:
        """Order one thing of one EDR."""
        edr = self.edr(given.edr)
        body = {"action": verb, "host": given.host, "id": key}
        door = Door([edr], self._resolve)
        expect(door.send("POST", edr.url, body, {"Idempotency-Key": key}), edr.name)


class IsolateHost(Action[HostArguments]):
    """Cuts a host off the network: two people must agree."""

    name = "isolate-host"
    arguments = HostArguments
    effect: ClassVar[Effect] = "changes"
    approvals = 2
    undo = "release-host"

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation

    def plan(self, given: HostArguments) -> Plan:
        self._isolation.edr(given.edr)
        return Plan(
            f"cut {given.host} off the network through {given.edr}",
            f"cô lập máy {given.host} qua {given.edr}",
            (Touch("host", given.host),),
        )

    def run(self, given: HostArguments, order: Order) -> Outcome:
        self._isolation.order("isolate", given, order.key)
        return Outcome(f"{given.host} is cut off")


class ReleaseHost(Action[HostArguments]):
    """Lets a host back on the network."""

    name = "release-host"
    arguments = HostArguments
    effect: ClassVar[Effect] = "changes"
    approvals = 1
    undo = "isolate-host"

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation

    def plan(self, given: HostArguments) -> Plan:
        self._isolation.edr(given.edr)
        return Plan(
            f"let {given.host} back on the network through {given.edr}",
            f"nối lại máy {given.host} qua {given.edr}",
        )

    def run(self, given: HostArguments, order: Order) -> Outcome:
        self._isolation.order("release", given, order.key)
        return Outcome(f"{given.host} is back")
