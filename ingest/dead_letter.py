"""Rejects as messages: kept with all that a second try needs, read back, and sent again."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import polars as pl
import zstandard

from ingest.unpack import unpack
from luytre.core.ecs import REJECTS
from luytre.core.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from luytre.core.message import Record

MESSAGE_BYTES_MAX = 2**20
"""Original bytes that share one message of rejects; a larger one travels alone."""

_BINARY = "event.original"


def reject_messages(rejects: pl.DataFrame) -> list[Message]:
    """Return rejects as messages for ``REJECTS_TOPIC``: NDJSON, zstd, originals in base64."""
    messages = []
    for lines in _chunks(rejects):
        payload = zstandard.compress(b"\n".join(lines))
        messages.append(Message(b"rejects", payload, {"encoding": "zstd", "framing": "lines"}))
    return messages


def _chunks(rejects: pl.DataFrame) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    size = 0
    for row in rejects.select(*REJECTS).iter_rows(named=True):
        line = msgspec.json.encode(row)
        if lines and size + len(line) > MESSAGE_BYTES_MAX:
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield lines


def read_rejects(records: Sequence[Record]) -> pl.DataFrame:
    """Return the rejects of records of ``REJECTS_TOPIC``; lines that are none are left out."""
    rows = [
        row
        for record in records
        for message in (unpack(record),)
        if not message.problem
        for line in message.events
        if (row := _row(line)) is not None
    ]
    return pl.DataFrame(rows, schema=REJECTS)


def _row(line: bytes) -> dict[str, object] | None:
    try:
        found = msgspec.json.decode(line)
        row = {name: found.get(name) for name in REJECTS}
        row[_BINARY] = base64.b64decode(row[_BINARY], validate=True)
        row["event.ingested"] = datetime.fromisoformat(row["event.ingested"])
    except (msgspec.DecodeError, AttributeError, TypeError, ValueError):
        return None
    return row


def replay_messages(rejects: pl.DataFrame) -> list[Message]:
    """Return rejects as messages for ``EVENTS_TOPIC``, to be read again.

    Stream, sequence, origin and position are the first ones, so the event gets the same id.
    """
    return [_replayed(row) for row in rejects.iter_rows(named=True)]


def _replayed(row: dict[str, object]) -> Message:
    stream = _text(row["luytre.stream"])
    headers = {
        "stream": stream,
        "first_seq": str(row["luytre.sequence"] or 0),
        "count": "1",
        "origin": _text(row["luytre.origin"]),
        "position": f"list:{_text(row['luytre.position'])}",
        "organization": _text(row["organization.id"]),
        "hint": _text(row["luytre.hint"]),
        "host": _text(row["host.name"]),
        "path": _text(row["log.file.path"]),
        "encoding": "",
        "framing": "one",
        "replayed": "1",
    }
    original = row[_BINARY]
    return Message(stream.encode(), original if isinstance(original, bytes) else b"", headers)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
