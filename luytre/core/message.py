"""What the log carries, and the contract of the log: producer, consumer, topics.

One contract, two implementations (SQLite here, Kafka in production), one suite of tests for both
(``tests/contracts/log.py``). Delivery is at least once: a consumer that dies before it commits
gets the same records again, in the same order within a partition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from luytre.core.batch import TopicPartition

EVENTS_TOPIC = "events"
ALERTS_TOPIC = "alerts"
REJECTS_TOPIC = "rejects"
MATCHES_TOPIC = "matches"
CONFIG_TOPIC = "config"
REFUSED_TOPIC = "refused"
"""Alerts that the store will never take, each with the reason."""
OUR_TOPICS = (
    EVENTS_TOPIC, MATCHES_TOPIC, ALERTS_TOPIC, REJECTS_TOPIC, REFUSED_TOPIC, CONFIG_TOPIC,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes with headers: one event or many.

    ``key`` decides the partition (all messages of one stream share one, so their order holds).
    Headers of messages that our shippers make, all text:

    * ``stream``: shipper + "/" + file generation or listener; ``first_seq`` and ``count``: which
      of its events these are;
    * ``origin`` and ``position``: what ``event.id`` is made of. ``position`` is ``bytes:N`` (the
      payload is whole lines that start at byte N of the origin), ``seq`` (the sequence number), or
      ``list:1,2,3`` (one per event). Of a replayed message that had no sequences of its own:
      ``shared:1,2,3`` is a list whose events share the sequence ``first_seq``, and with
      ``message:1`` they share it too, and their positions are ``1:0``, ``1:1``, and so on;
    * ``organization``, ``hint`` (log source as configured, or "auto"), ``host``, ``path``;
    * ``zone``: that of times which do not say theirs (``luytre.core.zone``); UTC if missing;
    * ``encoding``: "zstd" or ""; ``sha256``: of the payload before compression;
    * ``framing``: "lines" (events are lines, blank ones are none), "one" (the payload is one, with
      its line end or without), or "event" (the payload is one, byte for byte).
      Lines end with LF or CR LF, the last one may end without; a line whose ``bytes.strip()`` is
      empty is blank. Sequence and position count the events, so both sides must agree on this.
    * ``reject``: present if the shipper already knows that this cannot be read: the reason.
    * ``replayed``: present on a reject that is tried again, whose sequences were seen before: its
      ``event.id``, or "*" for all rejects of its sequence. It has no ``sha256`` and no ``reject``.
    """

    key: bytes
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """A message as the log gives it back; ``appended_at`` is when the log took it (UTC)."""

    topic: str
    partition: int
    offset: int
    appended_at: datetime
    message: Message


class Producer(Protocol):
    """Puts messages into the log."""

    def send(self, topic: str, message: Message) -> None:
        """Queue a message. It may be lost until ``flush`` returns."""

    def flush(self) -> None:
        """Return once everything sent so far is durable (fdatasync returned), or raise."""

    def close(self) -> None:
        """Flush and let go."""


class Consumer(Protocol):
    """Reads the partitions of one topic that its group's other members do not read."""

    def poll(self, timeout_s: float, *, bytes_max: int = 16 * 2**20) -> Sequence[Record]:
        """Return the next records of the assigned partitions, in order within each.

        Waits up to ``timeout_s`` for the first; ``bytes_max`` bounds the sum of the values, but
        one record is always returned, however large. Also joins the group and keeps the
        membership alive: to be called at least every ``session_timeout_s``. Raises ``Fenced``
        when it was not and others took the partitions; the next poll joins the group anew.
        """

    def keep_alive(self) -> None:
        """Say that this member lives: to be called during work that is longer than a poll.

        Raises ``Fenced`` if it was found dead and lost its partitions.
        """

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Durably store the next offsets to read. Raises ``Fenced`` for a partition lost since."""

    def assignment(self) -> frozenset[TopicPartition]:
        """Return what this consumer reads now; it may change inside ``poll`` only."""

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Read ``place`` from ``offset`` on, whatever was committed."""

    def close(self) -> None:
        """Leave the group at once. Commits nothing."""


class Topics(Protocol):
    """Makes and describes topics."""

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic; nothing happens if it exists (a number of partitions never shrinks)."""

    def names(self) -> Sequence[str]: ...

    def ends(self, topic: str) -> Mapping[TopicPartition, int]:
        """Return the offset that the next message of each partition will get."""

    def starts(self, topic: str) -> Mapping[TopicPartition, int]:
        """Return the lowest offset that retention has left in each partition."""

    def read(
        self, place: TopicPartition, offset: int, *, bytes_max: int = 16 * 2**20
    ) -> Sequence[Record]:
        """Return what a partition holds from ``offset`` on, in order; nothing at its end.

        No group is joined and nothing is kept of it. ``bytes_max`` is as in ``Consumer.poll``.
        """

    def committed(self, group: str, topic: str) -> Mapping[TopicPartition, int]:
        """Return what a group has committed; a partition without a commit is not in it."""


class Log(Protocol):
    """A log: where producers, consumers and topics come from."""

    def producer(self) -> Producer: ...

    def consumer(
        self,
        group: str,
        topic: str,
        *,
        on_revoke: Callable[[frozenset[TopicPartition]], None] | None = None,
    ) -> Consumer:
        """Return a consumer that joins ``group`` at its first poll.

        ``on_revoke`` is called inside ``poll`` with partitions about to be given up; it may still
        commit them. A consumer of ``EVENTS_TOPIC`` also reads the topics that others write, where
        a log has such.
        """

    def topics(self) -> Topics: ...

    def topic_id(self, topic: str) -> str:
        """Return what tells a topic from one of the same name that was deleted before."""

    def expire(self) -> int:
        """Apply the retention where the log does not itself; return how many messages went."""

    def close(self) -> None:
        """Flush and close every producer, and leave every group."""
