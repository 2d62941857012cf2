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
    from collections.abc import Iterable, Iterator
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
    """
    ALTER TABLE stream ADD COLUMN rejected TEXT NOT NULL DEFAULT '[]';
    CREATE INDEX stream_name ON stream (stream);
    """,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """What is told of a stream besides its sequences; ``parts`` are events by part, times are UTC.

    How many events and rejects there are is not counted here: it follows from the sequences.
    """

    organization: str = ""
    hint: str = ""
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
            resent=self.resent + later.resent,
            parts=Counter(self.parts) + Counter(later.parts),
            first_event_at=min(_known(self.first_event_at, later.first_event_at), default=None),
            last_event_at=max(_known(self.last_event_at, later.last_event_at), default=None),
            received_at=max(_known(self.received_at, later.received_at), default=None),
        )


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """A stream: all its processed sequences, and what is told of it since the last save.

    ``rejected`` are those of ``ranges`` that are rejects now; the others were delivered.
    """

    ranges: Ranges
    counts: Counts = field(default_factory=Counts)
    rejected: Ranges = field(default_factory=Ranges)

    def delivered(self, first: int, last: int) -> list[Range]:
        """Return the parts of ``first`` to ``last`` that became events."""
        found = Ranges(self.ranges.present(first, last))
        for piece in self.rejected.present(first, last):
            found.remove(*piece)
        return list(found)

    def united(self, other: StreamUpdate) -> StreamUpdate:
        """Return both together; what one of them delivered is no reject."""
        ranges = Ranges([*self.ranges, *other.ranges])
        rejected = still_rejected([self, other], 0, max(ranges.end - 1, 0))
        return StreamUpdate(ranges, self.counts + other.counts, rejected)


def still_rejected(streams: Iterable[StreamUpdate], first: int, last: int) -> Ranges:
    """Return what of ``first`` to ``last`` one partition has rejected and none has delivered."""
    known = list(streams)
    found = Ranges(piece for each in known for piece in each.rejected.present(first, last))
    if len(known) > 1:
        for each in known:
            for piece in each.delivered(first, last):
                found.remove(*piece)
    return found


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A line of ``luytre ledger``: of the sequences below ``end`` all but ``holes`` have arrived.

    A hole is a blind window; it heals when its events arrive. Events and rejects follow from the
    sequences, so ``events + rejects + missing == end`` always. In a stream of messages that have no
    sequences of their own they are numbers of messages, rejected if one event of it is.
    """

    stream: str
    counts: Counts
    ranges: Ranges
    rejected: Ranges = field(default_factory=Ranges)

    @property
    def end(self) -> int:
        """The sequence after the greatest that arrived."""
        return self.ranges.end

    @property
    def holes(self) -> tuple[Range, ...]:
        """What lies below ``end`` and has not arrived."""
        return tuple(self.ranges.holes())

    @property
    def missing(self) -> int:
        """How many sequences the holes have."""
        return self.ranges.end - self.ranges.total

    @property
    def rejects(self) -> int:
        """How many sequences are rejects now."""
        return self.rejected.total

    @property
    def events(self) -> int:
        """How many sequences became events."""
        return self.ranges.total - self.rejected.total


@dataclass(frozen=True, slots=True)
class PartitionState:
    """What is durable of a partition: everything below ``offset`` (0 if never saved)."""

    place: TopicPartition
    offset: int
    _file: DiskFile

    def stream(self, name: str) -> StreamUpdate:
        """Return a stream here, freshly read: there may be millions of streams."""
        found = self._file.read(lambda c: _stream(c, self.place, name))
        return found or StreamUpdate(Ranges())

    def elsewhere(self, name: str) -> dict[TopicPartition, StreamUpdate]:
        """Return the same stream in the other partitions, as far as it is durable there."""
        found = self._file.read(lambda c: list(_streams(c, name)))
        return {place: stream for place, _, stream in found if place != self.place}


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

        Sequences, counts and offset change together, so what a crash repeats from ``offset`` on was
        not counted before. A lower offset than the stored one changes it not: that much is durable.
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
                "REPLACE INTO stream VALUES (?, ?, ?, ?, ?, ?)",
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
        for _, stream, update in self._file.read(lambda connection: list(_streams(connection))):
            known = united.get(stream)
            united[stream] = known.united(update) if known else update
        rows = [
            StreamRow(stream, each.counts, each.ranges, each.rejected)
            for stream, each in united.items()
        ]
        return sorted(rows, key=lambda row: (row.counts.organization, row.stream))

    def rejected(self) -> dict[str, Ranges]:
        """Return the sequences that are rejects now, by stream."""
        return {row.stream: row.rejected for row in self.rows() if row.rejects}

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
    # Messages without a sequence are numbered by their offsets, which mean other messages now;
    # where one was replayed, its number is known in that partition too.
    connection.execute(
        "UPDATE stream SET ranges = '[]', rejected = '[]' WHERE stream = ?",
        (f"{place.topic}/{place.partition}",),
    )


def _stream(connection: Connection, place: TopicPartition, stream: str) -> StreamUpdate | None:
    found = connection.execute(
        "SELECT ranges, counts, rejected FROM stream"
        " WHERE topic = ? AND partition = ? AND stream = ?",
        (*place, stream),
    )
    return next((_decoded(*row) for row in found), None)


def _streams(
    connection: Connection, name: str | None = None
) -> Iterator[tuple[TopicPartition, str, StreamUpdate]]:
    chosen = ("", ()) if name is None else ("WHERE stream = ?", (name,))
    rows = connection.execute(
        "SELECT topic, partition, stream, ranges, counts, rejected FROM stream"  # noqa: S608
        f" {chosen[0]} ORDER BY stream",
        chosen[1],
    )
    for topic, partition, stream, *kept in rows:
        yield TopicPartition(topic, partition), stream, _decoded(*kept)


def _merged(stored: StreamUpdate | None, update: StreamUpdate) -> StreamUpdate:
    counts = stored.counts + update.counts if stored else update.counts
    return StreamUpdate(update.ranges, counts, update.rejected)


def _encoded(update: StreamUpdate) -> tuple[str, str, str]:
    ranges, rejected = (
        msgspec.json.encode(list(each)).decode() for each in (update.ranges, update.rejected)
    )
    return ranges, msgspec.json.encode(update.counts).decode(), rejected


def _decoded(ranges: str, counts: str, rejected: str) -> StreamUpdate:
    pieces, refused = (msgspec.json.decode(each, type=list[Range]) for each in (ranges, rejected))
    return StreamUpdate(Ranges(pieces), msgspec.json.decode(counts, type=Counts), Ranges(refused))
