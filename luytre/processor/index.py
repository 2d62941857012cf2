"""The index loop: alerts from the log into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.core.batch import TopicPartition
from luytre.core.log import get_logger
from luytre.core.metrics import ALERTS_STORED, ALERTS_UNREADABLE
from luytre.processor.alert_messages import read_alerts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from luytre.core.alert import Alert, AlertStore
    from luytre.core.message import Record

log = get_logger("index")


class IndexSink:
    """Keeps every alert of the topic, each once: the store knows them by their ids."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store
        self._reached: dict[TopicPartition, int] = {}

    def write(self, records: Sequence[Record]) -> None:
        """Store the alerts of some records in one transaction."""
        alerts = [alert for record in records for alert in self._read(record)]
        ALERTS_STORED.inc(self._store.add(alerts))
        for record in records:
            self._reached[TopicPartition(record.topic, record.partition)] = record.offset + 1

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

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:  # noqa: ARG002
        """Return the offsets of what ``write`` has stored."""
        reached, self._reached = self._reached, {}
        return reached

    def forget(self, places: frozenset[TopicPartition]) -> None:
        """Nothing is remembered between polls."""
