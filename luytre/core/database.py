"""Every local database: opened, migrated, and changed in one durable way.

apsw ships a current SQLite; the machine's own is often inside the range (3.7.0 to 3.51.2) whose WAL
can be corrupted by two connections. WAL with synchronous=FULL: a commit that returned is on disk.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw

from luytre.core.errors import NeighbourError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Connection = apsw.Connection
DatabaseError = apsw.Error
STORAGE_ERRORS = (
    apsw.FullError,
    apsw.IOError,
    apsw.BusyError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.CorruptError,
)
"""What a disk, or another process, can do to a statement that is right."""
SQLITE_MIN = 3_051_003
BUSY_TIMEOUT_MS = 30_000


def open_database(
    path: Path, migrations: Sequence[str] = (), *, read_only: bool = False
) -> apsw.Connection:
    """Return a connection to ``path`` with every migration applied.

    ``migrations`` are scripts in order; ``user_version`` remembers how many ran, and each runs in
    one transaction, safe under concurrent starts. Raises ``NeighbourError`` on a SQLite with the
    WAL-reset bug, a database from a newer version of the program, or one that cannot be opened.
    """
    if apsw.SQLITE_VERSION_NUMBER < SQLITE_MIN:
        raise NeighbourError(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt its WAL: install apsw 3.53 or newer"
        )
    try:
        return _open(path, migrations, read_only=read_only)
    except (apsw.Error, OSError) as error:
        raise NeighbourError(f"{path}: {error}") from error


def _open(path: Path, migrations: Sequence[str], *, read_only: bool) -> apsw.Connection:
    if read_only:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.pragma("query_only", True)  # noqa: FBT003 - apsw's own signature
        return connection
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    # Must come before the first write, or a file could never shrink after its rows are deleted.
    connection.pragma("auto_vacuum", "incremental")
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("foreign_keys", True)  # noqa: FBT003
    _migrate(path, connection, migrations)
    return connection


def _migrate(path: Path, connection: apsw.Connection, migrations: Sequence[str]) -> None:
    if connection.pragma("user_version") == len(migrations):
        return
    with transaction(connection):
        done = int(str(connection.pragma("user_version")))
        if done > len(migrations):
            raise NeighbourError(
                f"{path} was written by a newer Luytre: install that version again"
            )
        for script in migrations[done:]:
            connection.execute(script)
        connection.pragma("user_version", len(migrations))


ROOMS_TABLE = "CREATE TABLE room_schemas (room TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT"


def migrate_room(
    path: Path, connection: apsw.Connection, room: str, migrations: Sequence[str]
) -> None:
    """Apply one room's migrations in a database that several rooms share (``ROOMS_TABLE``).

    Raises ``NeighbourError`` if the room's tables are from a newer version of the program.
    """
    if _room_version(connection, room) == len(migrations):
        return
    with transaction(connection):
        done = _room_version(connection, room)
        if done > len(migrations):
            raise NeighbourError(
                f"{path} ({room}) was written by a newer Luytre: install that version again"
            )
        for script in migrations[done:]:
            connection.execute(script)
        connection.execute(
            "INSERT INTO room_schemas VALUES (?, ?)"
            " ON CONFLICT (room) DO UPDATE SET version = excluded.version",
            (room, len(migrations)),
        )


def _room_version(connection: apsw.Connection, room: str) -> int:
    found = connection.execute("SELECT version FROM room_schemas WHERE room = ?", (room,)).get
    return int(found or 0)


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[apsw.Connection]:
    """Run the body on one unchanging state of the database; inside a transaction, on that."""
    if connection.in_transaction:
        yield connection
        return
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("COMMIT")


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[apsw.Connection]:
    """Run the body in one transaction that takes the write lock at once.

    BEGIN IMMEDIATE, because a reader that becomes a writer late may fail with SQLITE_BUSY at once.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # SQLite itself may have rolled back on a full disk; a COMMIT that failed has not.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
