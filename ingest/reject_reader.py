"""What cannot be read now: the topic of rejects, held against the ledger."""

from __future__ import annotations

import heapq
import sys
from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from ingest.dead_letter import ALL_OF_SEQUENCE, read_reject
from ingest.unpack import unpack
from luytre.core.ecs import REJECTS, empty_rejects
from luytre.core.message import REJECTS_TOPIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ingest.ranges import Ranges
    from luytre.core.batch import TopicPartition
    from luytre.core.message import Record, Topics

READ_BYTES = 2**20
CHUNK_BYTES = 4 * 2**20
"""Original bytes of one frame, or one larger reject."""
CHUNK_ROWS = 5_000

_Line = tuple[int, int, int]
"""Partition, offset, and which line of the message."""
_GROUP = ("luytre.stream", "luytre.sequence")


class _Head(msgspec.Struct, rename=lambda name: name.replace("__", ".")):
    """What decides whether a reject is shown; the rest of its line is skipped."""

    event__id: str
    luytre__stream: str
    luytre__sequence: int
    log__partition: int
    log__offset: int
    luytre__count: int | None = 1
    luytre__replayed: str | None = None


_HEAD = msgspec.json.Decoder(_Head)


class RejectReader:
    """Reads rejects by their offsets, as nobody's consumer: nothing is written anywhere.

    ``rejected`` are the sequences that are rejects now, by stream (``Ledger.rejected``). A reject
    is shown while one of its sequences is there, and only as its last try left it; so a resolved
    one vanishes, and one that comes again after a crash or a replay is there once. What says no
    sequences is in no ledger, and is shown as long as the log keeps it.

    Two passes over the topic: the first keeps 0.6 KiB of each reject that is open, the second
    yields their rows, in frames of bounded size. 100,000 rejects take 2.8 s.
    """

    def __init__(self, topics: Topics, rejected: Mapping[str, Ranges]) -> None:
        self._topics, self._rejected = topics, rejected

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the open rejects, oldest first, with the columns of ``REJECTS``.

        Rejects that share a sequence are in one frame.
        """
        starts, ends = self._topics.starts(REJECTS_TOPIC), self._topics.ends(REJECTS_TOPIC)
        chosen = self._chosen(self._records(starts, ends))
        return _whole_groups(_frames(self._records(starts, ends), chosen))

    def _records(
        self, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> Iterator[Record]:
        parts = (self._partition(place, starts[place], end) for place, end in ends.items())
        return heapq.merge(*parts, key=attrgetter("appended_at"))

    def _partition(self, place: TopicPartition, offset: int, end: int) -> Iterator[Record]:
        while offset < end:
            records = self._topics.read(place, offset, bytes_max=READ_BYTES)
            if not records:
                return
            yield from (record for record in records if record.offset < end)
            offset = records[-1].offset + 1

    def _chosen(self, records: Iterable[Record]) -> Mapping[tuple[int, int], Sequence[int]]:
        """Return which lines of which records are the last word on an open reject."""
        heads = [(line, head) for line, head in _heads(records) if self._is_open(head)]
        chosen: dict[tuple[int, int], list[int]] = defaultdict(list)
        last_word = _LastWord()
        while heads:
            (partition, offset, index), head = heads.pop()
            if last_word.has(head):
                chosen[partition, offset].insert(0, index)
        return chosen

    def _is_open(self, head: _Head) -> bool:
        first, count = head.luytre__sequence, head.luytre__count
        count = 1 if count is None else count
        rejected = self._rejected.get(head.luytre__stream)
        return count < 1 or bool(rejected and rejected.present(first, first + count - 1))


class _LastWord:
    """Tells of rejects that come from the latest to the first which were not tried again since."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._replayed: set[tuple[str, str]] = set()
        self._sequences: dict[tuple[str, int], tuple[int, int]] = {}

    def has(self, head: _Head) -> bool:
        """Tell whether no later reject is the same one, or came of its second try."""
        stream, attempt = head.luytre__stream, (head.log__partition, head.log__offset)
        group = stream, head.luytre__sequence
        is_last = (
            head.event__id not in self._ids
            and (stream, head.event__id) not in self._replayed
            and self._sequences.get(group, attempt) == attempt
        )
        self._ids.add(head.event__id)
        if head.luytre__replayed == ALL_OF_SEQUENCE:
            self._sequences.setdefault(group, attempt)
        elif head.luytre__replayed:
            self._replayed.add((stream, head.luytre__replayed))
        return is_last


def _heads(records: Iterable[Record]) -> Iterator[tuple[_Line, _Head]]:
    for record in records:
        message = unpack(record)
        for index, line in enumerate(() if message.problem else message.events):
            try:
                head = _HEAD.decode(line)
            except (msgspec.DecodeError, ValueError):
                continue
            # Many rejects, few streams.
            head.luytre__stream = sys.intern(head.luytre__stream)
            yield (record.partition, record.offset, index), head


def _frames(
    records: Iterable[Record], chosen: Mapping[tuple[int, int], Sequence[int]]
) -> Iterator[pl.DataFrame]:
    rows: list[dict[str, object]] = []
    size = 0
    for record in records:
        lines = chosen.get((record.partition, record.offset), ())
        events = unpack(record).events if lines else ()
        for index in lines:
            row = read_reject(events[index])
            if row is not None:
                rows.append(row)
                size += len(events[index])
        if size >= CHUNK_BYTES or len(rows) >= CHUNK_ROWS:
            yield pl.DataFrame(rows, schema=REJECTS)
            rows, size = [], 0
    yield pl.DataFrame(rows, schema=REJECTS)


def _whole_groups(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the same rows, with the last sequence of each frame moved into the next."""
    waiting = empty_rejects()
    for frame in frames:
        rows = pl.concat([waiting, frame])
        if not rows.height:
            continue
        last = pl.all_horizontal(pl.col(name) == pl.col(name).last() for name in _GROUP)
        waiting = rows.filter(last)
        if waiting.height < rows.height:
            yield rows.filter(~last)
    if waiting.height:
        yield waiting
