"""Cisco IOS messages: what was configured by whom, logins, and routing sessions refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.decode.layout import Row
from ingest.decode.syslog import parse_syslog
from ingest.decode.times import bsd_us
from ingest.logsources.lines import between, line_layout
from luytre.core.batch import LogSource

if TYPE_CHECKING:
    from ingest.decode.layout import Origin

_HEADER_CHARS_MAX = 200
_CODE = re.compile(r"%([A-Z][A-Z0-9_]{1,40}(?:-[A-Z0-9_]{1,40})?)-([0-7])-([A-Z0-9_]{2,60}): ")
_SAYS_UTC = re.compile(r"(?:\.\d{1,9})? (?:UTC|GMT)\b")
_TIME = re.compile(r"[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d")
_ADDRESS = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}")
_SERVICES = {
    **dict.fromkeys(("AAA", "AAAA", "PARSER", "SYS", "SEC_LOGIN", "LOGIN", "SSH"), "aaa"),
    **dict.fromkeys(("BGP", "TCP", "BGP_SESSION"), "bgp"),
    **dict.fromkeys(("LDP", "TDP", "TAGCON"), "ldp"),
}
_COLUMNS = ("message", "host.name", "user.name", "source.ip", "process.command_line",
            "event.action", "event.code", "event.provider", "log.level")  # fmt: skip
_LAYOUTS = {
    service: line_layout(f"cisco/{service}", (LogSource("cisco", None, service),), _COLUMNS)
    for service in ("aaa", "bgp", "ldp")
}
_OTHER = line_layout("cisco/other", (LogSource("cisco"),), _COLUMNS)
LAYOUTS = (*_LAYOUTS.values(), _OTHER)


def read_line(line: str, origin: Origin) -> Row | None:
    """Return the row of an IOS message, None if the line is none.

    ``172.16.5.10 6705: Feb 17 13:40:03.673: %PARSER-5-CFGLOG_LOGGEDCMD: User:ann  logged
    command:...``: before the ``%FACILITY-SEVERITY-MNEMONIC`` may stand an address, a sequence
    number and a time, each or none.
    """
    found = _CODE.search(line, 0, _HEADER_CHARS_MAX) if "%" in line else None
    if found is None:
        return None
    header, message = line[: found.start()], line[found.end() :]
    facility, severity, mnemonic = found.groups()
    time, address = _TIME.search(header), _ADDRESS.match(header)
    envelope = parse_syslog(line, origin.ingested_us)
    relayed = envelope.host if envelope else ""
    fields = {
        "message": line,
        "host.name": address[0] if address else relayed or origin.host,
        "event.provider": facility,
        "event.code": f"%{facility}-{severity}-{mnemonic}",
        "event.action": mnemonic.lower(),
        "log.level": severity,
        "user.name": between(message, "User:") or between(message, "[user: ", "]"),
        "source.ip": between(message, "[Source: ", "]"),
        "process.command_line": between(message, "logged command:", "\n"),
    }
    layout = _LAYOUTS.get(_SERVICES.get(facility.partition("-")[0], ""), _OTHER)
    when = bsd_us(time[0], origin.ingested_us) if time else None
    if when is not None and time and _SAYS_UTC.match(header, time.end()):
        when = int(when)  # no longer Local
    return Row(layout, when, {name: value for name, value in fields.items() if value})
