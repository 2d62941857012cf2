"""Which log source a line belongs to: as configured, or told by its bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ingest.decode.jsontext import load_object
from ingest.decode.layout import Origin, Read, Row, Unreadable
from ingest.decode.syslog import Syslog, parse_syslog
from ingest.decode.xmlevent import parse_event
from ingest.logsources import (
    auditd,
    cisco,
    cloudtrail,
    documents,
    egov,
    programs,
    suricata,
    web_access,
    web_error,
    windows,
    zeek,
    zimbra,
)
from ingest.logsources.lines import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Reader = Callable[[bytes, Origin], Read]
LinesReader = Callable[[bytes, "Sequence[bytes]"], "list[Read | None] | None"]


def reader(hint: str) -> Reader:
    """Return what reads the lines of a hint; it raises ``Unreadable`` and nothing else.

    An unknown hint is read as ``auto``.
    """
    return _READERS.get(hint, read_auto)


def lines_reader(hint: str) -> LinesReader:
    """Return what reads the lines of a payload in one call; None where its reader has to."""
    return windows.read_lines if hint in ("windows", "auto") else _one_by_one


def _one_by_one(_payload: bytes, _lines: Sequence[bytes]) -> None:
    return None


def read_auto(raw: bytes, origin: Origin) -> Read:
    """Read a line of which only its bytes are known."""
    start = raw[:64].lstrip(b" \t\xef\xbb\xbf")
    if start[:1] == b"{":
        return read_json(raw, origin)
    if start[:6] == b"<Event":
        return _read_xml(text(raw))
    line = text(raw)
    row = auditd.read_line(line, origin) or zimbra.read_line(line, origin)
    if row is not None:
        return row
    row = cisco.read_line(line, origin)
    if row is not None:
        return row
    envelope = parse_syslog(line, origin.ingested_us)
    if envelope is not None:
        return _read_message(envelope, origin)
    row = web_access.read_line(line, origin) or web_error.read_line(line, origin)
    if row is None:
        raise Unreadable("no log source recognises this line")
    return row


def read_json(raw: bytes, origin: Origin) -> Read:
    """Read a JSON object: a Windows event, Zeek, Suricata, CloudTrail, e-government, or other."""
    row = windows.read_raw(raw)
    if row is not None:
        return row
    document = load_object(raw)
    return (
        windows.read_document(document)
        or cloudtrail.read_document(document, origin)
        or suricata.read_document(document, origin)
        or zeek.read_document(document, origin)
        or egov.read_document(document, origin)
        or documents.read_document(document, origin)
    )


def _read_xml(line: str) -> Row:
    event = parse_event(line)
    row = windows.read_document(event) if event is not None else None
    if row is None:
        raise Unreadable("is XML but no Windows event")
    return row


def _read_message(envelope: Syslog, origin: Origin) -> Read:
    """Read what a syslog line carries: JSON, an XML event, another log, or a program's message."""
    message = envelope.message
    inner = Origin(origin.hint, origin.path, envelope.host or origin.host, origin.ingested_us)
    if message[:1] == "{":
        try:
            return read_json(message.encode(), inner)
        except Unreadable:
            return programs.read_message(envelope, origin)
    if message[:6] == "<Event":
        event = parse_event(message)
        row = windows.read_document(event) if event is not None else None
        return row or programs.read_message(envelope, origin)
    row = (
        auditd.read_line(message, inner)
        or zimbra.read_line(message, inner)
        or web_access.read_line(message, inner, envelope.program)
        or web_error.read_line(message, inner, envelope.program)
    )
    return row or programs.read_message(envelope, origin)


def _read_syslog(raw: bytes, origin: Origin) -> Read:
    envelope = parse_syslog(text(raw), origin.ingested_us)
    if envelope is None:
        raise Unreadable("is no syslog line: it starts with no priority and no time")
    return _read_message(envelope, origin)


def _read_auth(raw: bytes, origin: Origin) -> Row:
    envelope = parse_syslog(text(raw), origin.ingested_us)
    if envelope is None:
        raise Unreadable("is no syslog line: it starts with no priority and no time")
    return programs.read_auth(envelope, origin)


def _line_reader(read: Callable[[str, Origin], Row | None], name: str) -> Reader:
    """Return a reader of bare lines that also accepts them inside a syslog line."""

    def read_bare(raw: bytes, origin: Origin) -> Row:
        line = text(raw)
        row = read(line, origin)
        if row is not None:
            return row
        envelope = parse_syslog(line, origin.ingested_us)
        if envelope is not None:
            inner = Origin(
                origin.hint, origin.path, envelope.host or origin.host, origin.ingested_us
            )
            row = read(envelope.message, inner)
        if row is None:
            raise Unreadable(f"is no line of {name}")
        return row

    return read_bare


def _read_web(raw: bytes, origin: Origin) -> Read:
    line = text(raw)
    row = web_access.read_line(line, origin) or web_error.read_line(line, origin)
    if row is not None:
        return row
    if raw[:1] == b"{":
        return read_json(raw, origin)
    envelope = parse_syslog(line, origin.ingested_us)
    if envelope is None:
        raise Unreadable(f"is no access or error line of {origin.hint}")
    return _read_message(envelope, origin)


_READERS: Mapping[str, Reader] = {
    "auto": read_auto,
    "windows": windows.read,
    "auditd": _line_reader(auditd.read_line, "auditd"),
    "sshd": _read_auth,
    "sudo": _read_auth,
    "auth": _read_auth,
    "syslog": _read_syslog,
    "nginx": _read_web,
    "apache": _read_web,
    "zeek": zeek.read,
    "suricata": suricata.read,
    "cloudtrail": cloudtrail.read,
    "postfix": _read_syslog,
    "zimbra": _line_reader(zimbra.read_line, "Zimbra"),
    "cisco": _line_reader(cisco.read_line, "Cisco IOS"),
    "egov": egov.read,
    "json": documents.read,
}
