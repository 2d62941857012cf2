"""Reads on in one generation of a file: lines, UTF-16 text, EVTX records, JSON documents."""

from __future__ import annotations

import codecs
import hashlib
import itertools
import os
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.shippers import evtx
from ingest.shippers.documents import DOCUMENT_BYTES_MAX, split_documents
from ingest.shippers.files import (
    HEAD_BYTES,
    document_messages,
    document_origin,
    encode,
    kind_of,
)
from ingest.shippers.lines import UTF8_BOM, Place, cut, fingerprint, window_bytes
from ingest.shippers.stamp import Packer, Stamp, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingest.shippers.registry import FileRow
    from luytre.core.config import ShipConfig
    from luytre.core.message import Message

MARK_BYTES = 256
_COPY_BYTES = 2**20
_NOTHING = hashlib.sha256(b"").digest()


class RewrittenError(Exception):
    """The bytes before the place are not those that were sent: it is another generation."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a file is, as told by its first bytes, and where its first event is."""

    kind: str
    origin: str
    place: Place = field(default_factory=Place)
    mark: bytes = _NOTHING
    crc: int = 0


@dataclass(slots=True)
class Now:
    """What is known about the file at hand beyond its bytes.

    ``settled``: it has not changed for a while; what looks damaged or incomplete then is.
    ``final``: nobody will write to it any more, so its last line is whole. ``rejected``: digests of
    the damage that was sent already.
    """

    settled: bool = False
    final: bool = False
    rejected: set[bytes] = field(default_factory=set)


def identify(fd: int, path: str, now: Now) -> Start | None:
    """Return how a file is read from its start, or None while that cannot be told."""
    head = os.pread(fd, HEAD_BYTES, 0)
    kind = kind_of(head, path)
    if kind == "evtx":
        return _identify_evtx(fd, now)
    if kind == "documents":
        if not now.settled and not now.final:
            return None
        data = _whole(fd)
        if _is_json(data):
            return Start(kind, document_origin(data))
    return _identify_text(head, now, utf16=kind == "utf16")


def _identify_text(head: bytes, now: Now, *, utf16: bool) -> Start | None:
    if utf16:
        origin = fingerprint(encode(head.decode("utf-16", "replace")), final=now.final)
        bom = head[:2]
    else:
        origin = fingerprint(head, final=now.final and len(head) > 0)
        bom = UTF8_BOM if head.startswith(UTF8_BOM) else b""
    if origin is None:
        return None
    mark = hashlib.sha256(bom).digest()
    kind = "utf16" if utf16 else "lines"
    return Start(kind, origin, Place(offset=len(bom)), mark, zlib.crc32(bom))


def _identify_evtx(fd: int, now: Now) -> Start | None:
    with _stream(fd) as stream:
        origin = evtx.origin(stream)
        if origin is None and (now.settled or now.final):
            origin = evtx.damaged_origin(stream)
    return Start("evtx", origin) if origin else None


def _is_json(data: bytes) -> bool:
    if len(data) > DOCUMENT_BYTES_MAX:
        return False
    try:
        return next(split_documents(data.removeprefix(UTF8_BOM)), None) is not None
    except ValueError:
        return False


def is_same(fd: int, row: FileRow) -> bool:
    """Tell whether a file holds, up to the row's offset, what was sent of the row's generation."""
    if row.kind == "evtx":
        with _stream(fd) as stream:
            return evtx.origin(stream) in {row.origin, None}
    if row.kind == "documents":
        return row.origin == document_origin(_whole(fd))
    before = min(MARK_BYTES, row.place.offset)
    data = os.pread(fd, before, row.place.offset - before)
    if len(data) < before or hashlib.sha256(data).digest() != row.mark:
        return False
    # Fewer bytes than the mark covers were compared completely, the first line included.
    return (before > 0 and before == row.place.offset) or _starts_same(fd, row)


def _starts_same(fd: int, row: FileRow) -> bool:
    start = _identify_text(os.pread(fd, HEAD_BYTES, 0), Now(), utf16=row.kind == "utf16")
    return start is not None and start.origin == row.origin


def read_on(fd: int, row: FileRow, settings: ShipConfig, now: Now) -> Iterator[Message]:
    """Yield what can be sent beyond the row's place; the row is advanced with each message.

    Raises:
        RewrittenError: the file does not hold what was sent before.
    """
    stamp = stamp_of(row, row.origin)
    match row.kind:
        case "lines":
            yield from _read_lines(fd, row, stamp, settings, final=now.final)
        case "utf16":
            yield from _read_utf16(fd, row, stamp, settings, final=now.final)
        case "evtx":
            yield from _read_evtx(fd, row, stamp, settings, now)
        case "documents":
            yield from _read_documents(fd, row, stamp, settings)
        case _:
            raise AssertionError(row.kind)


def _read_lines(
    fd: int, row: FileRow, stamp: Stamp, settings: ShipConfig, *, final: bool
) -> Iterator[Message]:
    size = window_bytes(settings)
    at_end = False
    if row.place.offset > MARK_BYTES and not _starts_same(fd, row):
        raise RewrittenError(row.path)
    while not at_end:
        data, back = _window(fd, row, size)
        start = row.place.offset - back
        at_end = len(data) < back + size
        before = row.place.offset
        done = back
        for piece in cut(data[back:], row.place, settings, final=final and at_end):
            done = _advance(row, data, done, row.place.offset - start)
            yield piece.message(stamp)
        _advance(row, data, done, row.place.offset - start)
        at_end = at_end or row.place.offset == before


def _window(fd: int, row: FileRow, size: int) -> tuple[bytes, int]:
    """Return the next bytes with those before the place in front, and how many these are.

    One read gives both: what stands before the place and what follows it are then of one time.
    """
    back = min(MARK_BYTES, row.place.offset)
    data = os.pread(fd, back + size, row.place.offset - back)
    if len(data) < back or hashlib.sha256(data[:back]).digest() != row.mark:
        raise RewrittenError(row.path)
    return data, back


def _advance(row: FileRow, data: bytes, start: int, end: int) -> int:
    row.crc = zlib.crc32(memoryview(data)[start:end], row.crc)
    row.mark = _mark(data, end)
    return end


def _mark(data: bytes, end: int) -> bytes:
    return hashlib.sha256(data[max(0, end - MARK_BYTES) : end]).digest()


def _read_utf16(
    fd: int, row: FileRow, stamp: Stamp, settings: ShipConfig, *, final: bool
) -> Iterator[Message]:
    little = os.pread(fd, 2, 0) == codecs.BOM_UTF16_LE
    name, feed = ("utf-16-le", b"\n\0") if little else ("utf-16-be", b"\0\n")
    size = window_bytes(settings)
    while True:
        data, back = _window(fd, row, size)
        text = data[back : back + (len(data) - back) // 2 * 2]
        at_end = len(data) < back + size
        end = len(text) if final and at_end else _last_line_end(text, feed)
        if not end and at_end:
            return
        # A line that fills the whole window is cut here, and each piece becomes rejects below.
        end = end or len(text)
        place = Place(0, row.place.seq)
        pieces = cut(encode(text[:end].decode(name, "replace")), place, settings, final=True)
        messages = [piece.message(stamp, "seq") for piece in pieces]
        yield from messages[:-1]
        row.place.offset, row.place.seq = row.place.offset + end, place.seq
        _advance(row, data, back, back + end)
        yield from messages[-1:]
        if at_end:
            return


def _last_line_end(text: bytes, feed: bytes) -> int:
    at = text.rfind(feed)
    while at >= 0 and at % 2:
        at = text.rfind(feed, 0, at + 1)
    return at + 2 if at >= 0 else 0


def _read_evtx(
    fd: int, row: FileRow, stamp: Stamp, settings: ShipConfig, now: Now
) -> Iterator[Message]:
    with _stream(fd) as stream:
        if _was_cleared(stream, row):
            raise RewrittenError(row.path)
        found = evtx.records(stream, after=row.place.offset - 1)
        new = (record for record in found if not record.reject or _is_new_damage(record, now))
        while batch := list(itertools.islice(new, settings.message_events_max)):
            packer = Packer(stamp, settings, row.place.seq)
            messages: list[Message] = []
            for record in batch:
                messages.extend(packer.add(record.value, record.position, record.reject))
            messages.extend(packer.close())
            yield from messages[:-1]
            # The row names whole batches: a crash before the last message sends all of it again.
            row.place.seq = packer.seq
            row.place.offset = max(row.place.offset, *(r.record_id + 1 for r in batch))
            row.mark = next((_digest(r) for r in reversed(batch) if not r.reject), row.mark)
            yield messages[-1]


def _digest(record: evtx.EvtxRecord) -> bytes:
    return hashlib.sha256(record.value).digest()


def _is_new_damage(record: evtx.EvtxRecord, now: Now) -> bool:
    # Windows writes a chunk piece by piece: what is damaged now may be whole at the next look.
    digest = hashlib.sha256(record.position.encode() + b"\n" + record.value).digest()
    if digest in now.rejected or not (now.settled or now.final):
        return False
    now.rejected.add(digest)
    return True


def _was_cleared(stream: BinaryIO, row: FileRow) -> bool:
    """Tell whether the log was emptied: its last record sent is another one, or ids fell back."""
    last = row.place.offset - 1
    if last < 0 or row.mark == _NOTHING:
        return False
    newest = max((chunk.last_id for chunk in evtx.chunks(stream)), default=0)
    if newest and newest < last:
        return True
    there = [
        _digest(record)
        for record in evtx.records(stream, after=last - 1)
        if record.record_id == last and not record.reject
    ]
    return bool(there) and row.mark not in there


def _read_documents(fd: int, row: FileRow, stamp: Stamp, settings: ShipConfig) -> Iterator[Message]:
    data = _whole(fd)
    if document_origin(data) != row.origin:
        raise RewrittenError(row.path)
    if row.place.offset:
        return
    messages = document_messages(data, stamp, settings) or []
    yield from messages[:-1]
    row.place.offset, row.mark = len(data), _mark(data, len(data))
    if messages:
        last = messages[-1]
        row.place.seq = int(last.headers["first_seq"]) + int(last.headers["count"])
        yield last


def _stream(fd: int) -> BinaryIO:
    return os.fdopen(os.dup(fd), "rb")


def _whole(fd: int) -> bytes:
    with _stream(fd) as stream:
        stream.seek(0)
        return stream.read(DOCUMENT_BYTES_MAX + 1)


def holds_all(fd: int, row: FileRow) -> bool:
    """Tell the same as ``is_same``, by all bytes up to the offset: a copy has no other proof."""
    if not is_same(fd, row):
        return False
    crc, at = 0, 0
    while at < row.place.offset:
        data = os.pread(fd, min(_COPY_BYTES, row.place.offset - at), at)
        if not data:
            return False
        crc, at = zlib.crc32(data, crc), at + len(data)
    return crc == row.crc


def is_copy(fd: int, other: int) -> bool:
    """Tell whether a file holds the same bytes as another's beginning."""
    at = 0
    while data := os.pread(fd, _COPY_BYTES, at):
        if data != os.pread(other, len(data), at):
            return False
        at += len(data)
    return True
