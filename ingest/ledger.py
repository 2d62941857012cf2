"""What a worker knows of the sequences it has processed: re-sends are dropped, holes are seen."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.ledger_file import (
    Counts,
    Ledger,
    PartitionState,
    StreamRow,
    StreamUpdate,
    still_rejected,
)
from ingest.ranges import Range, Ranges
from luytre.core.metrics import RESENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from luytre.core.batch import TopicPartition

__all__ = [
    "Counts",
    "Ledger",
    "PartitionState",
    "Ranges",
    "SeenSequences",
    "StreamRow",
    "StreamUpdate",
]

STREAMS_KEPT = 10_000
SEQUENCE_MAX = 2**62


class SeenSequences:
    """The ledger's partitions that this worker owns, in memory between two flushes.

    The sequences of one stream lie in one partition (the stream is the key). Messages that have no
    sequence of their own use the log's: stream "topic/partition", first_seq their offset, count 1;
    so a hole in them is what retention took. ``topic_id`` gives what tells a topic from one of the
    same name that was made anew, whose offsets mean other messages.

    Every sequence that was admitted is an event, unless ``rejected`` says that it is a reject. A
    replayed message (a reject that is tried again) gives back those of its sequences that are
    rejects now, and makes them events until they are rejected again; the rest of it was delivered
    already, so replaying often is replaying once. It may lie in another partition than its stream:
    what one partition has delivered is a reject in none.
    """

    def __init__(self, ledger: Ledger, topic_id: Callable[[str], str] | None = None) -> None:
        self._ledger = ledger
        self._topic_id = topic_id or (lambda _topic: "")
        self._places: dict[TopicPartition, _Place] = {}

    def load(self, places: Iterable[TopicPartition]) -> None:
        """Read what is durable of partitions that were gained; others are read when first used."""
        for place in places:
            topic_id = self._topic_id(place.topic)
            self._places[place] = _Place(self._ledger.state(place, topic_id))

    def forget(self, places: Iterable[TopicPartition]) -> None:
        """Drop what is known of partitions that were lost, flushed or not."""
        for place in places:
            self._places.pop(place, None)

    def offset(self, place: TopicPartition) -> int:
        """Return the offset below which everything of ``place`` is durable and counted."""
        return self._place(place).offset

    def admit(
        self,
        place: TopicPartition,
        offset: int,
        stream: str,
        first_seq: int,
        count: int,
        *,
        replayed: bool = False,
    ) -> list[Range]:
        """Note ``count`` sequences of the record at ``offset``; return those to be processed.

        Raises ``ValueError`` if they are no sequences (negative, none, or beyond
        ``SEQUENCE_MAX``): the reason of a reject.
        """
        if first_seq < 0 or count < 1 or first_seq + count > SEQUENCE_MAX:
            raise ValueError(f"no range of sequences: {count} from {first_seq}")
        known = self._place(place)
        known.reached = max(known.reached, offset + 1)
        last = first_seq + count - 1
        if replayed:
            return self._again(known, stream, first_seq, last) if offset >= known.offset else []
        return known.admit(offset, stream, first_seq, last)

    def rejected(self, place: TopicPartition, stream: str, first_seq: int, count: int) -> None:
        """Note that sequences are rejects: those of them that ``admit`` returned for this range.

        To be called for each row of rejects, replayed or not, before the flush. Sequences that
        were never admitted (or ``count`` 0) change nothing.
        """
        self._place(place).stream(stream).reject(first_seq, first_seq + count - 1)

    def count(self, place: TopicPartition, stream: str, counts: Counts) -> None:
        """Add what is told of sequences that ``admit`` returned."""
        self._place(place).stream(stream).count(counts)

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Make everything noted durable: call it after all of it is stored, before the commit.

        Raises ``ValueError`` if a record at or above its partition's offset was admitted, because
        a crash would then lose it, and ``Fenced`` if another worker has saved the partition.
        """
        for place, offset in offsets.items():
            known = self._place(place)
            if known.reached > offset:
                raise ValueError(
                    f"{place.topic}/{place.partition}: admitted up to {known.reached},"
                    f" flushed at {offset}"
                )
            self._ledger.save(place, offset, known.updates())
            known.saved(offset)

    def _again(self, known: _Place, name: str, first: int, last: int) -> list[Range]:
        stream = known.stream(name)
        states = [stream.state(), *self._elsewhere(known, name)]
        return stream.resolve(first, last, list(still_rejected(states, first, last)))

    def _elsewhere(self, known: _Place, name: str) -> list[StreamUpdate]:
        states = known.state.elsewhere(name)
        for place, other in self._places.items():
            if other is not known and (kept := other.streams.get(name)):
                states[place] = kept.state()
        return list(states.values())

    def _place(self, place: TopicPartition) -> _Place:
        if place not in self._places:
            self.load([place])
        return self._places[place]


@dataclass(slots=True)
class _Stream:
    """A stream in one partition.

    ``parts_admitted`` are the messages since the last save of which only a part was admitted, by
    their whole range: rejecting such a message rejects that part, the rest was delivered before.
    """

    ranges: Ranges
    rejected: Ranges
    counts: Counts = field(default_factory=Counts)
    dirty: bool = False
    parts_admitted: dict[Range, list[Range]] = field(default_factory=dict)

    def state(self) -> StreamUpdate:
        return StreamUpdate(self.ranges, self.counts, self.rejected)

    def count(self, counts: Counts) -> None:
        self.counts += counts
        self.dirty = True

    def admit(self, first: int, last: int) -> list[Range]:
        fresh = self.ranges.missing(first, last)
        self._take(first, last, fresh)
        return fresh

    def resolve(self, first: int, last: int, taken: list[Range]) -> list[Range]:
        for piece in taken:
            self.rejected.remove(*piece)
        self._take(first, last, taken)
        return taken

    def _take(self, first: int, last: int, taken: list[Range]) -> None:
        for piece in taken:
            self.ranges.add(*piece)
        self.dirty = True
        if taken:
            self.parts_admitted.pop((first, last), None)
            if taken != [(first, last)]:
                self.parts_admitted[first, last] = taken

    def reject(self, first: int, last: int) -> None:
        for part in self.parts_admitted.get((first, last), [(first, last)]):
            for piece in self.ranges.present(*part):
                self.rejected.add(*piece)
        self.dirty = True

    def saved(self) -> None:
        self.counts, self.dirty = Counts(), False
        self.parts_admitted.clear()


class _Place:
    """One partition. ``reached`` is the next offset after the last record that was admitted."""

    def __init__(self, state: PartitionState) -> None:
        self.offset = state.offset
        self.reached = 0
        self.state = state
        self.streams: OrderedDict[str, _Stream] = OrderedDict()

    def stream(self, name: str) -> _Stream:
        known = self.streams.get(name)
        if known is None:
            kept = self.state.stream(name)
            known = self.streams[name] = _Stream(kept.ranges, kept.rejected)
        self.streams.move_to_end(name)
        return known

    def admit(self, offset: int, name: str, first: int, last: int) -> list[Range]:
        known = self.stream(name)
        fresh = known.admit(first, last)
        resent = last - first + 1 - sum(end - start + 1 for start, end in fresh)
        # Below the durable offset it is not the shipper who sends again but we who read again.
        if resent and offset >= self.offset:
            RESENT.inc(resent)
            known.count(Counts(resent=resent))
        return fresh

    def updates(self) -> dict[str, StreamUpdate]:
        return {name: stream.state() for name, stream in self.streams.items() if stream.dirty}

    def saved(self, offset: int) -> None:
        self.offset = max(self.offset, offset)
        for stream in self.streams.values():
            stream.saved()
        while len(self.streams) > STREAMS_KEPT:
            self.streams.popitem(last=False)
