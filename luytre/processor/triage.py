"""The triage loop: alerts from the log into incidents, with the offset in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.core.batch import TopicPartition
from luytre.core.log import get_logger
from luytre.core.metrics import ALERTS_UNREADABLE
from luytre.processor.alert_messages import read_alerts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from luytre.cases.triage import Triage
    from luytre.core.alert import Alert
    from luytre.core.message import Record

log = get_logger("triage")


class TriageSink:
    """Gathers the alerts of a poll, and takes them in one change when the loop settles."""

    def __init__(self, triage: Triage) -> None:
        self._triage = triage
        self._taken = triage.reached()
        self._alerts: list[tuple[TopicPartition, Alert]] = []
        self._reached: dict[TopicPartition, int] = {}

    def write(self, records: Sequence[Record]) -> None:
        """Remember what some records hold, but for those that were taken before a crash."""
        for record in records:
            place = TopicPartition(record.topic, record.partition)
            if record.offset < self._taken.get((record.topic, record.partition), 0):
                # The log's own commit comes after ours, so it may lag behind by one turn.
                continue
            alerts, problems = read_alerts(record)
            for problem in problems:
                ALERTS_UNREADABLE.inc()
                log.error(
                    "alert cannot be read",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    reason=problem,
                )
            self._alerts += [(place, alert) for alert in alerts if not alert.hidden_by]
            self._reached[place] = record.offset + 1

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:  # noqa: ARG002
        """Take what was gathered. If it raises, nothing is forgotten."""
        if not self._reached:
            return {}
        self._triage.take([alert for _, alert in self._alerts], self._reached)
        reached = self._reached
        self._taken.update({(p.topic, p.partition): offset for p, offset in reached.items()})
        self._alerts, self._reached = [], {}
        return reached

    def forget(self, places: frozenset[TopicPartition]) -> None:
        """Drop what is not taken yet of partitions that another member reads now."""
        self._alerts = [(place, alert) for place, alert in self._alerts if place not in places]
        self._reached = {p: offset for p, offset in self._reached.items() if p not in places}
