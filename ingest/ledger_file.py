"""The ledger's file: which sequences of every stream were processed, and what became of them."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ingest.disk import DiskFile
from ingest.ranges import Range, Ranges
from luytre.core.batch import TopicPartition
from luytre.core.clock import Clock, SystemClock
from luytre.core.errors import Fenced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from luytre.core.database import Connection

_MIGRATIONS = (
    """
    CREATE TABLE place (
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        topic_id TEXT NOT NULL,
        version TEXT NOT NULL,
        PRIMARY KEY (topic, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE stream (
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        stream TEXT NOT NULL,
        ranges TEXT NOT NULL,
        counts TEXT NOT NULL,
        PRIMARY KEY (topic, partition, stream)
    ) STRICT;
    """,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a stream's sequences; ``parts`` are events by part, times are UTC.

    Every processed sequence is an event or a reject. A message of n sequences that cannot be read
    as a whole counts n rejects, because n is what a later replay takes back.
    """

    organization: str = ""
    hint: str = ""
    events: int = 0
    rejects: int = 0
    resent: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None
    received_at: datetime | None = None

    def __add__(self, later: Counts) -> Counts:
        """Return both together; the words are those of ``later`` where it has some."""
        return Counts(
            organization=later.organization or self.organization,
            hint=later.hint or self.hint,
            events=self.events + later.events,
            rejects=self.rejects + later.rejects,
            resent=self.resent + later.resent,
            parts=Counter(self.parts) + Counter(later.parts),
            first_event_at=min(_known(self.first_event_at, later.first_event_at), default=None),
            last_event_at=max(_known(self.last_event_at, later.last_event_at), default=None),
            received_at=max(_known(self.received_at, later.received_at), default=None),
        )


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """What a save says of a stream: all its ranges, and the counts since the last save."""

    ranges: Ranges
    counts: Counts = field(default_factory=Counts)

    def united(self, other: StreamUpdate) -> StreamUpdate:
        return StreamUpdate(Ranges([*self.ranges, *other.ranges]), self.counts + other.counts)


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A line of ``luytre ledger``: of the sequences below ``end`` all but ``holes`` have arrived.

    A hole is a blind window; it heals when its events arrive.
    """

    stream: str
    counts: Counts
    end: int
    holes: tuple[Range, ...]

    @property
    def missing(self) -> int:
        """How many sequences the holes have."""
        return sum(last - first + 1 for first, last in self.holes)


@dataclass(frozen=True, slots=True)
class PartitionState:
    """What is durable of a partition: everything below ``offset`` (0 if never saved)."""

    place: TopicPartition
    offset: int
    _file: DiskFile

    def ranges(self, stream: str) -> Ranges:
        """Return a stream's processed sequences, freshly read: there may be millions of streams."""
        found = self._file.read(lambda c: _stream(c, self.place, stream))
        return found.ranges if found else Ranges()


class Ledger:
    """A SQLite file for all workers of a machine; each writes only the partitions it owns.

    A save is refused (``Fenced``) unless this object read or wrote the partition's latest state, so
    a worker that lost a partition cannot put its old knowledge over the new owner's.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._file = DiskFile(path, _MIGRATIONS, clock or SystemClock())
        self._versions: dict[TopicPartition, str] = {}

    def state(self, place: TopicPartition, topic_id: str = "") -> PartitionState:
        """Return what is durable of ``place``, and make this object its writer.

        A ``topic_id`` that differs from the one before says that the topic was made anew: its
        offsets start again, while the sequences that shippers gave remain known.
        """
        stored = self._file.read(lambda connection: _place(connection, place))
        if topic_id and stored.topic_id != topic_id:
            anew = _Place(0, topic_id, uuid.uuid4().hex)
            self._file.write(lambda connection: _start_again(connection, place, anew))
            stored = anew
        self._versions[place] = stored.version
        return PartitionState(place, stored.offset, self._file)

    def save(self, place: TopicPartition, offset: int, streams: Mapping[str, StreamUpdate]) -> None:
        """Store in one transaction that all below ``offset`` is durable, and add the counts.

        Counts and offset change together, so what a crash repeats from ``offset`` on was not
        counted before. A lower offset than the stored one changes it not: that much is durable.
        """
        version = uuid.uuid4().hex

        def change(connection: Connection) -> None:
            stored = _place(connection, place)
            if stored.version == version:
                return  # a COMMIT that reported an error and was retried had succeeded
            if stored.version != self._versions.get(place, ""):
                raise Fenced(f"another worker has saved {place.topic}/{place.partition}")
            reached = max(stored.offset, offset)
            _replace(connection, place, _Place(reached, stored.topic_id, version))
            connection.executemany(
                "REPLACE INTO stream VALUES (?, ?, ?, ?, ?)",
                [
                    (*place, stream, *_encoded(_merged(_stream(connection, place, stream), update)))
                    for stream, update in streams.items()
                ],
            )

        self._file.write(change)
        self._versions[place] = version

    def rows(self) -> list[StreamRow]:
        """Return every stream, sorted by organization and name.

        A stream is in several partitions if the topic grew or rejects of it were replayed; its
        ranges are then united and its counts added.
        """
        united: dict[str, StreamUpdate] = {}
        for stream, update in self._file.read(lambda connection: list(_streams(connection))):
            known = united.get(stream)
            united[stream] = known.united(update) if known else update
        rows = [
            StreamRow(stream, each.counts, each.ranges.end, tuple(each.ranges.holes()))
            for stream, each in united.items()
        ]
        return sorted(rows, key=lambda row: (row.counts.organization, row.stream))

    def close(self) -> None:
        self._file.close()


def _known(*moments: datetime | None) -> list[datetime]:
    return [moment for moment in moments if moment is not None]


class _Place(NamedTuple):
    offset: int = 0
    topic_id: str = ""
    version: str = ""


def _place(connection: Connection, place: TopicPartition) -> _Place:
    found = connection.execute(
        "SELECT offset, topic_id, version FROM place WHERE topic = ? AND partition = ?", place
    )
    return next((_Place(*row) for row in found), _Place())


def _replace(connection: Connection, place: TopicPartition, now: _Place) -> None:
    connection.execute("REPLACE INTO place VALUES (?, ?, ?, ?, ?)", (*place, *now))


def _start_again(connection: Connection, place: TopicPartition, anew: _Place) -> None:
    _replace(connection, place, anew)
    # Messages without a sequence are numbered by their offsets, which mean other messages now.
    connection.execute(
        "UPDATE stream SET ranges = '[]' WHERE topic = ? AND partition = ? AND stream = ?",
        (*place, f"{place.topic}/{place.partition}"),
    )


def _stream(connection: Connection, place: TopicPartition, stream: str) -> StreamUpdate | None:
    found = connection.execute(
        "SELECT ranges, counts FROM stream WHERE topic = ? AND partition = ? AND stream = ?",
        (*place, stream),
    )
    return next((_decoded(*row) for row in found), None)


def _streams(connection: Connection) -> Iterator[tuple[str, StreamUpdate]]:
    rows = connection.execute("SELECT stream, ranges, counts FROM stream ORDER BY stream")
    for stream, ranges, counts in rows:
        yield stream, _decoded(ranges, counts)


def _merged(stored: StreamUpdate | None, update: StreamUpdate) -> StreamUpdate:
    counts = stored.counts + update.counts if stored else update.counts
    return StreamUpdate(update.ranges, counts)


def _encoded(update: StreamUpdate) -> tuple[str, str]:
    ranges = msgspec.json.encode(list(update.ranges))
    return ranges.decode(), msgspec.json.encode(update.counts).decode()


def _decoded(ranges: str, counts: str) -> StreamUpdate:
    pieces = msgspec.json.decode(ranges, type=list[Range])
    return StreamUpdate(Ranges(pieces), msgspec.json.decode(counts, type=Counts))
