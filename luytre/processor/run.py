"""The loop that every part of the pipeline is: poll, write, settle, and only then commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from luytre.core.errors import Fenced, NeighbourError, Unfinished
from luytre.core.health import HEALTH, Pulse
from luytre.core.log import get_logger
from luytre.core.metrics import BLOCKED, POLL_S
from luytre.processor.portions import portions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from luytre.core.batch import TopicPartition
    from luytre.core.clock import Clock
    from luytre.core.message import Consumer, Record

POLL_TIMEOUT_S = 0.5
POLL_BYTES_MAX = 4 * 2**20
WAIT_FIRST_S, WAIT_MAX_S = 1.0, 30.0

log = get_logger("processor")


class Sink(Protocol):
    """What a loop does with records."""

    def write(self, records: Sequence[Record]) -> None:
        """Take some records. Whatever has to leave at once is durable on return."""

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:
        """Make durable what is due (everything, to ``drain``) and return the offsets to commit.

        If it raises ``NeighbourError`` nothing is forgotten, and it may be called again.
        """

    def forget(self, places: frozenset[TopicPartition]) -> None:
        """Drop what is known of partitions that another member reads now."""


class Loop:
    """Carries records from one consumer into one sink until it is stopped.

    Offsets are committed after the sink says that all below them is durable, so a crash at any
    line replays records and loses none; ids are deterministic, so a replay changes nothing.
    While a store cannot take what is due (a full disk), the loop waits, keeps its partitions, and
    reads nothing more: to die and begin again would send the same alerts at every start.
    """

    def __init__(
        self, name: str, sink: Sink, clock: Clock, observe: Callable[[], None] = lambda: None
    ) -> None:
        self._name, self._sink, self._clock, self._observe = name, sink, clock, observe
        self._pulse = Pulse(clock)
        HEALTH.ask(name, self._pulse.problem)
        self._consumer: Consumer | None = None
        self._stopped: Callable[[], bool] = lambda: False

    def on_revoke(self, places: frozenset[TopicPartition]) -> None:
        """Settle and commit before partitions go to another member: it then repeats nothing."""
        assert self._consumer is not None
        self._consumer.commit(self._sink.settle(drain=True))
        self._sink.forget(places)

    def run(self, consumer: Consumer, stopped: Callable[[], bool]) -> None:
        """Run until ``stopped``; then drain, commit, and leave the group."""
        self._consumer, self._stopped = consumer, stopped
        while not stopped():
            self.turn(consumer)
        consumer.commit(self._sink.settle(drain=True))
        consumer.close()

    def turn(self, consumer: Consumer) -> None:
        """Do one poll and what follows from it, in portions that memory can hold."""
        records = consumer.poll(POLL_TIMEOUT_S, bytes_max=POLL_BYTES_MAX)
        for portion in portions(records):
            with POLL_S.labels(self._name).time():
                self._sink.write(portion)
            consumer.keep_alive()
            self._settle(consumer)
        if not records:
            self._settle(consumer)
        self._pulse.turned()

    def _settle(self, consumer: Consumer) -> None:
        wait_s = WAIT_FIRST_S
        while True:
            try:
                reached = self._sink.settle()
            except Fenced:
                raise
            except Unfinished:
                consumer.keep_alive()
                wait_s = WAIT_FIRST_S
            except NeighbourError as error:
                if self._stopped():
                    raise
                log.error("cannot store: waiting", reason=str(error), again_in_s=wait_s)
                BLOCKED.labels(self._name).set(1)
                self._pulse.held_up(str(error))
                self._wait(consumer, wait_s)
                wait_s = min(wait_s * 2, WAIT_MAX_S)
            else:
                break
        BLOCKED.labels(self._name).set(0)
        if reached:
            consumer.commit(reached)
            self._observe()

    def _wait(self, consumer: Consumer, wait_s: float) -> None:
        until_s = self._clock.monotonic_s() + wait_s
        while self._clock.monotonic_s() < until_s and not self._stopped():
            consumer.keep_alive()
            self._clock.sleep(min(1.0, wait_s))
