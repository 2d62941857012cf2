"""From a message of the log to the events inside it: decompressed, verified, and placed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate, compress

import zstandard

from luytre.core.message import Record
from luytre.core.zone import parse_zone

PAYLOAD_BYTES_MAX = 64 * 2**20
"""A message that decompresses to more is refused: shippers stay at 1 MiB."""

_SHARING = frozenset(["shared", "message"])
_WINDOW_BYTES_MAX = 128 * 2**20
_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The events of one message.

    ``places`` is what ``event.id`` is made of, one per event. ``first_seq`` is None for a
    message that no shipper of ours made; such a one is ``foreign``, as it is when it is replayed,
    and its events share one sequence. With a ``problem`` there is one event, the payload as it
    came (packed by ``encoding``), and it is a reject. ``payload`` is the bytes of all events, if
    they are its lines as they are, and otherwise empty.
    """

    record: Record
    origin: str
    stream: str
    first_seq: int | None
    events: tuple[bytes, ...]
    places: Sequence[int | str]
    problem: str = ""
    foreign: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""
    payload: bytes = b""

    @property
    def positions(self) -> tuple[str, ...]:
        """The places of the events as texts."""
        return tuple(map(str, self.places))

    @property
    def count(self) -> int:
        """How many of the stream's sequence numbers this message is."""
        if self.problem and self.first_seq is not None:
            return max(1, _number(self.headers.get("count")) or 1)
        return len(self.events)

    def sequence(self, index: int) -> int:
        """Return an event's sequence number; events of a foreign message share its offset."""
        first = self.record.offset if self.first_seq is None else self.first_seq
        return first if self.foreign else first + index

    def sequences(self, kept: Sequence[int]) -> Sequence[int]:
        """Return the sequence numbers of some events."""
        first = self.sequence(0)
        if self.foreign:
            return [first] * len(kept)
        if isinstance(kept, range):
            return range(first + kept.start, first + kept.stop)
        return [first + index for index in kept]


class _Problem(Exception):  # noqa: N818 - becomes the reason of a reject
    pass


def unpack(record: Record) -> Unpacked:
    """Return the events of a message; never raises on anything that a message may hold."""
    headers = {name: _clean(value) for name, value in record.message.headers.items()}
    message = _without_events(record, headers)
    payload: bytes | None = None
    try:
        payload = _payload(record, headers)
        _check_headers(message)
        events, offsets = _split(payload, headers.get("framing", "lines"))
        places = _places(message, offsets)
    except _Problem as problem:
        # What cannot be unpacked is kept as it came; what the shipper refused, as it was.
        original = record.message.value if payload is None else payload
        packed = headers.get("encoding", "") if payload is None else ""
        return replace(message, events=(original,), problem=str(problem), encoding=packed)
    whole = payload if headers.get("framing", "lines") == "lines" else b""
    return replace(message, events=tuple(events), places=places, payload=whole)


def _without_events(record: Record, headers: Mapping[str, str]) -> Unpacked:
    place = f"{record.topic}/{record.partition}"
    if "stream" not in headers:
        position = f"{record.partition}:{record.offset}:0"
        return Unpacked(
            record, record.topic, place, None, (), (position,), foreign=True, headers=headers
        )
    stream, first_seq = headers["stream"], _number(headers.get("first_seq"))
    kind, _, rest = headers.get("position", "seq").partition(":")
    first = headers.get("first_seq", "0") if kind == "seq" else rest.partition(",")[0]
    return Unpacked(
        record,
        headers.get("origin", stream),
        stream,
        first_seq,
        (),
        (f"{rest}:0" if kind == "message" else first,),
        foreign=kind in _SHARING and first_seq is not None,
        headers=headers,
    )


def _clean(text: str) -> str:
    """Return a header without lone surrogates, which no frame can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _check_headers(message: Unpacked) -> None:
    if "reject" in message.headers:
        raise _Problem(message.headers["reject"] or "the shipper could not read it")
    if not message.foreign and message.first_seq is None:
        raise _Problem("its header first_seq is not a number")
    try:
        parse_zone(message.headers.get("zone", ""))
    except ValueError as error:
        raise _Problem(str(error)) from None


def _number(text: str | None) -> int | None:
    """Return a decimal number of at most 18 digits, so that it fits 64 bits."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004
        return None
    return int(text)


def _payload(record: Record, headers: Mapping[str, str]) -> bytes:
    value = record.message.value
    encoding = headers.get("encoding", "")
    if encoding == "zstd":
        payload = _decompress(value)
    elif encoding == "":
        payload = value
    else:
        raise _Problem(f"its encoding {encoding[:40]!r} is unknown")
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise _Problem(f"its payload is larger than {PAYLOAD_BYTES_MAX} bytes")
    expected = headers.get("sha256")
    # 1.3 us per KiB: the price of knowing that what was read is what was shipped.
    if expected is not None and hashlib.sha256(payload).hexdigest() != expected:
        raise _Problem("its payload does not match its sha256: it was damaged on the way")
    return payload


def _decompress(value: bytes) -> bytes:
    """Return the payload of a zstd frame, never more than one chunk above the limit."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
    # A frame that says its size is undone in one piece: 0.4 us a KiB, in chunks 0.6. How far a
    # damaged one goes the stream tells.
    with suppress(zstandard.ZstdError):
        if 0 < zstandard.frame_content_size(value) <= PAYLOAD_BYTES_MAX:
            return decompressor.decompress(value)
    return _decompress_stream(decompressor, value)


def _decompress_stream(decompressor: zstandard.ZstdDecompressor, value: bytes) -> bytes:
    chunks: list[bytes] = []
    left = PAYLOAD_BYTES_MAX
    try:
        reader = decompressor.stream_reader(io.BytesIO(value))
        while left >= 0 and (chunk := reader.read(_CHUNK_BYTES)):
            chunks.append(chunk)
            left -= len(chunk)
    except zstandard.ZstdError as error:
        raise _Problem(f"it cannot be decompressed: {error}") from None
    return b"".join(chunks)


def _split(payload: bytes, framing: str) -> tuple[list[bytes], list[int]]:
    """Return the events and their offsets in the payload."""
    if framing == "event":
        return [payload], [0]
    if framing == "one":
        return [_without_end(payload)], [0]
    if framing != "lines":
        raise _Problem(f"its framing {framing[:40]!r} is unknown")
    lines = payload.split(b"\n")
    # 0.2 us a line, with a loop over its end and offset 0.4; the length is that of the lines
    # before, the number that of their line ends.
    starts = [at + number for number, at in enumerate(accumulate(map(len, lines[:-1]), initial=0))]
    kept = [bool(line) and not line.isspace() for line in lines]
    if not all(kept):
        lines, starts = list(compress(lines, kept)), list(compress(starts, kept))
    if b"\r" in payload:
        lines = [line.removesuffix(b"\r") for line in lines]
    return lines, starts


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _places(message: Unpacked, offsets: list[int]) -> Sequence[int | str]:
    headers, record = message.headers, message.record
    kind, _, rest = headers.get("position", "seq").partition(":")
    if message.foreign and message.first_seq is None:
        rest, kind = f"{record.partition}:{record.offset}", "message"
    if kind == "message":
        return [f"{rest}:{i}" for i in range(len(offsets))]
    counted = _number(headers.get("count"))
    if counted is not None and counted != len(offsets):
        raise _Problem(f"its header count is {counted} but it holds {len(offsets)} events")
    if kind == "seq" and not rest:
        return message.sequences(range(len(offsets)))
    if kind == "bytes" and (start := _number(rest)) is not None:
        return [start + offset for offset in offsets]
    if kind in {"list", "shared"} and len(items := rest.split(",")) == len(offsets):
        return items
    raise _Problem("its header position does not say where its events stand")
