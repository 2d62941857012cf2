"""Kafka as the log: the contract of ``luytre.core.message`` on a real cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.kafka_consumer import LogConsumer
from ingest.kafka_producer import LogProducer
from ingest.kafka_topics import KafkaTopics
from luytre.core.message import EVENTS_TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable

    from luytre.core.batch import TopicPartition
    from luytre.core.clock import Clock
    from luytre.core.config import LogConfig
    from luytre.core.config_kafka import KafkaConfig
    from luytre.core.message import Consumer, Producer


class KafkaLog:
    """Topics of one cluster. Each process opens its own; nothing of it may cross a fork.

    A producer or consumer belongs to one thread. A topic of ours that is written or read first is
    made with ``log.partitions``, as `luytre kafka setup` would make it.

    Every method raises ``NeighbourError`` when Kafka failed for longer than ``settings.wait_s``.
    """

    def __init__(self, settings: KafkaConfig, log: LogConfig, clock: Clock) -> None:
        self._settings, self._log, self._clock = settings, log, clock
        self._topics = KafkaTopics(settings, log, clock)
        self._opened: list[Producer | Consumer] = []

    def producer(self) -> Producer:
        """Return a producer with connections of its own."""
        producer = LogProducer(self._settings, self._topics)
        self._opened.append(producer)
        return producer

    def consumer(
        self,
        group: str,
        topic: str,
        *,
        on_revoke: Callable[[frozenset[TopicPartition]], None] | None = None,
    ) -> Consumer:
        """Return a consumer; see ``luytre.core.message.Log``.

        ``on_revoke`` is called on another thread, while ``poll`` waits for it.
        """
        others = [source.topic for source in self._settings.topics]
        names = (topic, *others) if topic == EVENTS_TOPIC else (topic,)
        for name in names:
            self._topics.ensure(name)
        consumer = LogConsumer(
            self._settings,
            self._topics,
            self._clock,
            group=group,
            names=names,
            session_timeout_s=self._log.session_timeout_s,
            on_revoke=on_revoke,
        )
        self._opened.append(consumer)
        return consumer

    def topics(self) -> KafkaTopics:
        return self._topics

    def topic_id(self, topic: str) -> str:
        """Return what tells a topic from one of the same name that was deleted before."""
        return self._topics.topic_id(topic)

    def expire(self) -> int:
        """Return 0: the brokers apply the retention that each topic was made with."""
        return 0

    def close(self) -> None:
        """Flush and close every producer, and leave every group."""
        while self._opened:
            self._opened.pop().close()
        self._topics.close()
