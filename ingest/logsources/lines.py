"""What log sources of text lines share: their layouts, and the fields of a syslog header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.decode.columns import decode_texts
from ingest.decode.layout import Layout
from luytre.core.batch import LogSource, Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ingest.decode.layout import Origin
    from ingest.decode.syslog import Syslog

SYSLOG_COLUMNS = ("message", "host.name", "process.name", "process.pid", "log.syslog.priority")


def line_layout(
    name: str,
    logsources: Iterable[LogSource],
    known: Iterable[str],
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
) -> Layout:
    """Return the layout of a closed part, whose rows are texts keyed by our column names."""
    everywhere = {"event.dataset": name.replace("/", "."), **(constants or {})}
    part = Part(name, tuple(logsources), columns or {}, everywhere)
    return Layout(part, decode_texts, frozenset(known))


def text(raw: bytes) -> str:
    """Return a line as text; bytes that are not UTF-8 become U+FFFD."""
    return raw.decode("utf-8", "replace")


def header_fields(line: Syslog, origin: Origin) -> dict[str, str]:
    """Return the columns of a syslog header; the host is the sender's if the line names none."""
    fields = {
        "message": line.message,
        "host.name": line.host or origin.host,
        "process.name": line.program,
        "process.pid": line.pid,
        "log.syslog.priority": "" if line.priority is None else str(line.priority),
    }
    return {name: value for name, value in fields.items() if value}


def between(message: str, start: str, end: str = " ") -> str:
    """Return what stands between two marks, up to the end if the second is missing; or ""."""
    at = message.find(start)
    if at < 0:
        return ""
    at += len(start)
    stop = message.find(end, at)
    return message[at:] if stop < 0 else message[at:stop]
