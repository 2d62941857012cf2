"""One producer shared by all inputs: what is put here is durable when ``put`` returns."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ingest.shippers.stamp import payload_bytes
from luytre.core import metrics
from luytre.core.errors import NeighbourError
from luytre.core.message import EVENTS_TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from luytre.core.clock import Clock
    from luytre.core.message import Message, Producer

FLUSH_BYTES = 16 * 2**20
TAKE_MAX_S = 30.0
"""A log that takes longer for ``FLUSH_BYTES`` is as good as away."""


class Outbox:
    """Serialises the use of a producer, which is not made for several threads.

    Every failure of the producer is kept in ``failure``: after one, nobody knows what the log
    holds, so nothing is accepted any more and the process has to start again.
    """

    def __init__(self, producer: Producer, clock: Clock) -> None:
        self.failure: Exception | None = None
        self._producer, self._clock = producer, clock
        self._lock = threading.Lock()
        self._since_s: float | None = None

    def problem(self) -> str:
        """Return why the log takes nothing, or nothing. Other threads call it."""
        if self.failure:
            return str(self.failure)
        since_s = self._since_s
        waited_s = 0.0 if since_s is None else self._clock.monotonic_s() - since_s
        return f"the log has taken nothing for {waited_s:.0f} s" if waited_s > TAKE_MAX_S else ""

    def put(
        self, messages: Iterable[Message], after_flush: Callable[[], None] = lambda: None
    ) -> int:
        """Send messages, flush, and return how many events they held.

        ``messages`` is consumed inside the lock, so sequence numbers can be given out while it is.
        ``after_flush`` runs, in the lock too, whenever what was sent so far is durable: at least
        once per 16 MiB. Raises what the producer raises, now and at every later call.
        """
        with self._lock:
            if self.failure:
                raise self.failure
            self._since_s = self._clock.monotonic_s()
            try:
                return self._put(messages, after_flush)
            except Exception as error:
                self.failure = error
                raise
            finally:
                self._since_s = None

    def _put(self, messages: Iterable[Message], after_flush: Callable[[], None]) -> int:
        events = size = 0
        sent: list[Message] = []
        for message in messages:
            self._producer.send(EVENTS_TOPIC, message)
            sent.append(message)
            size += len(message.value)
            if size >= FLUSH_BYTES:
                events += self._flush(sent, after_flush)
                size = 0
        return events + (self._flush(sent, after_flush) if sent else 0)

    def _flush(self, sent: list[Message], after_flush: Callable[[], None]) -> int:
        self._producer.flush()
        after_flush()
        self._since_s = self._clock.monotonic_s()
        events = 0
        for message in sent:
            count = int(message.headers["count"])
            events += count
            hint = message.headers["hint"]
            metrics.EVENTS_SHIPPED.labels(hint).inc(count)
            metrics.BYTES_SHIPPED.labels(hint).inc(payload_bytes(message))
        sent.clear()
        return events

    def close(self) -> None:
        """Wait for whoever is putting, then accept nothing more."""
        with self._lock:
            self.failure = self.failure or NeighbourError("the shipper is stopping")
