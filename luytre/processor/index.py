"""The index loop: alerts from the log into the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luytre.core.alert import Alert
from luytre.core.batch import TopicPartition
from luytre.core.errors import Unfinished
from luytre.core.log import get_logger
from luytre.core.metrics import ALERTS_STORED, ALERTS_UNREADABLE
from luytre.processor.alert_messages import read_alerts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from luytre.core.alert import AlertStore
    from luytre.core.clock import Clock
    from luytre.core.message import Record

ADD_MAX = 500
"""Alerts that are stored in one go."""
SETTLE_S = 3.0
"""After which the loop says that it lives, before it goes on: others would take its partitions."""

log = get_logger("index")


@dataclass(frozen=True, slots=True)
class _Taken:
    """A record's alerts, and what to commit once they are stored."""

    place: TopicPartition
    next_offset: int
    alerts: Sequence[Alert]


class IndexSink:
    """Keeps every alert of the topic, each once: the store knows them by their ids.

    A store that takes nothing stops the loop, not the process: the alerts wait here, and when it is
    back only those are sent that it has not taken.
    """

    def __init__(self, store: AlertStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._waiting: deque[_Taken] = deque()
        self._reached: dict[TopicPartition, int] = {}

    def write(self, records: Sequence[Record]) -> None:
        """Take the alerts of some records; ``settle`` stores them."""
        for record in records:
            place = TopicPartition(record.topic, record.partition)
            self._waiting.append(_Taken(place, record.offset + 1, self._read(record)))

    def _read(self, record: Record) -> Sequence[Alert]:
        alerts, problems = read_alerts(record)
        for problem in problems:
            # Only our own detect loop writes this topic: this is damage or a newer version. It
            # stays in the topic until retention, counted, and the log says where.
            ALERTS_UNREADABLE.inc()
            log.error(
                "alert cannot be read",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                reason=problem,
            )
        return alerts

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:
        """Store what waits, and return the offsets of what is stored.

        Raises:
            Unfinished: not all is stored within ``SETTLE_S``; call it again at once.
            NeighbourError: the store takes nothing.
        """
        until_s = self._clock.monotonic_s() + SETTLE_S
        while self._waiting:
            if not drain and self._clock.monotonic_s() > until_s:
                waiting = sum(len(taken.alerts) for taken in self._waiting)
                raise Unfinished(f"{waiting} alerts are still to be stored")
            self._store_some()
        reached, self._reached = self._reached, {}
        return reached

    def _store_some(self) -> None:
        alerts: list[Alert] = []
        number = 0
        for taken in self._waiting:
            if number and len(alerts) + len(taken.alerts) > ADD_MAX:
                break
            alerts += taken.alerts
            number += 1
        ALERTS_STORED.inc(self._store.add(alerts))
        for _ in range(number):
            taken = self._waiting.popleft()
            self._reached[taken.place] = taken.next_offset

    def forget(self, places: frozenset[TopicPartition]) -> None:
        """Drop what waits of partitions that another member reads now."""
        self._waiting = deque(taken for taken in self._waiting if taken.place not in places)
        self._reached = {p: o for p, o in self._reached.items() if p not in places}
