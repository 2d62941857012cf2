"""Reads whole files, once: text, NDJSON, JSON documents, EVTX, plain or compressed."""

from __future__ import annotations

import codecs
import contextlib
import glob
import hashlib
import io
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ingest.shippers import evtx
from ingest.shippers.documents import DOCUMENT_BYTES_MAX, is_document, split_documents
from ingest.shippers.lines import (
    UTF8_BOM,
    Place,
    cut,
    fingerprint,
    window_bytes,
)
from ingest.shippers.stamp import Packer, Stamp, shown
from ingest.shippers.unpack import BROKEN, GZIP_MAGIC, ZSTD_MAGIC, Unpacked
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from ingest.shippers.unpack import Reader
    from luytre.core.config import ShipConfig
    from luytre.core.message import Message

PACKED_SUFFIXES = frozenset({".gz", ".zst", ".bz2", ".xz", ".zip"})
HEAD_BYTES = 2**20
"""What is looked at to tell how a file is read: its first line, if that is not longer."""
EVTX_BYTES_MAX = 4 * 2**30
_COPY_BYTES = 2**20


def discover(paths: Sequence[str]) -> list[Path]:
    """Return the files that ``paths`` mean: files, folders (recursively), glob patterns; sorted.

    Hidden and empty files are left out unless named outright.

    Raises:
        Refused: a path does not exist, or a pattern matches nothing; all of them at once.
    """
    found: set[Path] = set()
    missing = []
    for text in paths:
        path = Path(text)
        if path.is_file():
            found.add(path)
        elif (matches := list(matching(text))) or path.exists():
            found.update(match for match in matches if match.stat().st_size)
        else:
            missing.append(text)
    if missing:
        raise Refused("\n".join(f"{text}: no such file" for text in missing))
    return sorted(found)


def matching(pattern: str) -> Iterator[Path]:
    """Yield the files that one path, folder or glob pattern means now, hidden ones left out.

    None is no error. A folder means everything below it.
    """
    for text in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - Path.glob takes no absolute patterns
        path = Path(text)
        if path.is_dir():
            yield from _below(path)
        elif not path.name.startswith(".") and path.is_file():
            yield path


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                yield path


def read_file(
    path: Path,
    settings: ShipConfig,
    *,
    organization: str,
    hint: str = "auto",
    shipper: str,
    zone: str = "",
    progress: Callable[[int], None] | None = None,
) -> Iterator[Message]:
    """Yield a file's events as messages; its last line needs no end.

    ``zone`` is that of times that do not say theirs (``luytre.core.zone``). ``progress`` is called
    with the bytes of the file that were read since its last call. What is damaged becomes rejects.

    Raises:
        Refused: the file cannot be opened.
    """
    stamp = Stamp(shipper, "", organization, hint, shown(path), zone=zone)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    with stream:
        yield from _Reading(settings, stamp, progress).messages(stream)


def read_stream(
    stream: BinaryIO,
    settings: ShipConfig,
    *,
    organization: str,
    hint: str = "auto",
    shipper: str,
    name: str = "-",
    zone: str = "",
    progress: Callable[[int], None] | None = None,
) -> Iterator[Message]:
    """Yield the events of a stream that cannot be rewound (standard input) as messages."""
    stamp = Stamp(shipper, "", organization, hint, name, zone=zone)
    yield from _Reading(settings, stamp, progress).messages(stream)


class Rest:
    """A stream with what was already taken from it put back in front."""

    def __init__(self, head: bytes, rest: Reader) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        if self._head:
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        return self._rest.read(size)


class _Counted:
    """A stream that tells how much was read."""

    def __init__(self, stream: Reader, progress: Callable[[int], None] | None) -> None:
        # What a pipe has now is better than what it will have when the buffer is full.
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        self._progress = progress

    def read(self, size: int, /) -> bytes:
        data = self._read(size)
        if self._progress and data:
            self._progress(len(data))
        return data


class _Utf8:
    """A UTF-16 stream as UTF-8; what is no UTF-16 becomes U+FFFD."""

    def __init__(self, stream: Reader) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")

    def read(self, size: int, /) -> bytes:
        while data := self._stream.read(size):
            if text := self._decoder.decode(data):
                return encode(text)
        return encode(self._decoder.decode(b"", final=True))


def encode(text: str) -> bytes:
    """Return UTF-8 of text that may hold a lone surrogate."""
    return text.encode("utf-8", "replace")


class _Reading:
    """One file or stream on its way into messages."""

    def __init__(
        self, settings: ShipConfig, stamp: Stamp, progress: Callable[[int], None] | None
    ) -> None:
        self._settings = settings
        self._base = stamp
        self._progress = progress

    def messages(self, stream: BinaryIO) -> Iterator[Message]:
        counted = _Counted(stream, self._progress)
        try:
            head = head_of(counted)
        except OSError as error:
            raise Refused(f"{self._base.path}: {error.strerror}") from error
        rest = Rest(head, counted)
        if head.startswith(GZIP_MAGIC):
            yield from self._plain(Unpacked(rest, "gzip"))
        elif head.startswith(ZSTD_MAGIC):
            yield from self._plain(Unpacked(rest, "zstd"))
        else:
            yield from self._content(head, rest, stream if stream.seekable() else None)

    def _plain(self, stream: Reader) -> Iterator[Message]:
        try:
            head = head_of(stream)
        except BROKEN as error:
            stamp = file_stamp(self._base, hashlib.sha256(self._base.path.encode()).hexdigest())
            reason = f"cannot be decompressed: {error}"
            yield stamp.one(reason.encode(), 0, "seq", reason)
            return
        yield from self._content(head, Rest(head, stream), None)

    def _content(self, head: bytes, rest: Reader, whole: BinaryIO | None) -> Iterator[Message]:
        kind = kind_of(head, self._base.path)
        if kind == "evtx":
            yield from self._evtx(head, rest, whole)
        elif kind == "utf16":
            text = _Utf8(rest)
            head = head_of(text)
            yield from self._lines(head, Rest(head, text), position="seq")
        elif kind == "documents":
            yield from self._documents(head, rest)
        else:
            yield from self._lines(head, rest)

    def _documents(self, head: bytes, rest: Reader) -> Iterator[Message]:
        data = _fill(rest, DOCUMENT_BYTES_MAX + 1)
        stamp = file_stamp(self._base, document_origin(data))
        messages = document_messages(data, stamp, self._settings)
        yield from self._lines(head, Rest(data, rest)) if messages is None else messages

    def _lines(self, head: bytes, rest: Reader, *, position: str = "") -> Iterator[Message]:
        stamp = file_stamp(self._base, fingerprint(head, final=True) or "")
        place = Place(offset=len(UTF8_BOM) if head.startswith(UTF8_BOM) else 0)
        rest.read(place.offset)
        yield from line_messages(rest, stamp, self._settings, place, position)

    def _evtx(self, head: bytes, rest: Reader, whole: BinaryIO | None) -> Iterator[Message]:
        with contextlib.ExitStack() as open_files:
            if whole is None:
                whole = _copy(rest, open_files.enter_context(tempfile.TemporaryFile()))
            elif self._progress:
                self._progress(whole.seek(0, io.SEEK_END) - len(head))
            origin = evtx.origin(whole) or evtx.damaged_origin(whole)
            packer = Packer(file_stamp(self._base, origin), self._settings)
            for record in evtx.records(whole):
                yield from packer.add(record.value, record.position, record.reject)
            yield from packer.close()


def line_messages(
    rest: Reader, stamp: Stamp, settings: ShipConfig, place: Place, position: str = ""
) -> Iterator[Message]:
    """Yield the lines of a stream that begins at ``place``, which advances before each."""
    window, size = b"", window_bytes(settings)
    final, broken = False, ""
    while not final:
        try:
            more = rest.read(size - len(window))
        except BROKEN as error:
            more, broken = b"", f"cannot be read on: {error}"
        final = not more
        window += more
        start = place.offset
        for piece in cut(window, place, settings, final=final):
            yield piece.message(stamp, position)
        window = window[place.offset - start :]
    if broken:
        place.seq += 1
        where = position or f"bytes:{place.offset}"
        yield stamp.one(broken.encode(), place.seq - 1, where, broken)


def kind_of(head: bytes, path: str) -> Literal["evtx", "utf16", "documents", "lines"]:
    """Tell from a file's first bytes (``HEAD_BYTES`` of them) and its name how it is read."""
    names = {part.lower() for part in Path(path).suffixes[-2:]}
    if head.startswith(evtx.FILE_MAGIC) or ".evtx" in names:
        return "evtx"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf16"
    if ".json" in names and is_document(head.removeprefix(UTF8_BOM)):
        return "documents"
    return "lines"


def file_stamp(base: Stamp, origin: str) -> Stamp:
    """Return the stamp of one file; ``base.stream`` is the shipper's name.

    The path is part of the stream, because many logs start with the same line (a header), and two
    files must not count in one sequence. It is no part of the origin, so no part of event ids.
    """
    where = hashlib.sha256(base.path.encode()).hexdigest()
    return replace(base, stream=f"{base.stream}/{origin[:16]}-{where[:8]}", origin=origin)


def document_origin(data: bytes) -> str:
    """Return the identity of a whole JSON file: many start alike, and they never grow."""
    return hashlib.sha256(data).hexdigest()


def document_messages(data: bytes, stamp: Stamp, settings: ShipConfig) -> list[Message] | None:
    """Return the events of a whole JSON file, or None if it is to be read as lines."""
    if len(data) > DOCUMENT_BYTES_MAX:
        return None
    packer = Packer(stamp, settings)
    messages: list[Message] = []
    try:
        for event, reject in split_documents(data.removeprefix(UTF8_BOM)):
            messages.extend(packer.add(event, reject=reject))
    except ValueError:
        return None
    return [*messages, *packer.close()]


def head_of(stream: Reader) -> bytes:
    """Read until the first line that is not blank is there: a pipe may be slow to give more."""
    head = b""
    while (
        b"\n" not in head.lstrip() and len(head) < HEAD_BYTES and (more := stream.read(_COPY_BYTES))
    ):
        head += more
    return head


def _fill(stream: Reader, size: int) -> bytes:
    parts = []
    while size > 0 and (data := stream.read(min(size, _COPY_BYTES))):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def _copy(stream: Reader, target: BinaryIO) -> BinaryIO:
    size = 0
    while size < EVTX_BYTES_MAX and (data := stream.read(_COPY_BYTES)):
        target.write(data)
        size += len(data)
    return target
