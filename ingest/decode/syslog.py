"""The syslog envelope: RFC 3164, RFC 5424, and what rsyslog writes into files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.decode.times import bsd_us, iso_us

_PRIORITY_MAX = 191
_BSD = re.compile(r"[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?(?= |:|$)")
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?(?= )")
_TAG = re.compile(r"([^\s\[:]{1,128})(?:\[([^\]\s]{1,64})\])?(?:: ?|:$)")
_VERSION_5424 = re.compile(r"1 (?=\S)")
_SD_PARAMETER = re.compile(r'([^=\s"\]]{1,64})="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Syslog:
    """One syslog line; ``time`` in microseconds since 1970, ``pid`` as written."""

    message: str
    time: int | None = None
    host: str = ""
    program: str = ""
    pid: str = ""
    priority: int | None = None
    message_id: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


def parse_syslog(text: str, near_us: int) -> Syslog | None:
    """Return the parts of a syslog line, or None if it has no syslog header.

    ``near_us`` is the receipt, which decides the year of a BSD time.
    """
    priority, rest = _priority(text)
    if priority is not None and _VERSION_5424.match(rest):
        return _rfc5424(priority, rest[2:])
    found = _BSD.match(rest)
    time = bsd_us(found[0], near_us) if found else None
    if found is None:
        found = _ISO.match(rest)
        if found is None:
            return None if priority is None else Syslog(rest, priority=priority)
        time = iso_us(found[0])
    return _tagged(rest[found.end() :].lstrip(" :"), time, priority)


def _priority(text: str) -> tuple[int | None, str]:
    if text[:1] != "<":
        return None, text
    end = text.find(">", 1, 6)
    digits = text[1:end]
    if end < 0 or not (digits.isascii() and digits.isdigit()) or int(digits) > _PRIORITY_MAX:
        return None, text
    return int(digits), text[end + 1 :]


def _tagged(rest: str, time: int | None, priority: int | None) -> Syslog:
    """Split ``host program[pid]: message``; a message straight after the time has no host."""
    tag = _TAG.match(rest)
    host = ""
    if tag is None:
        host, _, rest = rest.partition(" ")
        tag = _TAG.match(rest)
    if tag is None:
        return Syslog(rest, time, host, priority=priority)
    return Syslog(rest[tag.end() :], time, host, tag[1], tag[2] or "", priority)


def _rfc5424(priority: int, rest: str) -> Syslog | None:
    """Split RFC 5424 section 6: TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]."""
    words = rest.split(" ", 5)
    if len(words) < 6:  # noqa: PLR2004
        return None
    time, host, program, pid, message_id = ("" if w == "-" else w for w in words[:5])
    data, message = _structured(words[5])
    return Syslog(
        message.removeprefix("\ufeff"),
        iso_us(time) if time else None,
        host,
        program,
        pid,
        priority,
        message_id,
        data,
    )


def _structured(text: str) -> tuple[dict[str, str], str]:
    """Return ``{"id.name": value}`` and the message behind the structured data (section 6.3)."""
    data: dict[str, str] = {}
    if not text.startswith("["):
        return data, text.removeprefix("-").removeprefix(" ")
    at = 0
    while text.startswith("[", at):
        name, at = _word(text, at + 1)
        while found := _SD_PARAMETER.match(text, at):
            data[f"{name}.{found[1]}"] = re.sub(r'\\(["\\\]])', r"\1", found[2])
            at = found.end()
            while text.startswith(" ", at):
                at += 1
        if not text.startswith("]", at):
            return data, text[at:]
        at += 1
    return data, text[at:].removeprefix(" ")


def _word(text: str, at: int) -> tuple[str, int]:
    end = at
    while end < len(text) and text[end] not in ' ]"=' and end - at < 64:  # noqa: PLR2004
        end += 1
    start_of_next = end + 1 if text.startswith(" ", end) else end
    return text[at:end], start_of_next
