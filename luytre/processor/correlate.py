"""The correlate loop: matches become alerts, and the results of correlations matches again."""

from __future__ import annotations

import gc
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from detections.correlate import Found
from detections.correlate_place import Saved
from luytre.core.alert import encode_alert
from luytre.core.batch import TopicPartition
from luytre.core.database import open_database, transaction
from luytre.core.log import get_logger
from luytre.core.matches import Bundler, decode_matches, reached_of
from luytre.core.message import ALERTS_TOPIC, MATCHES_TOPIC, Message
from luytre.core.metrics import ALERTS, UNCORRELATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from detections.correlate import Correlator
    from luytre.core.clock import Clock
    from luytre.core.matches import Match
    from luytre.core.message import Producer, Record

FLUSH_S = 15.0
IDLE_S = 1.0
"""If nothing was read for so long, there was nothing to read."""

_SCHEMA = (
    """
CREATE TABLE reached (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
  PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;
""",
    "ALTER TABLE reached ADD COLUMN state BLOB;",
)

log = get_logger("correlate")


def spare_collections() -> None:
    """Have Python look for circles of objects less often: matches and groups make none.

    Looking through all that is kept, at each quarter that it grew, was half the work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 100)


class Reached(NamedTuple):
    """How far a partition was read and its alerts sent, and what a later start needs besides.

    ``offset`` is that of the first message whose alerts may not have been sent; 0 if unknown.
    """

    offset: int = 0
    state: Saved | None = None


class Memory(Protocol):
    """How far matches were read: further than what is committed."""

    def load(self) -> Mapping[TopicPartition, Reached]:
        """Return how far each partition was read."""

    def save(self, reached: Mapping[TopicPartition, Reached]) -> None:
        """Durably keep how far partitions were read."""


class ReachedFile:
    """``Memory`` in a SQLite file that all correlate processes of a machine share."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path, _SCHEMA)

    def load(self) -> Mapping[TopicPartition, Reached]:
        found: dict[TopicPartition, Reached] = {}
        for topic, partition, offset, state in self._db.execute(
            "SELECT topic, partition, offset, state FROM reached"
        ):
            assert isinstance(state, bytes | None)
            found[TopicPartition(str(topic), int(partition))] = _reached(int(offset), state)
        return found

    def offsets(self) -> Mapping[TopicPartition, int]:
        """Return how far each partition was read, by whichever process of this machine."""
        return {place: known.offset for place, known in self.load().items()}

    def save(self, reached: Mapping[TopicPartition, Reached]) -> None:
        rows = [
            (*place, offset, msgspec.json.encode(state) if state else None)
            for place, (offset, state) in reached.items()
        ]
        with transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO reached VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        self._db.close()


def _reached(offset: int, state: bytes | None) -> Reached:
    try:
        return Reached(offset, msgspec.json.decode(state, type=Saved) if state else None)
    except msgspec.MsgspecError as error:
        # Of another version: what is still open may be found anew, as if it were unknown.
        log.warning("the state of correlations cannot be read", reason=str(error))
        return Reached(offset)


class CorrelateSink:
    """Feeds the correlator, and commits the lowest offset that its state still rests on.

    After a start the messages from there on are read again: those before what was ``reached`` only
    build the state, since their alerts were sent. Without a known ``reached`` all alerts are sent
    once more, which changes nothing where they are the same: their ids are.

    Alerts of new, changed and ended episodes are durable when ``write`` returns, those of grown
    ones at most ``flush_s`` later.
    """

    def __init__(
        self,
        correlator: Correlator,
        producer: Producer,
        memory: Memory,
        clock: Clock,
        *,
        flush_s: float = FLUSH_S,
    ) -> None:
        self._correlator, self._producer, self._memory = correlator, producer, memory
        self._clock, self._flush_s = clock, flush_s
        self._sent: dict[TopicPartition, int] = {}
        self._reached: dict[TopicPartition, int] = {}
        self._bundler = Bundler()
        self._outbox: deque[tuple[str, Message]] = deque()
        self._settled_s = self._wrote_s = clock.monotonic_s()

    def write(self, records: Sequence[Record]) -> None:
        """Correlate the matches of one poll."""
        for record in records:
            self._take(record)
        self._send_out()
        self._wrote_s = self._clock.monotonic_s()

    def _take(self, record: Record) -> None:
        place = TopicPartition(record.topic, record.partition)
        if place not in self._sent:
            known = self._memory.load().get(place, Reached())
            self._sent[place] = known.offset
            if known.state is not None:
                self._correlator.restore(place, known.state)
        matches, reached = _matches(record)
        found = self._correlator.take(
            matches,
            microseconds(record.appended_at),
            place=place,
            offset=record.offset,
            silent=record.offset < self._sent[place],
            reached=reached,
        )
        self._send(found)
        self._reached[place] = record.offset + 1

    def _send(self, found: Found) -> None:
        for alert in found.alerts:
            ALERTS.labels(alert.rule.level).inc()
            message = Message(alert.episode.encode(), encode_alert(alert))
            self._outbox.append((ALERTS_TOPIC, message))
        self._outbox.extend(
            (MATCHES_TOPIC, message) for message in self._bundler.messages(found.matches)
        )

    def _send_out(self) -> None:
        # What the log cannot take now stays for the next try: the correlator says it only once.
        while self._outbox:
            self._producer.send(*self._outbox[0])
            self._outbox.popleft()
        self._producer.flush()

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:
        """Send what has grown and let go what is over; return the lowest offsets still needed."""
        waited_s = self._clock.monotonic_s() - self._settled_s
        if not drain and waited_s < self._flush_s:
            return {}
        # What other processes read, or nobody yet, is waited for as well.
        elsewhere = {p: known.state for p, known in self._memory.load().items() if known.state}
        self._correlator.neighbours(elsewhere)
        self._send(self._correlator.expire())
        self._send(self._correlator.flush())
        idle = self._clock.monotonic_s() - self._wrote_s >= IDLE_S
        self._send(Found([], self._correlator.ticks(microseconds(self._clock.now()), idle=idle)))
        self._send_out()
        self._settled_s = self._clock.monotonic_s()
        if not self._reached:
            return {}
        ahead = {place: max(offset, self._sent[place]) for place, offset in self._reached.items()}
        save = self._correlator.save
        self._memory.save({place: Reached(offset, save(place)) for place, offset in ahead.items()})
        self._sent.update(ahead)
        needed = self._correlator.needed()
        commit = {place: needed.get(place, offset) for place, offset in self._reached.items()}
        self._report()
        return commit

    def _report(self) -> None:
        counts = self._correlator.counts.taken()
        if not counts:
            return
        for reason, count in counts.items():
            UNCORRELATED.labels(reason).inc(count)
        log.warning("matches were not correlated in full", **counts)

    def forget(self, places: frozenset[TopicPartition]) -> None:
        """Drop the state of partitions that are read elsewhere now."""
        self._correlator.forget(places)
        for place in places:
            self._sent.pop(place, None)
            self._reached.pop(place, None)


def _matches(record: Record) -> tuple[Iterable[Match], Mapping[str, int] | None]:
    """Return the matches of a message, and how far their streams had come before."""
    try:
        return decode_matches(record.message.value), reached_of(record.message)
    except msgspec.MsgspecError as error:
        # Only we write this topic: this is damage or a newer version, and it stays in the topic.
        log.error(
            "matches cannot be read",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=str(error),
        )
        return [], {}


def microseconds(time: datetime) -> int:
    """Return a time as microseconds since 1970, as matches carry it."""
    return round(time.timestamp() * 1_000_000)
