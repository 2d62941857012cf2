"""Makes messages: the headers that say whose events these are and what their ids are made of."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zstandard

from luytre.core.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingest.shippers.registry import FileRow
    from luytre.core.config import ShipConfig

COMPRESS_FROM_BYTES = 512
"""Below this a zstd frame saves too little to be worth undoing."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What all messages of one stream share (the headers of ``luytre.core.message.Message``)."""

    stream: str
    origin: str
    organization: str
    hint: str = "auto"
    path: str = ""
    host: str = ""
    zone: str = ""

    def lines(self, payload: bytes, first_seq: int, count: int, position: str) -> Message:
        """Return whole lines as a message; ``count`` of them are not blank."""
        return self._message(payload, first_seq, count, position, {"framing": "lines"})

    def one(self, payload: bytes, seq: int, position: str, reject: str = "") -> Message:
        """Return one event as a message; ``reject`` is why nobody will be able to read it."""
        more = {"framing": "one"} | ({"reject": reject} if reject else {})
        return self._message(payload, seq, 1, position, more)

    def _message(
        self, payload: bytes, first_seq: int, count: int, position: str, more: dict[str, str]
    ) -> Message:
        packed = len(payload) > COMPRESS_FROM_BYTES
        headers = {
            "stream": self.stream,
            "first_seq": str(first_seq),
            "count": str(count),
            "origin": self.origin,
            "position": position,
            "organization": self.organization,
            "hint": self.hint,
            "host": self.host,
            "path": self.path,
            "encoding": "zstd" if packed else "",
            "sha256": hashlib.sha256(payload).hexdigest(),
            **({"zone": self.zone} if self.zone else {}),
            **more,
        }
        value = _compressed(payload) if packed else payload
        return Message(self.stream.encode(), value, headers)


def _compressed(payload: bytes) -> bytes:
    """Return a zstd frame that says its content's size.

    In pieces: at once it would be made in a buffer as large as the payload and then cut, and what
    is cut off cannot be used again while the frame lives: 800 MB for a backlog of 800 MB.
    """
    packer = zstandard.ZstdCompressor().compressobj(size=len(payload))
    return packer.compress(payload) + packer.flush()


def stamp_of(row: FileRow, origin: str) -> Stamp:
    """Return the stamp of a file that is followed, or packed."""
    return Stamp(row.stream, origin, row.organization, row.hint, row.path, zone=row.zone)


def payload_bytes(message: Message) -> int:
    """Return how large a message's payload is before compression."""
    if message.headers["encoding"] == "zstd":
        return zstandard.frame_content_size(message.value)
    return len(message.value)


def shown(path: Path) -> str:
    """Return a path as text that any header can carry, whatever bytes its names are of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class Packer:
    """Puts single events into as few messages as the limits allow, in order.

    An event that cannot share a message (a line end inside, a reject) gets one of its own; one
    that is too large becomes rejects of the largest size, one after the other.
    """

    def __init__(self, stamp: Stamp, settings: ShipConfig, first_seq: int = 0) -> None:
        self.seq = first_seq
        self._stamp = stamp
        self._settings = settings
        self._group: list[bytes] = []
        self._positions: list[str] = []
        self._size = 0

    def add(self, event: bytes, position: str = "", reject: str = "") -> Iterator[Message]:
        """Take an event, yield what is full. Without a ``position`` it is the sequence number."""
        longest = self._settings.event_bytes_max
        if len(event) > longest:
            reason = reject or f"event of {len(event)} bytes is longer than {longest}"
            for number, at in enumerate(range(0, len(event), longest), 1):
                piece = event[at : at + longest]
                yield from self._alone(piece, position, f"{reason}, piece {number}")
        elif reject or b"\n" in event or event.endswith(b"\r"):
            yield from self._alone(event, position, reject)
        elif event.strip():
            if self._size + len(event) >= self._settings.message_bytes_max:
                yield from self.close()
            self._group.append(event)
            self._positions.append(position)
            self._size += len(event) + 1
            if len(self._group) >= self._settings.message_events_max:
                yield from self.close()

    def close(self) -> Iterator[Message]:
        """Yield what still waits for company."""
        if not self._group:
            return
        payload, count = b"\n".join(self._group) + b"\n", len(self._group)
        positions = ",".join(self._positions)
        position = f"list:{positions}" if self._positions[0] else "seq"
        self._group, self._positions, self._size = [], [], 0
        self.seq += count
        yield self._stamp.lines(payload, self.seq - count, count, position)

    def _alone(self, event: bytes, position: str, reject: str) -> Iterator[Message]:
        yield from self.close()
        self.seq += 1
        named = f"list:{position}" if position else "seq"
        yield self._stamp.one(event, self.seq - 1, named, reject)
