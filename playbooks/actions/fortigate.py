"""Blocked addresses on a FortiGate, through its REST API (FortiOS REST API reference, CMDB API).

An address object is made and put into a group; that a policy denies the group is the firewall
administrator's to set up once, so Luytre needs no right to change policies. "Create object" is a
POST to the table, "append child object" one to the group's ``member``; the token goes as a bearer.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from playbooks.actions.action import ActionFailedError
from playbooks.actions.door import Door, Resolve, expect, system_resolve

if TYPE_CHECKING:
    from luytre.core.config_playbooks import FirewallConfig
    from playbooks.actions.door import Answer

NOT_FOUND = 404


class Fortigate:
    """One firewall. Blocking what is blocked, and freeing what is free, changes nothing."""

    def __init__(self, settings: FirewallConfig, resolve: Resolve = system_resolve) -> None:
        self._settings = settings
        self._door = Door([settings], resolve)

    def block(self, address: str) -> None:
        """Put an address into the group; it is there afterwards, or an error is raised."""
        folder, name = _object(address)
        if not self._has(f"{folder}/{name}"):
            subnet = (
                {"type": "ipmask", "subnet": f"{address}/32"}
                if folder == "address"
                else {"ip6": f"{address}/128"}
            )
            self._do("POST", folder, {"name": name, "comment": "Luytre", **subnet})
        if not self._has(f"{self._members(folder)}/{name}"):
            self._do("POST", self._members(folder), {"name": name})

    def free(self, address: str) -> None:
        """Take an address out of the group."""
        folder, name = _object(address)
        for path in (f"{self._members(folder)}/{name}", f"{folder}/{name}"):
            if self._has(path):
                self._do("DELETE", path)

    def _members(self, folder: str) -> str:
        group = quote(self._settings.group, safe="-._~")
        return f"{'addrgrp' if folder == 'address' else 'addrgrp6'}/{group}/member"

    def _has(self, path: str) -> bool:
        answer = self._send("GET", path, None)
        if answer.status == NOT_FOUND:
            return False
        expect(answer, self._settings.name)
        return True

    def _do(self, method: str, path: str, body: object = None) -> None:
        expect(self._send(method, path, body), self._settings.name)

    def _send(self, method: str, path: str, body: object) -> Answer:
        base = self._settings.url.rstrip("/")
        query = urlencode({"vdom": self._settings.vdom})
        return self._door.send(method, f"{base}/api/v2/cmdb/firewall/{path}?{query}", body)


def _object(address: str) -> tuple[str, str]:
    """Return the folder of an address object and its name, which no log content can choose."""
    version = ipaddress.ip_address(address).version
    if version == 4:  # noqa: PLR2004
        return "address", f"luytre-{address}"
    return "address6", f"luytre-{ipaddress.ip_address(address).packed.hex()}"


def named(firewalls: dict[str, Fortigate], name: str) -> Fortigate:
    """Return a firewall by its name; raises ``ActionFailedError``."""
    if name not in firewalls:
        raise ActionFailedError(f"no firewall is named {name} (playbooks.fortigates)")
    return firewalls[name]
