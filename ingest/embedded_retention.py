"""Retention of the embedded log: which messages of a topic may go, and that they go."""

from __future__ import annotations

import heapq
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

from ingest.embedded_groups import floors
from ingest.embedded_topic import microseconds, total_bytes
from luytre.core.config import MIB
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ingest.disk import DiskFile
    from ingest.embedded_topic import Head, Limits, TopicFile
    from luytre.core.clock import Clock
    from luytre.core.config import LogConfig

_MESSAGES_PER_TRANSACTION = 256
_PAGES_PER_STEP = 1024

log = get_logger("embedded log")


class Retention:
    """Deletes the oldest messages of a topic.

    By age: what is older than ``retention_days`` goes, read or not; what a group had not committed
    is then lost to it, so this is logged with numbers (and stays visible as a hole in the ledger).
    By size: only what every group has committed goes. While a group lags, the topic outgrows
    ``retention_mib``, because a full disk stops the shippers but a deleted message is gone. A
    group counts for ``retention_days`` after it was last seen, or until it leaves without ever
    having committed; a topic that no group reads is bounded by size alone.
    """

    def __init__(self, groups: DiskFile, settings: LogConfig, clock: Clock) -> None:
        self._groups, self._clock = groups, clock
        self._bytes_max = settings.retention_mib * MIB
        self._age = timedelta(days=settings.retention_days)

    def apply(self, file: TopicFile) -> int:
        """Delete what has to go from one topic and return how many messages that were."""
        horizon_us = microseconds(self._clock.now() - self._age)
        reached = floors(self._groups, file.topic, horizon_us // 1000)
        everyone = floors(self._groups, file.topic, 0)
        deleted = 0
        for partition, limits in file.limits().items():
            floor = min((each.get(partition, 0) for each in everyone), default=limits.next)
            deleted += self._drop_old(file, partition, horizon_us, floor)
        deleted += self._drop_excess(file, reached)
        while file.free_pages(_PAGES_PER_STEP):
            pass
        return deleted

    def _drop_old(self, file: TopicFile, partition: int, horizon_us: int, floor: int) -> int:
        deleted = unread = 0
        while True:
            heads = file.heads(partition, 0, _MESSAGES_PER_TRANSACTION)
            # Only from the front: if the time of day was set back, a later message looks older.
            old = [h.offset for h in takewhile(lambda h: h.appended_us < horizon_us, heads)]
            if not old:
                break
            deleted += file.drop_before(partition, old[-1] + 1)
            unread += sum(offset >= floor for offset in old)
        if unread:
            log.error(
                "messages expired before every group had read them",
                topic=file.topic,
                partition=partition,
                messages=unread,
            )
        return deleted

    def _drop_excess(self, file: TopicFile, reached: Sequence[Mapping[int, int]]) -> int:
        limits = file.limits()
        excess = total_bytes(limits) - self._bytes_max
        if excess <= 0:
            return 0
        ends: dict[int, int] = {}
        for head in heapq.merge(*(_read_by_all(file, p, limits[p], reached) for p in limits)):
            ends[head.partition] = head.offset + 1
            excess -= head.size
            if excess <= 0:
                break
        return sum(_drop_in_steps(file, p, limits[p].start, end) for p, end in ends.items())


def _read_by_all(
    file: TopicFile, partition: int, limits: Limits, reached: Sequence[Mapping[int, int]]
) -> Iterator[Head]:
    floor = min((each.get(partition, 0) for each in reached), default=limits.next)
    offset = limits.start
    while heads := file.heads(partition, offset, _MESSAGES_PER_TRANSACTION):
        yield from takewhile(lambda head: head.offset < floor, heads)
        offset = heads[-1].offset + 1
        if offset >= floor:
            break


def _drop_in_steps(file: TopicFile, partition: int, start: int, end: int) -> int:
    steps = range(start, end, _MESSAGES_PER_TRANSACTION)
    return sum(
        file.drop_before(partition, min(step + _MESSAGES_PER_TRANSACTION, end)) for step in steps
    )
