"""Ships everything that the configuration names: files, syslog, HTTP, into one producer."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ingest.shippers.http import HttpListener
from ingest.shippers.listen import Address, Door, Listener
from ingest.shippers.outbox import FLUSH_BYTES, Outbox
from ingest.shippers.registry import FINISHED_DAYS_MAX, Registry
from ingest.shippers.syslog import SyslogListener
from ingest.shippers.tail import Follower
from luytre.core.health import HEALTH, Pulse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from luytre.core.clock import Clock
    from luytre.core.config import HttpInput, ShipConfig, SyslogInput
    from luytre.core.message import Message, Producer


class Shipper:
    """One shipper: its state is in the folder ``state``, and only one may run on a state.

    The order of durability: the producer flushes, then the registry says so. A crash in between
    sends the same events again, with the same sequence numbers and ids.

    Raises:
        Refused: an HTTP input beyond loopback has no token, or its token file cannot be read.
    """

    def __init__(
        self,
        settings: ShipConfig,
        organization: str,
        producer: Producer,
        state: Path,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._organization = organization
        self._clock = clock
        self._outbox = Outbox(producer, clock)
        self._pulse = Pulse(clock)
        self._registry = Registry(state)
        self._finish_former_listeners()
        self._registry.prune(clock.now() - timedelta(days=FINISHED_DAYS_MAX))
        self._follower = Follower(settings, organization, self._registry, clock)
        self._listeners: list[Listener] = [
            *(SyslogListener(source, self._door(source)) for source in settings.syslog),
            *(HttpListener(source, self._door(source)) for source in settings.http),
        ]
        self._addresses: list[Address] = []
        self._say_how_it_is()

    def _say_how_it_is(self) -> None:
        HEALTH.ask("ship", self._pulse.problem)
        HEALTH.ask("ship log", self._outbox.problem)
        HEALTH.ask("ship files", self._follower.problem)
        HEALTH.ask("ship listeners", self._deaf)

    def _deaf(self) -> str:
        return "; ".join(filter(None, (listener.problem() for listener in self._listeners)))

    def _finish_former_listeners(self) -> None:
        former = [row for row in self._registry.rows() if row.kind == "listener"]
        for row in former:
            row.finished = True
        self._registry.save(former, self._clock.now())

    def _door(self, source: SyslogInput | HttpInput) -> Door:
        organization = source.organization or self._organization
        return Door(
            self._settings, organization, source.log_source, source.time_zone,
            self._outbox, self._registry, self._clock,
        )  # fmt: skip

    def start(self) -> None:
        """Open the listeners. Raises ``NeighbourError`` if an address cannot be had."""
        self._addresses = [listener.start() for listener in self._listeners]

    def addresses(self) -> tuple[Address, ...]:
        """Return where the listeners are, syslog first, in the order of the configuration."""
        return tuple(self._addresses)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Ship until ``stopped``; then put what listeners still hold, and let go of everything.

        Raises:
            NeighbourError: the log, or the disk of the registry, failed.
        """
        try:
            self.start()
            while not stopped():
                self._pass(stopped, final=False)
                if self._outbox.failure:
                    raise self._outbox.failure
                self._clock.sleep(self._settings.linger_s)
        finally:
            self.close()

    def pass_once(self, *, final: bool = False) -> int:
        """Send all that the files hold now and return how many events that were.

        ``final`` also sends compressed files, JSON documents that were just written, and last
        lines that have no end yet; when such a line grows later, the rest becomes an event of its
        own.
        """
        return self._pass(lambda: False, final=final)

    def _pass(self, stopped: Callable[[], bool], *, final: bool) -> int:
        messages = _until(stopped, self._follower.pass_once(final=final))
        events = 0
        for first in messages:
            # Listeners get their turn between, however long the backlog is.
            events += self._outbox.put(_turn(first, messages), self._save)
            self._pulse.turned()
        self._save()
        self._pulse.turned()
        return events

    def _save(self) -> None:
        if self._follower.unsaved:
            self._registry.save(list(self._follower.unsaved.values()), self._clock.now())
            self._follower.unsaved.clear()

    def close(self) -> None:
        """Stop the listeners and let go of the state; the producer stays open."""
        for listener in self._listeners:
            listener.stop()
        self._outbox.close()
        self._follower.close()
        self._registry.close()


def _until(stopped: Callable[[], bool], messages: Iterable[Message]) -> Iterator[Message]:
    # Asked only between messages: one that was taken from a file must be sent.
    for message in messages:
        yield message
        if stopped():
            return


def _turn(first: Message, more: Iterator[Message]) -> Iterator[Message]:
    yield first
    size = len(first.value)
    while size < FLUSH_BYTES and (message := next(more, None)):
        yield message
        size += len(message.value)
