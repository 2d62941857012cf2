"""The detect loop: messages become events, events become alerts, and all of it is archived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import polars as pl

from ingest.ledger import Counts
from luytre.core.batch import Batch, TopicPartition
from luytre.core.matches import Bundler
from luytre.core.message import (
    ALERTS_TOPIC,
    MATCHES_TOPIC,
    REJECTS_TOPIC,
    Message,
    Producer,
    Record,
)
from luytre.core.metrics import ALERTS, ARCHIVED, EVENT_AGE_S, EVENTS_READ, REJECTS
from luytre.processor.alert_messages import alert_messages
from luytre.processor.judge import Judged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from luytre.core.clock import Clock
    from luytre.core.matches import Match

STREAM = ("log.topic", "log.partition", "luytre.stream")
REJECTED = (
    *STREAM, "luytre.sequence", "luytre.count", "luytre.hint", "organization.id", "event.ingested",
)  # fmt: skip


class ArchiveTable(Protocol):
    """Where all events are kept: ``luytre.store.archive.Archive``."""

    def append(self, events: pl.DataFrame, reach: Mapping[TopicPartition, int]) -> None: ...


class Progress(Protocol):
    """Which sequences were processed: ``ingest.ledger.SeenSequences``."""

    def offset(self, place: TopicPartition) -> int: ...

    def count(self, place: TopicPartition, stream: str, counts: Counts) -> None: ...

    def rejected(self, place: TopicPartition, stream: str, first_seq: int, count: int) -> None: ...

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None: ...

    def forget(self, places: Iterable[TopicPartition]) -> None: ...


class Tables(Protocol):
    """What enrichment remembers: ``enrich.Enrichment``."""

    def checkpoint(self) -> None: ...


def _nothing() -> None:
    """Take over nothing: the content stays as it is."""


@dataclass(frozen=True, slots=True)
class DetectRooms:
    """What the rooms give the loop.

    ``swap`` takes over changed rules and tables. It is called between batches only, so that intake
    and judge are always of one version.
    """

    intake: Callable[[Sequence[Record]], list[Batch]]
    judge: Callable[[Batch], Iterator[Judged]]
    producer: Producer
    reject_messages: Callable[[pl.DataFrame], list[Message]]
    progress: Progress
    archive: ArchiveTable | None
    tables: Tables
    swap: Callable[[], None] = _nothing


class DetectSink:
    """Detects at once, archives in big pieces, and says which offsets are done.

    The order is the promise: alerts and rejects are durable in the log when ``write`` returns; in
    ``settle`` come the archive, then what enrichment remembers, then the ledger, and the offsets
    last. A crash between any two repeats work whose results are known by their ids, except archive
    rows, which the table's own transaction versions keep single.
    """

    def __init__(
        self, rooms: DetectRooms, clock: Clock, *, flush_bytes: int, flush_s: float
    ) -> None:
        self._rooms, self._clock = rooms, clock
        self._flush_bytes, self._flush_s = flush_bytes, flush_s
        self._bundler = Bundler()
        self._gathered: list[pl.DataFrame] = []
        self._gathered_bytes = 0
        self._reached: dict[TopicPartition, int] = {}
        self._settled_s = clock.monotonic_s()

    def write(self, records: Sequence[Record]) -> None:
        """Detect on some records; their alerts and rejects are durable on return."""
        offset = self._rooms.progress.offset
        fresh = [r for r in records if r.offset >= offset(_place(r))]
        matches: list[Match] = []
        for batch in self._rooms.intake(fresh) if fresh else []:
            self._send_rejects(batch.rejects)
            for judged in self._rooms.judge(batch) if batch.events.height else ():
                self._take(batch.part.name, judged)
                matches.extend(judged.matches)
        for message in self._bundler.messages(matches):
            self._rooms.producer.send(MATCHES_TOPIC, message)
        self._rooms.producer.flush()
        for record in records:
            self._reached[_place(record)] = record.offset + 1

    def _take(self, part: str, judged: Judged) -> None:
        self._send_rejects(judged.rejects)
        if not judged.events.height:
            return
        self._count_events(part, judged.events)
        for alert in judged.alerts:
            ALERTS.labels(alert.rule.level).inc()
        for message in alert_messages((*judged.alerts, *judged.hidden), part.encode()):
            self._rooms.producer.send(ALERTS_TOPIC, message)
        if judged.archived is not None:
            self._gathered.append(judged.archived)
            self._gathered_bytes += int(judged.archived.estimated_size())

    def _count_events(self, part: str, events: pl.DataFrame) -> None:
        EVENTS_READ.labels(part).inc(events.height)
        streams = events.group_by(*STREAM).agg(
            pl.len(),
            pl.col("organization.id").last(),
            pl.col("@timestamp").min().alias("first"),
            pl.col("@timestamp").max().alias("last"),
            pl.col("event.ingested").max().alias("received"),
            (pl.col("event.ingested") - pl.col("@timestamp")).min().alias("age"),
        )
        youngest = min((age for age in streams["age"] if age is not None), default=None)
        if youngest is not None:
            EVENT_AGE_S.labels(part).set(youngest.total_seconds())
        rows = streams.drop("age").rows()
        for topic, partition, stream, count, organization, first, last, received in rows:
            counts = Counts(
                organization=organization,
                parts={part: count},
                first_event_at=first,
                last_event_at=last,
                received_at=received,
            )
            self._rooms.progress.count(TopicPartition(topic, partition), stream, counts)

    def _send_rejects(self, rejects: pl.DataFrame) -> None:
        if not rejects.height:
            return
        # 2 us a reject; rejects are rare, and one may stand for a whole message.
        for row in rejects.select(*REJECTED).iter_rows():
            topic, partition, stream, sequence, count, hint, organization, received = row
            place = TopicPartition(topic, partition)
            REJECTS.labels(hint or "auto").inc(max(count, 1))
            if count:
                self._rooms.progress.rejected(place, stream, sequence, count)
            counts = Counts(organization=organization, hint=hint, received_at=received)
            self._rooms.progress.count(place, stream, counts)
        for message in self._rooms.reject_messages(rejects):
            self._rooms.producer.send(REJECTS_TOPIC, message)

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:
        """Archive what has gathered if it is enough or old enough; return what may be committed.

        Nothing is dropped before all of it is durable: after an error it may be called again.
        """
        self._rooms.swap()
        waited_s = self._clock.monotonic_s() - self._settled_s
        due = drain or self._gathered_bytes >= self._flush_bytes or waited_s >= self._flush_s
        if not due or not self._reached:
            return {}
        reached = dict(self._reached)
        if self._rooms.archive is not None and self._gathered:
            events = pl.concat(self._gathered)
            self._rooms.archive.append(events, reached)
            ARCHIVED.inc(events.height)
        self._gathered, self._gathered_bytes = [], 0
        self._rooms.tables.checkpoint()
        self._rooms.progress.flush(reached)
        self._reached = {}
        self._settled_s = self._clock.monotonic_s()
        return reached

    def forget(self, places: frozenset[TopicPartition]) -> None:
        """Drop the state of partitions that are read elsewhere now."""
        self._rooms.progress.forget(places)
        for place in places:
            self._reached.pop(place, None)


def _place(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
