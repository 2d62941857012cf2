"""One topic of the embedded log: a SQLite file of messages in partitions."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ingest.disk import DiskFile
from luytre.core.errors import Refused
from luytre.core.message import Message, Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from luytre.core.clock import Clock
    from luytre.core.database import Connection

_NAME = re.compile(r"[a-z0-9._-]{1,100}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET_BITS = 48
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1
# One id orders the messages of a partition, so a plain rowid table holds large values cheaply.
_MIGRATIONS = (
    """
    CREATE TABLE partition (
        number INTEGER PRIMARY KEY,
        start INTEGER NOT NULL,
        next INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE message (
        id INTEGER PRIMARY KEY,
        appended_us INTEGER NOT NULL,
        key BLOB NOT NULL,
        headers BLOB NOT NULL,
        value BLOB NOT NULL
    ) STRICT;
    CREATE TABLE identity (id TEXT NOT NULL) STRICT;
    INSERT INTO identity VALUES (lower(hex(randomblob(16))));
    """,
)
_SIZE = "length(key) + length(headers) + length(value)"
_DECODER = msgspec.json.Decoder(dict[str, str])


class Pending(NamedTuple):
    """A message on its way to the disk; ``headers`` are encoded."""

    key: bytes
    headers: bytes
    value: bytes

    @property
    def size(self) -> int:
        return len(self.key) + len(self.headers) + len(self.value)


class Limits(NamedTuple):
    """What a partition holds: offsets from ``start`` up to but not ``next``, ``bytes`` in all."""

    start: int
    next: int
    bytes: int


class Head(NamedTuple):
    """What retention has to know of one message."""

    appended_us: int
    partition: int
    offset: int
    size: int


def pending(message: Message) -> Pending:
    """Return a message as it goes to the disk: what the caller changes later changes nothing."""
    headers = msgspec.json.encode(dict(message.headers))
    return Pending(bytes(message.key), headers, bytes(message.value))


def microseconds(moment: datetime) -> int:
    """Return microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


class TopicFile:
    """The messages of one topic. Partitions are numbered from 0; each key has its own."""

    def __init__(self, folder: Path, topic: str, clock: Clock) -> None:
        self.topic = topic
        self._clock = clock
        self._file = DiskFile(topic_path(folder, topic), _MIGRATIONS, clock)

    def grow(self, partitions: int) -> None:
        """Make sure that there are at least so many partitions."""

        def change(connection: Connection) -> None:
            connection.executemany(
                "INSERT INTO partition VALUES (?, 0, 0, 0) ON CONFLICT DO NOTHING",
                [(number,) for number in range(partitions)],
            )

        if len(self.limits()) < partitions:
            self._file.write(change)

    def identity(self) -> str:
        """Return what tells this topic from one of the same name that is made after it."""
        return self._file.read(lambda c: str(next(c.execute("SELECT id FROM identity"))[0]))

    def limits(self) -> dict[int, Limits]:
        """Return what each partition holds."""
        return self._file.read(_limits)

    def append(self, messages: Sequence[Pending]) -> None:
        """Durably add messages, all of them or none; growing changes where a key's next go."""

        def change(connection: Connection) -> None:
            ends = {number: limits.next for number, limits in _limits(connection).items()}
            now_us = microseconds(self._clock.now())
            sizes: Counter[int] = Counter()
            rows = []
            for message in messages:
                number = zlib.crc32(message.key) % len(ends)
                rows.append((_id(number, ends[number]), now_us, *message))
                ends[number] += 1
                sizes[number] += message.size
            connection.executemany("INSERT INTO message VALUES (?, ?, ?, ?, ?)", rows)
            connection.executemany(
                "UPDATE partition SET next = ?, bytes = bytes + ? WHERE number = ?",
                [(ends[number], size, number) for number, size in sizes.items()],
            )

        self._file.write(change)

    def read(
        self, partition: int, offset: int, *, bytes_max: int, records_max: int
    ) -> list[Record]:
        """Return what follows from ``offset`` on; the first record even if it is over the limit."""

        def look(connection: Connection) -> list[Record]:
            records: list[Record] = []
            left = bytes_max
            cursor = connection.execute(
                "SELECT id, appended_us, key, headers, value FROM message"
                " WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                (_id(partition, offset), _id(partition, _OFFSET_MASK), records_max),
            )
            for row_id, appended_us, key, headers, value in cursor:
                if records and len(value) > left:
                    break
                left -= len(value)
                appended_at = _EPOCH + timedelta(microseconds=appended_us)
                message = Message(key, value, _DECODER.decode(headers))
                records.append(
                    Record(self.topic, partition, row_id & _OFFSET_MASK, appended_at, message)
                )
            # A cursor left open would hold a snapshot, and the WAL could not shrink.
            cursor.close()
            return records

        return self._file.read(look)

    def heads(self, partition: int, offset: int, limit: int) -> list[Head]:
        """Return what follows from ``offset`` on, without the contents."""

        def look(connection: Connection) -> list[Head]:
            rows = connection.execute(
                f"SELECT appended_us, id, {_SIZE} FROM message"  # noqa: S608 - a constant
                " WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                (_id(partition, offset), _id(partition, _OFFSET_MASK), limit),
            )
            return [Head(at, partition, row_id & _OFFSET_MASK, size) for at, row_id, size in rows]

        return self._file.read(look)

    def drop_before(self, partition: int, offset: int) -> int:
        """Delete the messages of a partition below ``offset``; return how many there were."""
        reach = (_id(partition, 0), _id(partition, offset) - 1)

        def change(connection: Connection) -> int:
            size, count = next(
                connection.execute(
                    f"SELECT coalesce(sum({_SIZE}), 0), count(*) FROM message"  # noqa: S608 - a constant
                    " WHERE id BETWEEN ? AND ?",
                    reach,
                )
            )
            connection.execute("DELETE FROM message WHERE id BETWEEN ? AND ?", reach)
            connection.execute(
                "UPDATE partition SET start = max(start, min(?, next)), bytes = bytes - ?"
                " WHERE number = ?",
                (offset, size, partition),
            )
            return int(count)

        return self._file.write(change)

    def free_pages(self, pages: int) -> bool:
        """Give up to ``pages`` unused pages back to the disk; False if few are unused.

        A quarter of the file may stay unused: the next messages take it without moving pages.
        """

        def change(connection: Connection) -> bool:
            unused = int(str(connection.pragma("freelist_count")))
            if unused < pages or 4 * unused < int(str(connection.pragma("page_count"))):
                return False
            connection.execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()
            return True

        return self._file.write(change)

    def close(self) -> None:
        self._file.close()


def topic_path(folder: Path, topic: str) -> Path:
    """Return where a topic lies. Raises ``Refused`` for a name that is not a topic's."""
    if not _NAME.fullmatch(topic):
        raise Refused(f"{topic!r} is no name of a topic: use 1 to 100 of a-z 0-9 . _ -")
    return folder / f"topic-{topic}.sqlite"


def topic_names(folder: Path) -> list[str]:
    """Return the names of the topics in a folder, sorted."""
    paths = folder.glob("topic-*.sqlite")
    return sorted(path.name.removeprefix("topic-").removesuffix(".sqlite") for path in paths)


def _limits(connection: Connection) -> dict[int, Limits]:
    rows = connection.execute("SELECT number, start, next, bytes FROM partition ORDER BY number")
    return {number: Limits(start, end, size) for number, start, end, size in rows}


def _id(partition: int, offset: int) -> int:
    return partition << _OFFSET_BITS | offset


def total_bytes(limits: Mapping[int, Limits]) -> int:
    """Return how many bytes of messages a topic holds."""
    return sum(each.bytes for each in limits.values())
