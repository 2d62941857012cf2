"""Blocked addresses in this machine's packet filter, through ``nft`` with JSON on its input.

The table and its two sets are the administrator's; an element is all that is ever added, so no
rule can be changed. Nothing of what is blocked is ever an argument or a script.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from typing import TYPE_CHECKING, Any

from playbooks.actions.action import ActionFailedError, ActionUnclearError

if TYPE_CHECKING:
    from luytre.core.config_playbooks import NftablesConfig

TIMEOUT_S = 20


class Nftables:
    """The packet filter. Adding what is there, and deleting what is not, changes nothing."""

    def __init__(self, settings: NftablesConfig) -> None:
        self._settings = settings

    def check(self) -> None:
        """Raise ``ActionFailedError`` unless it may be used."""
        if not self._settings.enabled:
            raise ActionFailedError("nftables is not enabled (playbooks.nftables.enabled)")

    def block(self, address: str, minutes: int) -> None:
        """Add an address, for some minutes or (0) until it is freed."""
        element: Any = address
        if minutes:
            element = {"elem": {"val": address, "timeout": minutes * 60}}
        self._run("add", address, element)

    def free(self, address: str) -> None:
        """Delete an address."""
        # Deleting what is not there would be an error; added first, it surely is.
        self._run("add", address, address)
        self._run("delete", address, address)

    def _run(self, verb: str, address: str, element: Any) -> None:
        self.check()
        settings = self._settings
        version = ipaddress.ip_address(address).version
        name = settings.set4 if version == 4 else settings.set6  # noqa: PLR2004
        body = {"family": "inet", "table": settings.table, "name": name, "elem": [element]}
        command = {"nftables": [{verb: {"element": body}}]}
        argv = [str(settings.program), "-j", "-f", "-"]
        if settings.namespace:
            argv = ["/usr/sbin/ip", "netns", "exec", settings.namespace, *argv]
        try:
            done = subprocess.run(  # noqa: S603 - fixed words; the address travels in the JSON
                argv, input=json.dumps(command), capture_output=True, text=True,
                timeout=TIMEOUT_S, check=False, env={},
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ActionUnclearError("nft did not end") from error
        except OSError as error:
            raise ActionFailedError(f"{argv[0]}: {error.strerror}") from error
        if done.returncode:
            raise ActionFailedError(f"nft: {done.stderr.strip()[:200]}")
