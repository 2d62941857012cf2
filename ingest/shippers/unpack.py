"""Decompresses gzip and zstd streams in bounded steps, and tells when they end too early."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Protocol, cast

import zstandard

if TYPE_CHECKING:
    from typing import BinaryIO

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_WINDOW_BYTES_MAX = 128 * 2**20
BROKEN = (OSError, EOFError, zlib.error, zstandard.ZstdError)
"""What reading on may raise where a file or its compression is damaged."""
_STEP_BYTES = 2**16
_SKIPPABLE_MAGIC = b"\x2a\x4d\x18"


class Reader(Protocol):
    """Bytes that come in order."""

    def read(self, size: int, /) -> bytes: ...


class ZstdEnd:
    """Follows the structure of zstd frames, without their content (RFC 8878, 3.1).

    The decompressor takes an end in the middle of a frame for an end.
    """

    def __init__(self) -> None:
        self._head = b""
        self._skip = 0
        self._in_frame = False
        self._checksum = 0

    @property
    def is_whole(self) -> bool:
        """Whether what was fed ends where a frame ends."""
        return not (self._head or self._skip or self._in_frame)

    def feed(self, data: bytes) -> None:
        """Go on with the next compressed bytes."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
            else:
                step = 1
                self._head += data[at : at + 1]
                self._parse()
            at += step

    def _parse(self) -> None:
        head = self._head
        if self._in_frame:
            if len(head) == 3:  # noqa: PLR2004 - a block header
                block = int.from_bytes(head, "little")
                last, kind, size = block & 1, block >> 1 & 3, block >> 3
                self._skip = (1 if kind == 1 else size) + (self._checksum if last else 0)
                self._in_frame, self._head = not last, b""
        elif head[1:4] == _SKIPPABLE_MAGIC:
            if len(head) == 8:  # noqa: PLR2004 - magic and size
                self._skip, self._head = int.from_bytes(head[4:], "little"), b""
        elif len(head) == 5:  # noqa: PLR2004 - magic and descriptor
            descriptor = head[4]
            single = descriptor >> 5 & 1
            content = (single, 2, 4, 8)[descriptor >> 6]
            self._skip = 1 - single + (0, 1, 2, 4)[descriptor & 3] + content
            self._checksum = 4 if descriptor & 4 else 0
            self._in_frame, self._head = True, b""


class _Watched:
    def __init__(self, source: Reader, end: ZstdEnd) -> None:
        self._source = source
        self._end = end

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self._end.feed(data)
        return data


class Unpacked:
    """The plain bytes of ``source``, compressed as ``encoding`` ("gzip" or "zstd") says.

    ``read`` gives all that can be had before it raises one of ``BROKEN``.
    """

    def __init__(self, source: Reader, encoding: str) -> None:
        self._end = ZstdEnd()
        self._problem: Exception | None = None
        self._stream: Reader
        if encoding == "gzip":
            self._stream = gzip.GzipFile(fileobj=cast("BinaryIO", source))
        else:
            unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
            watched = cast("BinaryIO", _Watched(source, self._end))
            self._stream = unpacker.stream_reader(watched, read_across_frames=True)

    def read(self, size: int, /) -> bytes:
        parts = []
        try:
            while size > 0 and not self._problem and (data := self._step(size)):
                parts.append(data)
                size -= len(data)
        except BROKEN as error:
            self._problem = error
        if self._problem and not parts:
            raise self._problem
        return b"".join(parts)

    def _step(self, size: int) -> bytes:
        data = self._stream.read(min(size, _STEP_BYTES))
        if not data and not self._end.is_whole:
            raise EOFError("compressed data ended before its frame")
        return data
