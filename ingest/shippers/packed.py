"""Sends compressed files, once each, when all that there is shall be sent."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.shippers.files import Rest, head_of, kind_of, line_messages, read_file
from ingest.shippers.generation import MARK_BYTES
from ingest.shippers.lines import UTF8_BOM, Place, fingerprint
from ingest.shippers.registry import PACKED, FileRow
from ingest.shippers.stamp import shown, stamp_of
from ingest.shippers.unpack import BROKEN, GZIP_MAGIC, ZSTD_MAGIC, Unpacked
from luytre.core.errors import Refused
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from ingest.shippers.followed import Identity
    from ingest.shippers.registry import Registry
    from ingest.shippers.unpack import Reader
    from luytre.core.clock import Clock
    from luytre.core.config import FileInput, ShipConfig
    from luytre.core.message import Message

READ_SUFFIXES = frozenset({".gz", ".zst"})
_STEP_BYTES = 2**20
_log = get_logger("ingest")


class PackedFiles:
    """The compressed files that patterns find. They are not followed, since they do not grow.

    A file is known by all its bytes: renamed or copied, it is not sent again. Nor are the lines
    that were sent before it was packed, if that was the end of a file whose row is still kept
    (``FINISHED_DAYS_MAX``). Ids are those of the plain content, as ``read_file`` gives them.
    """

    def __init__(
        self, settings: ShipConfig, organization: str, registry: Registry, clock: Clock
    ) -> None:
        self._settings = settings
        self._organization = organization
        self._registry = registry
        self._clock = clock
        self._told: set[Identity] = set()

    def tell(self, found: Mapping[Identity, tuple[Path, FileInput]]) -> None:
        """Say once of each file that it is not read."""
        new = [path for identity, (path, _) in found.items() if identity not in self._told]
        if new:
            self._told.update(found)
            _log.warning(
                "packed files are not followed: `luytre ship --once` sends them",
                count=len(new),
                first=shown(new[0]),
            )

    def messages(
        self, found: Iterable[tuple[Path, FileInput]], unsaved: dict[str, FileRow]
    ) -> Iterator[Message]:
        """Yield what was not sent yet of each file; ``unsaved`` gets the rows that advance."""
        rows = list(({row.stream: row for row in self._registry.rows()} | unsaved).values())
        known = {(row.mark, row.organization): row for row in rows if row.kind == PACKED}
        for path, source in found:
            if path.suffix.lower() not in READ_SUFFIXES:
                _log.warning("packed file cannot be read: unpack it", path=shown(path))
                continue
            try:
                row = self._row(path, source, known, rows)
                if not row.finished:
                    unsaved[row.stream] = row
                    yield from self._rest(path, row)
                    row.finished = True
            except (*BROKEN, Refused) as error:
                _log.warning("packed file cannot be read", path=shown(path), problem=str(error))

    def _row(
        self,
        path: Path,
        source: FileInput,
        known: dict[tuple[bytes, str], FileRow],
        rows: list[FileRow],
    ) -> FileRow:
        organization = source.organization or self._organization
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
            mark, name = digest.digest(), digest.hexdigest()
            if row := known.get((mark, organization)):
                return row
            stream.seek(0)
            row = FileRow(
                f"{self._settings.name}/{self._registry.shipper_id}/{name[:16]}", name,
                organization, source.log_source, PACKED, shown(path), mark=mark,
                size=path.stat().st_size, zone=source.time_zone,
            )  # fmt: skip
            row.place = _sent_before(stream, row, rows)
        self._registry.claim(row, self._clock.now())
        known[mark, organization] = row
        return row

    def _rest(self, path: Path, row: FileRow) -> Iterator[Message]:
        with path.open("rb") as stream:
            plain, head = _plain(stream)
            if kind_of(head, row.path) == "lines" and head:
                origin = fingerprint(head, final=True) or ""
                stamp = stamp_of(row, origin)
                _skip(plain, row.place.offset)
                yield from line_messages(plain, stamp, self._settings, row.place)
                return
        yield from self._whole(path, row)

    def _whole(self, path: Path, row: FileRow) -> Iterator[Message]:
        messages = read_file(
            path,
            self._settings,
            organization=row.organization,
            hint=row.hint,
            shipper="",
            zone=row.zone,
        )
        for message in messages:
            end = int(message.headers["first_seq"]) + int(message.headers["count"])
            # A former process may have sent the first ones; the same bytes count the same.
            if end > row.place.seq:
                row.place.seq = end
                headers = {**message.headers, "stream": row.stream}
                yield replace(message, key=row.stream.encode(), headers=headers)


def _plain(stream: BinaryIO) -> tuple[Reader, bytes]:
    """Return a file's plain bytes and the first of them; none if nothing can be unpacked."""
    magic = stream.read(len(ZSTD_MAGIC))
    stream.seek(0)
    plain: Reader = stream
    if magic.startswith(GZIP_MAGIC):
        plain = Unpacked(stream, "gzip")
    elif magic == ZSTD_MAGIC:
        plain = Unpacked(stream, "zstd")
    try:
        head = head_of(plain)
    except BROKEN:
        head = b""
    return Rest(head, plain), head


def _sent_before(stream: BinaryIO, row: FileRow, rows: Iterable[FileRow]) -> Place:
    """Return where what was sent of the plain file ends, before it was packed."""
    plain, head = _plain(stream)
    if kind_of(head, row.path) != "lines":
        return Place()
    place = Place(offset=len(UTF8_BOM) if head.startswith(UTF8_BOM) else 0)
    wanted = ("lines", fingerprint(head, final=True), row.organization, row.hint)
    alike = [r for r in rows if (r.kind, r.origin, r.organization, r.hint) == wanted]
    at, crc, tail = 0, 0, b""
    for other in sorted(alike, key=lambda other: other.place.offset):
        while at < other.place.offset:
            data = _read(plain, other.place.offset - at)
            if not data:
                return place
            at, crc, tail = at + len(data), zlib.crc32(data, crc), (tail + data)[-MARK_BYTES:]
        if crc == other.crc and hashlib.sha256(tail).digest() == other.mark:
            place = Place(other.place.offset, piece=other.place.piece)
    return place


def _skip(plain: Reader, size: int) -> None:
    while size > 0 and (data := _read(plain, size)):
        size -= len(data)


def _read(plain: Reader, size: int) -> bytes:
    try:
        return plain.read(min(size, _STEP_BYTES))
    except BROKEN:
        return b""
