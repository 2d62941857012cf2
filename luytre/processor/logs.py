"""The log as configured, embedded or Kafka, and how far its groups are."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ingest.embedded import EmbeddedLog
from luytre.core.clock import SystemClock
from luytre.core.message import CONFIG_TOPIC, EVENTS_TOPIC, OUR_TOPICS, Log
from luytre.core.metrics import LAG
from luytre.processor.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from luytre.core.batch import TopicPartition
    from luytre.core.config import Config

TOPICS = tuple(topic for topic in OUR_TOPICS if topic != CONFIG_TOPIC)
OBSERVE_S = 2.0
"""Lag is asked for no more often: on Kafka it takes three questions to the brokers."""


def open_log(config: Config, topics: Iterable[str] = TOPICS) -> Log:
    """Return the log with its topics, or with those that this process may know."""
    clock = SystemClock()
    opened: Log
    if config.kafka.bootstrap:
        # Only here: who runs without Kafka does not pay for its client, 15 MB and 0.2 s.
        from ingest.kafka import KafkaLog  # noqa: PLC0415

        opened = KafkaLog(config.kafka, config.log, clock)
    else:
        opened = EmbeddedLog(Places(config.data_dir).log, config.log, clock)
    try:
        for topic in topics:
            opened.topics().create(topic, config.log.partitions)
    except BaseException:
        opened.close()
        raise
    return opened


def has_run(config: Config) -> bool:
    """Tell whether anything has run with this configuration on this machine."""
    places = Places(config.data_dir)
    elsewhere = bool(config.kafka.bootstrap or config.alerts.elastic.urls)
    return places.log.exists() or (elsewhere and config.data_dir.exists())


def inputs(config: Config) -> tuple[str, ...]:
    """Return the topics that detect reads: ours, and those that other shippers write."""
    return EVENTS_TOPIC, *(source.topic for source in config.kafka.topics)


def lag(config: Config, group: str, topic: str) -> int:
    """Return how many messages of a topic a group has not committed."""
    with closing(open_log(config)) as opened:
        return _waiting(opened, group, topic)


def expired(config: Config, group: str, topic: str) -> int:
    """Return how many messages retention took before a group had committed them."""
    with closing(open_log(config)) as opened:
        topics = opened.topics()
        starts, done = topics.starts(topic), topics.committed(group, topic)
    return sum(max(0, starts[place] - offset) for place, offset in done.items())


def observed(
    opened: Log,
    group: str,
    topics: Iterable[str],
    ahead: Callable[[], Mapping[TopicPartition, int]] = dict,
) -> Callable[[], None]:
    """Return what sets the lag of a group after its commits.

    ``ahead`` is how far it has read where that is further than what it commits.
    """
    clock, names = SystemClock(), tuple(topics)
    asked_s = float("-inf")

    def observe() -> None:
        nonlocal asked_s
        if clock.monotonic_s() >= asked_s + OBSERVE_S:
            read = ahead()
            LAG.labels(group).set(sum(_waiting(opened, group, topic, read) for topic in names))
            asked_s = clock.monotonic_s()

    return observe


def _waiting(
    opened: Log, group: str, topic: str, ahead: Mapping[TopicPartition, int] | None = None
) -> int:
    topics, ahead = opened.topics(), ahead or {}
    starts, done = topics.starts(topic), topics.committed(group, topic)
    return sum(
        end - max(done.get(place, starts[place]), ahead.get(place, 0))
        for place, end in topics.ends(topic).items()
    )
