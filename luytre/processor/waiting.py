"""How long what waits has waited: the oldest message that a group has not committed, and its event.

A count of messages says little: one may hold a thousand events, and a hundred may be a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from ingest.intake import Intake
from luytre.core.clock import SystemClock
from luytre.core.health import HEALTH
from luytre.core.message import ALERTS_TOPIC, EVENTS_TOPIC
from luytre.processor.alert_messages import read_alerts
from luytre.processor.logs import open_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from luytre.core.config import Config
    from luytre.core.message import Log, Record

WAITED_MAX_S = 300.0
"""A loop whose oldest message waits longer lets nothing fresh through: it is not well."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a group has not committed of a topic: how many messages, and the oldest one's times."""

    messages: int
    arrived_at: datetime | None = None
    event_at: datetime | None = None
    """The time of its oldest event by its own clock, where that can be told."""

    def waited_s(self, now: datetime) -> float:
        """Return how long ago the oldest message arrived; 0 if none waits."""
        return max(0.0, (now - self.arrived_at).total_seconds()) if self.arrived_at else 0.0


def waiting(config: Config, group: str, topic: str) -> Waiting:
    """Return what waits for a group in a topic."""
    opened = open_log(config)
    try:
        return _waiting(opened, group, topic)
    finally:
        opened.close()


def watch(config: Config, group: str, topics: Iterable[str]) -> None:
    """Let this process say that it is not well when messages wait too long for it.

    It opens the log at each question, as that comes from another thread.
    """
    names = tuple(topics)

    def late() -> str:
        now = SystemClock().now()
        waited_s = max(waiting(config, group, name).waited_s(now) for name in names)
        return f"messages wait for {waited_s:.0f} s" if waited_s > WAITED_MAX_S else ""

    HEALTH.ask(f"{group} lag", late)


def _waiting(opened: Log, group: str, topic: str) -> Waiting:
    topics = opened.topics()
    starts, done = topics.starts(topic), topics.committed(group, topic)
    messages = 0
    oldest: list[Record] = []
    for place, end in topics.ends(topic).items():
        offset = max(done.get(place, 0), starts[place])
        if offset < end:
            messages += end - offset
            oldest += topics.read(place, offset, bytes_max=1)[:1]
    if not oldest:
        return Waiting(messages)
    times = [time for record in oldest for time in _event_times(topic, record)]
    arrived_at = min(record.appended_at for record in oldest)
    return Waiting(messages, arrived_at, min(times, default=None))


def _event_times(topic: str, record: Record) -> Iterator[datetime]:
    if topic == ALERTS_TOPIC:
        yield from (alert.seen_at for alert in read_alerts(record)[0] if alert.seen_at)
    elif topic == EVENTS_TOPIC:
        for batch in Intake(lambda _part: frozenset())([record]):
            oldest = batch.events.select(pl.col("@timestamp").min()).item()
            if oldest is not None:
                yield oldest
