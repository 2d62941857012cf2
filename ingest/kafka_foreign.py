"""Messages of other shippers: the line in their envelope, and what the configuration says of it.

Nothing that such a message says of itself decides whose it is or how it is delivered: its own
headers are dropped, and organisation and time zone come from the configuration of its topic.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ingest.kafka_records import record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from luytre.core.config_kafka import KafkaTopic
    from luytre.core.message import Record

_DEFAULT_PRIORITY = 13
_SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "security", "console", "solaris-cron",
    *(f"local{number}" for number in range(8)),
)  # fmt: skip
_TAG = re.compile(r"([^\s\[:]{1,128})(?:\[([^\]\s]{1,64})\])?:?")


class _Shape(NamedTuple):
    """Where a shipper puts things: the first of the dotted names that holds text counts.

    ``program`` is only where the syslog header was taken off the line.
    """

    line: tuple[str, ...]
    host: tuple[str, ...]
    path: tuple[str, ...]
    log_source: str
    program: tuple[str, ...] = ()
    pid: tuple[str, ...] = ()
    time: tuple[str, ...] = ()


SHAPES: Mapping[str, _Shape] = {
    "filebeat": _Shape(
        line=("event.original", "message"),
        host=("host.name", "host.hostname", "agent.hostname"),
        path=("log.file.path",),
        log_source="event.dataset",
    ),
    "vector": _Shape(
        line=("message",),
        host=("host", "hostname"),
        path=("file",),
        log_source="source_type",
        program=("appname",),
        pid=("procid",),
        time=("timestamp",),
    ),
    "rsyslog": _Shape(
        line=("rawmsg", "message", "msg"),
        host=("host", "hostname", "fromhost"),
        path=(),
        log_source="programname",
        program=("syslogtag", "tag", "programname", "app-name"),
        pid=("procid",),
        time=("@timestamp", "timestamp", "timereported", "timegenerated"),
    ),
}
"""Shippers whose message is an envelope around a line. The others send events as they are."""


def translation(source: KafkaTopic) -> Callable[[Any], Record]:
    """Return what makes a record of ours from a message of this topic; it never raises."""
    fixed = {"hint": source.log_source, "organization": source.organization}
    if source.time_zone:
        fixed["zone"] = source.time_zone
    shape = SHAPES.get(source.shipper)
    if shape is None:
        return lambda found: record_of(found, source.topic, fixed)
    field = source.log_source_field or shape.log_source

    def translate(found: Any) -> Record:
        # 3 us a message: one of these shippers' messages is one event.
        try:
            document = msgspec.json.decode(found.value or b"")
        except (msgspec.DecodeError, RecursionError):
            document = None
        line = _line(document, shape) if isinstance(document, dict) else None
        if line is None:
            # What is no such envelope is read as an event of its own, and refused if it is none.
            return record_of(found, source.topic, fixed)
        said = _text(document, (field,))
        headers = {
            **fixed,
            "framing": "one",
            "hint": source.log_sources.get(said, source.log_source),
            "host": _text(document, shape.host),
            "path": _text(document, shape.path),
        }
        return record_of(found, source.topic, headers, line.encode(errors="replace"))

    return translate


def _line(document: dict[str, Any], shape: _Shape) -> str | None:
    line = _text(document, shape.line)
    if not line:
        return None
    program = _text(document, shape.program)
    if not program or _text(document, ("rawmsg",)):
        return line
    # RFC 5424, 6: the header that the shipper has taken apart, so that one decoder reads both.
    tag = _TAG.match(program)
    name, pid = (tag[1], tag[2] or "") if tag else (program, "")
    words = (
        _word(_text(document, shape.time)),
        _word(_text(document, shape.host)),
        _word(name),
        _word(_text(document, shape.pid) or pid),
    )
    return f"<{_priority(document)}>1 {' '.join(words)} - - {line}"


def _word(text: str) -> str:
    return "".join(text.split())[:255] or "-"


def _priority(document: dict[str, Any]) -> int:
    facility = _number(document.get("facility"), _FACILITIES)
    severity = _number(document.get("severity"), _SEVERITIES)
    if facility is None or severity is None:
        return _DEFAULT_PRIORITY
    return facility * 8 + severity


def _number(value: Any, names: tuple[str, ...]) -> int | None:
    text = str(value).strip().lower()
    if text in names:
        return names.index(text)
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 2 else -1  # noqa: PLR2004
    return number if 0 <= number < len(names) else None


def _text(document: dict[str, Any], names: tuple[str, ...]) -> str:
    """Return the first text (or number) that one of the dotted names leads to; "" if none does."""
    for name in names:
        value: Any = document.get(name)
        if value is None and "." in name:
            value = document
            for step in name.split("."):
                value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""
