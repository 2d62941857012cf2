"""Alerts that the store refused for good: kept in a topic with the reason, listed, sent again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from luytre.core.alert import Alert
from luytre.core.log import get_logger
from luytre.core.message import ALERTS_TOPIC, REFUSED_TOPIC, Message
from luytre.processor.alert_messages import alert_messages, read_alerts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from luytre.core.message import Producer, Record, Topics

REASON_CHARS_MAX = 500

log = get_logger("index")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An alert that is in no store, and why."""

    at: datetime
    reason: str
    alert: Alert


class RefusedAlerts:
    """Puts refused alerts durably into their topic: the dead letters of the index loop."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def __call__(self, refused: Sequence[tuple[Alert, str]]) -> None:
        """Return when all are durable."""
        for alert, reason in refused:
            log.error("alert refused by the store", id=alert.id, reason=reason)
            for message in alert_messages([alert], alert.id.encode()):
                headers = {**message.headers, "reason": reason[:REASON_CHARS_MAX]}
                self._producer.send(REFUSED_TOPIC, Message(message.key, message.value, headers))
        self._producer.flush()


def refusals(topics: Topics) -> Iterator[Refusal]:
    """Yield what was refused, oldest first within each partition; a replayed one again."""
    for place, start in sorted(topics.starts(REFUSED_TOPIC).items()):
        offset = start
        while records := topics.read(place, offset):
            yield from (refusal for record in records for refusal in _of(record))
            offset = records[-1].offset + 1


def _of(record: Record) -> Iterator[Refusal]:
    reason = record.message.headers.get("reason", "")
    for alert in read_alerts(record)[0]:
        yield Refusal(record.appended_at, reason, alert)


def send_again(topics: Topics, producer: Producer) -> int:
    """Put every refused alert before the index loop once more; return how many.

    Those that the store has meanwhile stay as they are.
    """
    alerts = {refusal.alert.id: refusal.alert for refusal in refusals(topics)}
    for alert in alerts.values():
        for message in alert_messages([alert], alert.id.encode()):
            producer.send(ALERTS_TOPIC, message)
    producer.flush()
    return len(alerts)
