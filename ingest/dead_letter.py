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

    from ingest.unpack import Unpacked
    from luytre.core.message import Record

MESSAGE_BYTES_MAX = 2**20
"""Original bytes that share one message of rejects; a larger one travels alone."""

ALL_OF_SEQUENCE = "*"
"""What the header ``replayed`` says of events that share a sequence, of which there may be many."""

_BINARY = "event.original"
_LINE_END = b"\r\n"
_HEADERS = {
    "origin": "luytre.origin",
    "position": "luytre.position",
    "organization": "organization.id",
    "hint": "luytre.hint",
    "zone": "luytre.zone",
    "host": "host.name",
    "path": "log.file.path",
    "encoding": "luytre.encoding",
    "framing": "luytre.framing",
}


def second_try(message: Unpacked, index: int) -> dict[str, object]:
    """Return the columns of ``REJECTS`` that ``replay_messages`` needs to make it anew.

    A message that cannot be read as a whole keeps the headers that say how to read it. An event of
    a message is tried again by itself.
    """
    numbered = message.foreign or message.first_seq is not None
    row: dict[str, object] = {
        "luytre.origin": message.origin,
        "luytre.encoding": message.encoding,
        "luytre.replayed": message.headers.get("replayed"),
    }
    if not message.problem:
        kind = "shared" if message.foreign else "list"
        position = f"{kind}:{message.positions[index]}"
        return row | {"luytre.count": 1, "luytre.position": position, "luytre.framing": "event"}
    position = message.headers.get("position", "seq")
    if message.foreign and message.first_seq is None:
        position = f"message:{message.positions[0].rpartition(':')[0]}"
    elif not numbered:
        position = f"list:{message.positions[0]}"
    return row | {
        "luytre.count": (1 if message.foreign else message.count) if numbered else 0,
        "luytre.position": position,
        "luytre.framing": message.headers.get("framing", "lines"),
    }


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
        if (row := read_reject(line)) is not None
    ]
    return pl.DataFrame(rows, schema=REJECTS)


def read_reject(line: bytes) -> dict[str, object] | None:
    """Return a line of ``reject_messages`` as a row of ``REJECTS``; None if it is none."""
    try:
        found = msgspec.json.decode(line)
        row = {name: found.get(name) for name in REJECTS}
        row[_BINARY] = base64.b64decode(row[_BINARY], validate=True)
        row["event.ingested"] = datetime.fromisoformat(row["event.ingested"])
    except (msgspec.DecodeError, AttributeError, TypeError, ValueError):
        return None
    return row


def replay_messages(rejects: pl.DataFrame) -> Iterator[Message]:
    """Yield rejects as messages for ``EVENTS_TOPIC``, to be read again.

    Stream, sequences, origin, position, framing and encoding are the first ones, so an event gets
    the id that it would have had. The headers ``sha256`` and ``reject`` are left out: who replays
    wants what can be read, although it was damaged or its shipper gave up on it. Events that
    share a sequence go together, because a sequence is a reject or none; all of them must be among
    ``rejects``.
    """
    sharing: dict[tuple[object, object], list[dict[str, object]]] = {}
    for row in rejects.iter_rows(named=True):
        if _text(row["luytre.position"]).startswith("shared:"):
            key = row["luytre.stream"], row["luytre.sequence"]
            sharing.setdefault(key, []).append(row)
        else:
            yield _replayed(row, _original(row), _text(row["event.id"]))
    for rows in sharing.values():
        yield _together(rows)


def _together(rows: list[dict[str, object]]) -> Message:
    if len(rows) == 1:
        return _replayed(rows[0], _original(rows[0]), ALL_OF_SEQUENCE)
    positions = ",".join(_text(row["luytre.position"]).removeprefix("shared:") for row in rows)
    first = rows[0] | {
        "luytre.position": f"shared:{positions}",
        "luytre.framing": "lines",
        "luytre.count": len(rows),
    }
    payload = b"".join(_original(row) + _LINE_END for row in rows)
    return _replayed(first, payload, ALL_OF_SEQUENCE)


def _replayed(row: dict[str, object], value: bytes, which: str) -> Message:
    stream = _text(row["luytre.stream"])
    headers = {name: _text(row[column]) for name, column in _HEADERS.items() if row[column]}
    headers |= {"stream": stream, "framing": headers.get("framing", "event"), "replayed": which}
    # A row of the processor knows neither how many it is (one) nor how it was framed.
    count = 1 if row["luytre.count"] is None else row["luytre.count"]
    if count:
        headers |= {"first_seq": str(row["luytre.sequence"]), "count": str(count)}
    return Message(stream.encode(), value, headers)


def _original(row: dict[str, object]) -> bytes:
    original = row[_BINARY]
    return original if isinstance(original, bytes) else b""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
