"""The embedded log's consumer: records of the partitions that its group leaves to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.core.batch import TopicPartition
from luytre.core.errors import Fenced, Refused
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ingest.embedded_groups import Membership
    from ingest.embedded_topic import Limits, TopicFile
    from luytre.core.clock import Clock
    from luytre.core.message import Record

_WAIT_S = 0.05
_RECORDS_MAX = 20_000

log = get_logger("embedded log")


class EmbeddedConsumer:
    """Reads one topic as a member of one group; for one thread.

    A partition starts at its committed offset; at the lowest that is left if nothing was committed,
    if retention took it, or if it lies beyond the end (the topic was made anew). ``on_revoke`` is
    called inside ``poll`` with partitions about to be given up, and may still commit them.
    """

    def __init__(
        self,
        file: TopicFile,
        membership: Membership,
        clock: Clock,
        on_revoke: Callable[[frozenset[TopicPartition]], None] | None = None,
    ) -> None:
        self._file, self._membership, self._clock = file, membership, clock
        self._on_revoke = on_revoke
        self._positions: dict[int, int] = {}
        self._turn = 0

    def poll(self, timeout_s: float, *, bytes_max: int = 16 * 2**20) -> Sequence[Record]:
        """Return the next records; see ``luytre.core.message.Consumer``."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            limits = self._file.limits()
            self._rebalance(limits)
            records = self._read(limits, bytes_max)
            left_s = deadline_s - self._clock.monotonic_s()
            if records or left_s <= 0:
                return records
            self._clock.sleep(min(_WAIT_S, left_s))

    def keep_alive(self) -> None:
        self._membership.keep_alive()

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        foreign = sorted(place for place in offsets if place.topic != self._file.topic)
        if foreign:
            raise Fenced(f"{foreign[0].topic} is not the topic {self._file.topic}")
        self._membership.commit({place.partition: next_ for place, next_ in offsets.items()})

    def assignment(self) -> frozenset[TopicPartition]:
        return self._places(frozenset(self._positions))

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Read ``place`` from ``offset`` on. Raises ``Refused`` if it is not assigned."""
        if place not in self.assignment():
            raise Refused(f"{place.topic}/{place.partition} is not assigned to this consumer")
        self._positions[place.partition] = offset

    def close(self) -> None:
        self._positions.clear()
        self._membership.leave()
        self._file.close()

    def _rebalance(self, limits: Mapping[int, Limits]) -> None:
        try:
            gained = self._membership.keep(len(limits), self._give_up)
        except Fenced:
            had, self._positions = self._positions, {}
            if had:
                raise
            gained = self._membership.keep(len(limits), self._give_up)
        for partition, reached in gained.items():
            self._positions[partition] = self._first(partition, reached, limits[partition])

    def _give_up(self, partitions: frozenset[int]) -> None:
        if self._on_revoke is not None:
            self._on_revoke(self._places(partitions))
        for partition in partitions:
            self._positions.pop(partition, None)

    def _first(self, partition: int, reached: int | None, limits: Limits) -> int:
        if reached is None or reached < limits.start:
            return limits.start
        if reached > limits.next:
            log.warning(
                "committed offset beyond the end: reading from the start",
                topic=self._file.topic,
                partition=partition,
                committed=reached,
                end=limits.next,
            )
            return limits.start
        return reached

    def _read(self, limits: Mapping[int, Limits], bytes_max: int) -> list[Record]:
        behind = sorted(p for p, offset in self._positions.items() if offset < limits[p].next)
        # Another partition comes first each time, or a flood in one would starve the others.
        self._turn += 1
        shift = self._turn % len(behind) if behind else 0
        records: list[Record] = []
        left = bytes_max
        for partition in behind[shift:] + behind[:shift]:
            room = _RECORDS_MAX - len(records)
            if room <= 0 or (records and left <= 0):
                break
            found = self._file.read(
                partition, self._positions[partition], bytes_max=left, records_max=room
            )
            size = sum(len(record.message.value) for record in found)
            if records and size > left:
                break
            if found:
                records += found
                left -= size
                self._positions[partition] = found[-1].offset + 1
        return records

    def _places(self, partitions: frozenset[int]) -> frozenset[TopicPartition]:
        return frozenset(TopicPartition(self._file.topic, partition) for partition in partitions)
