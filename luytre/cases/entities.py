"""What an alert is about: the machines, users and sites by which alerts are grouped, and whose."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from luytre.core.alert import Alert

# Accounts that everybody's machine has: to share one says nothing.
GENERIC_USERS = frozenset({
    "", "-", "root", "system", "administrator", "guest", "anonymous", "anonymous logon", "nobody",
    "local service", "network service", "www-data", "n/a",
})  # fmt: skip
_SIDES = ("host", "source", "destination")
_TECHNIQUE = re.compile(r"attack\.(t\d{4})(?:\.\d+)?")
TACTICS = (
    "reconnaissance", "resource-development", "initial-access", "execution", "persistence",
    "privilege-escalation", "stealth", "defense-evasion", "credential-access", "discovery",
    "lateral-movement", "collection", "command-and-control", "exfiltration", "impact",
)  # fmt: skip


def organization_of(alert: Alert) -> str:
    """Return whose incident this is: the owner of the machine that the alert is about.

    A sensor at the centre sees an office's machine: the incident is the office's, after the asset
    inventory; if it shows no machine of ours, it is that of the account's owner. Who may not read
    the centre's alerts still does not read this one.
    """
    for side in _SIDES:
        owner = alert.event.get(f"{side}.asset.organization", "")
        if owner:
            return owner
    return alert.event.get("user.organization", "") or alert.organization_id


def entities_of(alert: Alert) -> tuple[str, ...]:
    """Return what alerts of one incident share, as ``kind:value``, strongest first."""
    found = list(dict.fromkeys((*_machines(alert.event), *_people(alert.event))))
    if not any(entity.startswith(("host:", "machine:")) for entity in found):
        # An alert of a web server's log, say, that knows no machine of ours: visitors differ, but
        # what is done to the site is the same.
        found += _sites(alert)
    return tuple(found)


def account_of(user: str) -> str:
    r"""Return the account alone: a machine writes DOMAIN\name, a mail server name@domain."""
    return user.strip().lower().rsplit("\\", 1)[-1].split("@", 1)[0]


def tactics_of(alert: Alert) -> tuple[str, ...]:
    """Return the ATT&CK tactics of an alert's rule, in the order of an attack."""
    tags = {tag.removeprefix("attack.").replace("_", "-") for tag in alert.rule.tags}
    return tuple(tactic for tactic in TACTICS if tactic in tags)


def _machines(event: Mapping[str, str]) -> Iterator[str]:
    # The inventory knows one machine by its name, its address, and the systems that run on it.
    name = event.get("host.asset.name", "") or event.get("host.name", "").strip().lower()
    if name and name != "-":
        yield f"host:{name}"
    for side in _SIDES[1:]:
        if known := event.get(f"{side}.asset.name", ""):
            yield f"host:{known}"
    for side in _SIDES:
        address = _address(event.get(f"{side}.ip", ""))
        if not address:
            continue
        ours = any(event.get(f"{side}.asset.{what}") for what in ("kind", "level", "organization"))
        if side == "host" or ours:
            yield f"machine:{address}"
        elif side == "source":
            yield f"address:{address}"


def _people(event: Mapping[str, str]) -> Iterator[str]:
    name = account_of(event.get("user.name", ""))
    if name not in GENERIC_USERS and not name.endswith("$"):
        yield f"user:{name}"


def _sites(alert: Alert) -> Iterator[str]:
    # A stream ends with its file's rotation; whose it is and what it holds stay.
    shipper = alert.event.get("luytre.stream", "").partition("/")[0]
    site = alert.event.get("url.domain") or (shipper and f"{shipper}/{alert.part}")
    if not site or "web" not in alert.event.get("event.category", ""):
        return
    techniques = sorted({found[1] for tag in alert.rule.tags if (found := _TECHNIQUE.match(tag))})
    for technique in techniques:
        yield f"site:{site} {technique.upper()}"


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return ""
    return "" if address.is_loopback or address.is_unspecified else str(address)
