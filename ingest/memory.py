"""The log in memory, for tests and one-shot runs."""

from __future__ import annotations

import zlib
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from luytre.core.batch import TopicPartition
from luytre.core.message import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from luytre.core.message import Message


class MemoryLog:
    """Producer, Consumer and Topics in one: what was sent is there after ``flush``.

    One group (``group``) with one member reads all partitions of ``topic``. An unknown topic is
    made with ``partitions`` partitions. Not for use by several threads at once.
    """

    def __init__(
        self, topic: str = "events", *, group: str = "memory", partitions: int = 1
    ) -> None:
        self._topic = topic
        self._group = group
        self._partitions = partitions
        self._logs: dict[TopicPartition, list[Record]] = {}
        self._waiting: list[tuple[str, Message]] = []
        self._next: dict[TopicPartition, int] = defaultdict(int)
        self._committed: dict[TopicPartition, int] = {}

    def send(self, topic: str, message: Message) -> None:
        self._waiting.append((topic, message))

    def flush(self) -> None:
        for topic, message in self._waiting:
            if not self._places(topic):
                self.create(topic, self._partitions)
            places = self._places(topic)
            place = places[zlib.crc32(message.key) % len(places)]
            log = self._logs[place]
            log.append(Record(*place, len(log), datetime.now(UTC), message))
        self._waiting.clear()

    def close(self) -> None:
        self.flush()

    def poll(self, timeout_s: float, *, bytes_max: int = 16 * 2**20) -> Sequence[Record]:
        """Return what is there; never waits, because nobody else could write meanwhile."""
        del timeout_s
        found: list[Record] = []
        for place in self._places(self._topic):
            for record in self._logs[place][self._next[place] :]:
                bytes_max -= len(record.message.value)
                if found and bytes_max < 0:
                    return found
                found.append(record)
                self._next[place] = record.offset + 1
        return found

    def keep_alive(self) -> None:
        """Nobody waits for this member."""

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._committed.update(offsets)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._places(self._topic))

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._next[place] = offset

    def create(self, topic: str, partitions: int) -> None:
        for number in range(partitions):
            self._logs.setdefault(TopicPartition(topic, number), [])

    def names(self) -> Sequence[str]:
        return sorted({place.topic for place in self._logs})

    def ends(self, topic: str) -> Mapping[TopicPartition, int]:
        return {place: len(self._logs[place]) for place in self._places(topic)}

    def starts(self, topic: str) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(self._places(topic), 0)

    def read(
        self, place: TopicPartition, offset: int, *, bytes_max: int = 16 * 2**20
    ) -> Sequence[Record]:
        found: list[Record] = []
        for record in self._logs[place][offset:]:
            bytes_max -= len(record.message.value)
            if found and bytes_max < 0:
                break
            found.append(record)
        return found

    def committed(self, group: str, topic: str) -> Mapping[TopicPartition, int]:
        if group != self._group:
            return {}
        return {place: offset for place, offset in self._committed.items() if place.topic == topic}

    def _places(self, topic: str) -> list[TopicPartition]:
        return sorted(place for place in self._logs if place.topic == topic)
