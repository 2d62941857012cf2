"""The loop that every part of the pipeline is: poll, write, settle, and only then commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from luytre.core.batch import TopicPartition
    from luytre.core.message import Consumer, Record

POLL_TIMEOUT_S = 0.5
POLL_BYTES_MAX = 4 * 2**20
"""Compressed: about 40 MiB of logs, which bounds the memory of one turn."""

log = get_logger("processor")


class Sink(Protocol):
    """What a loop does with records. Every method may be repeated with the same records."""

    def write(self, records: Sequence[Record]) -> None:
        """Take the records of one poll. Whatever has to leave at once is durable on return."""

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:
        """Make durable what is due (everything, to ``drain``) and return the offsets to commit."""

    def forget(self, places: frozenset[TopicPartition]) -> None:
        """Drop what is known of partitions that another member reads now."""


class Loop:
    """Carries records from one consumer into one sink until it is stopped.

    Offsets are committed after the sink says that all below them is durable, so a crash at any
    line replays records and loses none; ids are deterministic, so a replay changes nothing.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._consumer: Consumer | None = None

    def on_revoke(self, places: frozenset[TopicPartition]) -> None:
        """Settle and commit before partitions go to another member: it then repeats nothing."""
        assert self._consumer is not None
        self._consumer.commit(self._sink.settle(drain=True))
        self._sink.forget(places)

    def run(self, consumer: Consumer, stopped: Callable[[], bool]) -> None:
        """Run until ``stopped``; then drain, commit, and leave the group."""
        self._consumer = consumer
        while not stopped():
            self.turn()
        consumer.commit(self._sink.settle(drain=True))
        consumer.close()

    def turn(self) -> int:
        """Do one poll and what follows from it; return how many records it brought."""
        assert self._consumer is not None
        records = self._consumer.poll(POLL_TIMEOUT_S, bytes_max=POLL_BYTES_MAX)
        if records:
            self._sink.write(records)
        reached = self._sink.settle()
        if reached:
            self._consumer.commit(reached)
        return len(records)
