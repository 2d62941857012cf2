"""Appends messages to Kafka: durable on all in-sync replicas before ``flush`` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from ingest.kafka_client import connection, kafka_errors, told
from luytre.core.errors import NeighbourError
from luytre.core.log import get_logger
from luytre.core.message import CONFIG_TOPIC, Message

if TYPE_CHECKING:
    from ingest.kafka_topics import KafkaTopics
    from luytre.core.config_kafka import KafkaConfig

BUFFER_BYTES_MAX = 16 * 2**20
BATCH_BYTES = 256 * 2**10
LINGER_MS = 20
CLOSE_S = 5.0
_OVERHEAD_BYTES = 2**16

log = get_logger("kafka")


@dataclass(slots=True)
class _Sent:
    topic: str
    message: Message
    future: Any = None


class LogProducer:
    """The log's producer on Kafka: idempotent, acknowledged by all in-sync replicas.

    No more than ``BUFFER_BYTES_MAX`` (or one larger message) waits in memory: ``send`` flushes
    before. What a failed ``flush`` could not append stays and goes with the next one, through a
    connection of its own: a producer whose append ran out of time does not know what Kafka has.
    """

    def __init__(self, settings: KafkaConfig, topics: KafkaTopics) -> None:
        self._settings, self._topics = settings, topics
        self._waiting: list[_Sent] = []
        self._bytes = 0
        self._kafka: Any = None

    def send(self, topic: str, message: Message) -> None:
        """Queue a message. Raises ``Refused`` for a name that is not a topic's."""
        self._topics.ensure(topic)
        size = len(message.value) + len(message.key) + 200
        if self._bytes + size > BUFFER_BYTES_MAX:
            self.flush()
        sent = _Sent(topic, message)
        self._hand_over(sent)
        self._waiting.append(sent)
        self._bytes += size

    def flush(self) -> None:
        """Return once everything sent so far is durable, or raise ``NeighbourError``."""
        for sent in self._waiting:
            if sent.future is None:
                self._hand_over(sent)
        if not self._waiting:
            return
        try:
            self._kafka.flush(timeout=self._settings.wait_s + CLOSE_S)
            problem = next((s for s in self._waiting if s.future.failed()), None)
            reason = problem.future.exception if problem else None
        except KafkaError as error:
            problem, reason = self._waiting[0], error
        if problem is not None:
            self._begin_anew()
            raise NeighbourError(self._told(problem, reason))
        self._waiting.clear()
        self._bytes = 0

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._close()

    def _hand_over(self, sent: _Sent) -> None:
        message = sent.message
        with kafka_errors(self._settings, "no producer"):
            self._kafka = self._kafka or self._opened()
        try:
            sent.future = self._kafka.send(
                self._topics.real(sent.topic),
                key=message.key,
                # On a compacted topic nothing deletes a key but a message without any value.
                value=None if sent.topic == CONFIG_TOPIC and not message.value else message.value,
                headers=[(name, text.encode()) for name, text in message.headers.items()],
            )
        except KafkaError as error:
            raise NeighbourError(self._told(sent, error)) from error

    def _opened(self) -> KafkaProducer:
        return KafkaProducer(
            **connection(self._settings),
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            linger_ms=LINGER_MS,
            batch_size=BATCH_BYTES,
            max_request_size=self._settings.message_bytes_max + _OVERHEAD_BYTES,
            delivery_timeout_ms=int(self._settings.wait_s * 1000),
            request_timeout_ms=min(30_000, int(self._settings.wait_s * 500)),
            max_block_ms=int(self._settings.wait_s * 1000),
            allow_auto_create_topics=False,
        )

    def _begin_anew(self) -> None:
        for sent in self._waiting:
            if sent.future is not None and not sent.future.succeeded():
                sent.future = None
        self._waiting = [sent for sent in self._waiting if sent.future is None]
        self._close()

    def _close(self) -> None:
        if self._kafka is not None:
            kafka, self._kafka = self._kafka, None
            kafka.close(timeout=CLOSE_S)

    def _told(self, sent: _Sent, reason: BaseException | None) -> str:
        where = f"Kafka at {', '.join(self._settings.bootstrap)}: topic {sent.topic}"
        if isinstance(reason, MessageSizeTooLargeError | RecordListTooLargeError):
            size = len(sent.message.value)
            return (
                f"{where} refuses a message of {size} bytes: raise kafka.message_bytes_max,"
                " then `luytre kafka setup`"
            )
        return f"{where}: not appended: {told(reason) if reason else 'unknown'}"
