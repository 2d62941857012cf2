"""Alerts as messages of the log: clipped to what a person reads, many in one, compressed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import zstandard

from luytre.core.alert import Alert, decode_alert, encode_alert
from luytre.core.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from luytre.core.message import Record

CELL_CHARS_MAX = 8 * 1024
ORIGINAL_BYTES_MAX = 64 * 1024
"""An alert of a larger event keeps its beginning; the archive has all of it."""

MESSAGE_BYTES_MAX = 512 * 1024
PLAIN_BYTES_MAX = 64 * 2**20
CLIPPED = "… (clipped; the archive has the whole event)"


def alert_messages(alerts: Iterable[Alert], key: bytes) -> Iterator[Message]:
    """Yield alerts in messages of about ``MESSAGE_BYTES_MAX`` before compression.

    One event of a megabyte that ten rules match would else be twenty megabytes of alerts.
    """
    lines: list[bytes] = []
    size = 0
    for alert in alerts:
        line = encode_alert(clipped(alert))
        lines.append(line)
        size += len(line)
        if size >= MESSAGE_BYTES_MAX:
            yield _message(lines, key)
            lines, size = [], 0
    if lines:
        yield _message(lines, key)


def clipped(alert: Alert) -> Alert:
    """Return the alert with over-long cells and original cut, and marked as cut."""
    long = {name: cell for name, cell in alert.event.items() if len(cell) > CELL_CHARS_MAX}
    if not long and len(alert.original) <= ORIGINAL_BYTES_MAX:
        return alert
    event = {**alert.event, **{name: c[:CELL_CHARS_MAX] + CLIPPED for name, c in long.items()}}
    original = alert.original
    if len(original) > ORIGINAL_BYTES_MAX:
        original = original[:ORIGINAL_BYTES_MAX] + CLIPPED.encode()
    return replace(alert, event=event, original=original)


def read_alerts(record: Record) -> tuple[Sequence[Alert], Sequence[str]]:
    """Return the alerts of a message, and why each of its other lines is none."""
    try:
        lines = _lines(record.message)
    except zstandard.ZstdError as error:
        return [], [str(error)]
    alerts: list[Alert] = []
    problems: list[str] = []
    for line in lines:
        try:
            alerts.append(decode_alert(line))
        except msgspec.MsgspecError as error:
            problems.append(str(error))
    return alerts, problems


def _message(lines: Sequence[bytes], key: bytes) -> Message:
    packed = zstandard.ZstdCompressor().compress(b"\n".join(lines))
    return Message(key, packed, {"encoding": "zstd", "count": str(len(lines))})


def _lines(message: Message) -> list[bytes]:
    if message.headers.get("encoding") != "zstd":
        return message.value.splitlines()
    plain = zstandard.ZstdDecompressor().decompress(message.value, max_output_size=PLAIN_BYTES_MAX)
    return plain.splitlines()
