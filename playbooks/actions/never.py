"""What must never be touched, whoever approves it, however its name is spelt."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from playbooks.actions.action import ActionFailedError

if TYPE_CHECKING:
    from luytre.core.config_playbooks import NeverTouchConfig
    from playbooks.actions.action import Plan


class NeverTouch:
    """The list, asked before every plan and every deed, and of what a directory has found."""

    def __init__(self, settings: NeverTouchConfig) -> None:
        self._networks = [ipaddress.ip_network(each) for each in settings.addresses]
        self._names = {
            "account": {plain_account(each) for each in settings.accounts},
            "host": {_host(each) for each in settings.hosts}
            | {_host(each).split(".")[0] for each in settings.hosts},
        }

    def check(self, plan: Plan) -> None:
        """Raise ``ActionFailedError`` if a plan touches what is on the list."""
        for touch in plan.touches:
            self.refuse(touch.kind, touch.value)

    def refuse(self, kind: str, value: str) -> None:
        """Raise ``ActionFailedError`` if a value is on the list."""
        if self._holds(kind, value):
            raise ActionFailedError(f"{kind} {value} must never be touched")

    def _holds(self, kind: str, value: str) -> bool:
        if kind == "address":
            address = ipaddress.ip_address(value)
            return any(address.version == n.version and address in n for n in self._networks)
        if kind == "account":
            return plain_account(value) in self._names[kind]
        # A host may be named with or without its domain.
        name = _host(value)
        return bool({name, name.split(".")[0]} & self._names[kind])


def plain_account(name: str) -> str:
    r"""Return the name that all spellings of an account have in common.

    ``MINHHA\svc$``, ``svc$``, ``svc@minhha.example`` and ``SVC`` are all ``svc``: rather forbid
    the namesake of another domain than let a spelling through.
    """
    return name.rpartition("\\")[2].partition("@")[0].rstrip("$.").casefold()


def _host(name: str) -> str:
    return name.lower().rstrip(".")
