"""What was sent of every file and listener, durably: the shipper's memory."""

from __future__ import annotations

import hashlib
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.shippers.lines import Place
from luytre.core.database import open_database, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

FILE_NAME = "shipper.db"
FINISHED_DAYS_MAX = 90
PACKED = "packed"
"""The kind of a compressed file's row."""
_SCHEMA = """
CREATE TABLE files (
  stream TEXT PRIMARY KEY, origin TEXT NOT NULL, organization TEXT NOT NULL, hint TEXT NOT NULL,
  kind TEXT NOT NULL, path TEXT NOT NULL, device TEXT NOT NULL, inode TEXT NOT NULL,
  offset INTEGER NOT NULL, next_seq INTEGER NOT NULL, piece INTEGER NOT NULL, mark BLOB NOT NULL,
  crc INTEGER NOT NULL,
  size INTEGER NOT NULL, finished INTEGER NOT NULL, saved_at TEXT NOT NULL
) STRICT;
CREATE TABLE streams (base TEXT PRIMARY KEY, taken INTEGER NOT NULL) STRICT;
"""
_SHIPPER = """
CREATE TABLE shipper (id TEXT NOT NULL) STRICT;
INSERT INTO shipper VALUES (lower(hex(randomblob(8))));
"""
_ZONE = "ALTER TABLE files ADD COLUMN zone TEXT NOT NULL DEFAULT ''"
_COLUMNS = (
    "stream, origin, organization, hint, kind, path, device, inode,"
    " offset, next_seq, piece, mark, crc, size, finished, zone"
)
NOTHING = hashlib.sha256(b"").digest()


@dataclass(slots=True)
class FileRow:
    """One generation of a file, or one listener (``kind`` "listener"), and how far it was sent.

    ``place.seq`` events were sent, up to byte ``place.offset`` (EVTX: up to that record id).
    ``mark``: sha256 of the bytes just before the offset, by which a file that was rewritten is told
    from one that grew; ``crc``: CRC-32 of all bytes before it, by which a copy is known.
    ``finished``: nothing more will come. ``identity``: device and inode.

    A compressed file (``PACKED``) has the sha256 of all its bytes as its mark and its origin, and
    a place in its plain content.
    """

    stream: str
    origin: str
    organization: str
    hint: str
    kind: str
    path: str
    identity: tuple[int, int] = (0, 0)
    place: Place = field(default_factory=Place)
    mark: bytes = NOTHING
    crc: int = 0
    size: int = 0
    finished: bool = False
    zone: str = ""


class Registry:
    """The rows of one shipper, in ``state / "shipper.db"``.

    A stream's row is there before its first event is sent, and what it says is written only after
    the log has what it speaks of: after a crash the same events get the same sequence numbers.
    ``shipper_id`` is drawn once and kept: two machines of one name (cloned ones) would otherwise
    count files with one first line in one stream, and the second's events would pass for re-sends.
    """

    def __init__(self, state: Path) -> None:
        self._database = open_database(state / FILE_NAME, [_SCHEMA, _SHIPPER, _ZONE])
        [(shipper_id,)] = self._database.execute("SELECT id FROM shipper")
        self.shipper_id = str(shipper_id)
        # Listeners save from their own threads; a connection serves one at a time.
        self._lock = threading.Lock()

    def claim(self, row: FileRow, now: datetime) -> None:
        """Store a new row; its stream gets a counter if another row ever had the same name."""
        with self._lock, transaction(self._database):
            taken = self._database.execute(
                "INSERT INTO streams VALUES (?, 1) ON CONFLICT DO UPDATE SET taken = taken + 1"
                " RETURNING taken",
                (row.stream,),
            ).fetchone()
            assert taken
            if taken[0] > 1:
                row.stream = f"{row.stream}.{taken[0]}"
            self._write([row], now)

    def save(self, rows: Iterable[FileRow], now: datetime) -> None:
        """Store how far rows are: call it after ``Producer.flush`` returned."""
        with self._lock, transaction(self._database):
            self._write(rows, now)

    def _write(self, rows: Iterable[FileRow], now: datetime) -> None:
        # Device and inode are text: some file systems use all 64 bits.
        self._database.executemany(
            f"INSERT OR REPLACE INTO files ({_COLUMNS}, saved_at)"  # noqa: S608 - our own constant
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            [
                (
                    row.stream, row.origin, row.organization, row.hint, row.kind, row.path,
                    *map(str, row.identity), row.place.offset, row.place.seq, row.place.piece,
                    row.mark, row.crc, row.size, int(row.finished), row.zone, now.isoformat(),
                )
                for row in rows
            ],
        )  # fmt: skip

    def rows(self) -> list[FileRow]:
        """Return all rows, oldest stream name first."""
        found = self._database.execute(f"SELECT {_COLUMNS} FROM files ORDER BY stream")  # noqa: S608
        return [
            FileRow(
                stream, origin, organization, hint, kind, path, (int(device), int(inode)),
                Place(offset, seq, piece), mark, crc, size, bool(finished), zone,
            )
            for stream, origin, organization, hint, kind, path, device, inode,
                offset, seq, piece, mark, crc, size, finished, zone in found
        ]  # fmt: skip

    def prune(self, before: datetime) -> None:
        """Forget finished rows not touched since; their names stay taken.

        Compressed files stay known: one that lies there for years would be sent again.
        """
        with self._lock, transaction(self._database):
            self._database.execute(
                "DELETE FROM files WHERE finished AND kind != ? AND saved_at < ?",
                (PACKED, before.isoformat()),
            )

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()


def rows(state: Path) -> list[FileRow]:
    """Return what a shipper, perhaps running, has sent; nothing if it never ran."""
    if not (state / FILE_NAME).exists():
        return []
    with closing(Registry(state)) as registry:
        return registry.rows()
