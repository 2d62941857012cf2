"""The detect loop: messages become events, events become alerts, and all of it is archived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import polars as pl

from ingest.ledger import Counts
from luytre.core.alert import encode_alert
from luytre.core.batch import TopicPartition
from luytre.core.log import get_logger
from luytre.core.message import ALERTS_TOPIC, REJECTS_TOPIC, Message
from luytre.core.metrics import ALERTS, ARCHIVED, EVENT_AGE_S, EVENTS_READ, POLL_S, REJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from luytre.core.alert import Alert, Matcher
    from luytre.core.batch import Batch, Part, Stage
    from luytre.core.clock import Clock
    from luytre.core.message import Producer, Record

STREAM = ("log.topic", "log.partition", "luytre.stream")

log = get_logger("detect")


class ArchiveTable(Protocol):
    """Where all events are kept: ``luytre.store.archive.Archive``."""

    def append(self, events: pl.DataFrame, reach: Mapping[TopicPartition, int]) -> None: ...

    def select(self, events: pl.DataFrame, part: Part) -> pl.DataFrame: ...


class Progress(Protocol):
    """Which sequences were processed: ``ingest.ledger.SeenSequences``."""

    def offset(self, place: TopicPartition) -> int: ...

    def count(self, place: TopicPartition, stream: str, counts: Counts) -> None: ...

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None: ...

    def forget(self, places: Iterable[TopicPartition]) -> None: ...


class DetectSink:
    """Detects at once, archives in big pieces, and says which offsets are done.

    The order is the promise: alerts and rejects are durable in the log when ``write`` returns; in
    ``settle`` come the archive, then what enrichment remembers, then the ledger, and the offsets
    last. A crash between any two repeats work whose results are known by their ids, except archive
    rows, which the table's own transaction versions keep single.
    """

    def __init__(  # noqa: PLR0913 - the rooms that meet here are that many
        self,
        *,
        intake: Callable[[Sequence[Record]], list[Batch]],
        stages: Sequence[Stage],
        matcher: Matcher,
        producer: Producer,
        reject_messages: Callable[[pl.DataFrame], list[Message]],
        progress: Progress,
        archive: ArchiveTable | None,
        checkpoint: Callable[[], None],
        clock: Clock,
        flush_bytes: int,
        flush_s: float,
    ) -> None:
        self._intake, self._stages, self._matcher = intake, stages, matcher
        self._producer, self._reject_messages = producer, reject_messages
        self._progress, self._archive, self._checkpoint = progress, archive, checkpoint
        self._clock, self._flush_bytes, self._flush_s = clock, flush_bytes, flush_s
        self._gathered: list[pl.DataFrame] = []
        self._gathered_bytes = 0
        self._reached: dict[TopicPartition, int] = {}
        self._settled_s = clock.monotonic_s()

    def write(self, records: Sequence[Record]) -> None:
        """Detect on the records of one poll; their alerts and rejects are durable on return."""
        fresh = [r for r in records if r.offset >= self._progress.offset(_place(r))]
        with POLL_S.labels("detect").time():
            for batch in self._intake(fresh) if fresh else []:
                self._take(batch)
            self._producer.flush()
        for record in records:
            self._reached[_place(record)] = record.offset + 1

    def _take(self, batch: Batch) -> None:
        name = batch.part.name
        for stage in self._stages:
            batch = stage(batch)
        if batch.rejects.height:
            self._send_rejects(batch.rejects)
        if not batch.events.height:
            return
        self._count_events(name, batch.events)
        self._note_age(name, batch.events)
        self._send_alerts(self._matcher(batch))
        if self._archive is not None:
            rows = self._archive.select(batch.events, batch.part)
            self._gathered.append(rows)
            self._gathered_bytes += int(rows.estimated_size())

    def _count_events(self, name: str, events: pl.DataFrame) -> None:
        EVENTS_READ.labels(name).inc(events.height)
        streams = events.group_by(*STREAM).agg(
            pl.len(),
            pl.col("organization.id").last(),
            pl.col("@timestamp").min().alias("first"),
            pl.col("@timestamp").max().alias("last"),
            pl.col("event.ingested").max().alias("received"),
        )
        for topic, partition, stream, count, organization, first, last, received in streams.rows():
            counts = Counts(
                organization=organization,
                events=count,
                parts={name: count},
                first_event_at=first,
                last_event_at=last,
                received_at=received,
            )
            self._progress.count(TopicPartition(topic, partition), stream, counts)

    def _send_alerts(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            ALERTS.labels(alert.rule.level).inc()
            self._producer.send(ALERTS_TOPIC, Message(alert.id.encode(), encode_alert(alert)))

    def _send_rejects(self, rejects: pl.DataFrame) -> None:
        streams = rejects.group_by(*STREAM, "luytre.hint").agg(
            pl.len(), pl.col("organization.id").last(), pl.col("event.ingested").max()
        )
        for topic, partition, stream, hint, count, organization, received in streams.rows():
            REJECTS.labels(hint or "auto").inc(count)
            counts = Counts(
                organization=organization, hint=hint, rejects=count, received_at=received
            )
            self._progress.count(TopicPartition(topic, partition), stream, counts)
        for message in self._reject_messages(rejects):
            self._producer.send(REJECTS_TOPIC, message)

    def _note_age(self, name: str, events: pl.DataFrame) -> None:
        newest = events.select((pl.col("event.ingested") - pl.col("@timestamp")).min()).item()
        if newest is not None:
            EVENT_AGE_S.labels(name).set(newest.total_seconds())

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:
        """Archive what has gathered if it is enough or old enough; return what may be committed."""
        waited_s = self._clock.monotonic_s() - self._settled_s
        due = drain or self._gathered_bytes >= self._flush_bytes or waited_s >= self._flush_s
        if not due:
            return {}
        self._settled_s = self._clock.monotonic_s()
        if not self._reached:
            return {}
        reached, self._reached = self._reached, {}
        if self._archive is not None and self._gathered:
            events = pl.concat(self._gathered)
            self._archive.append(events, reached)
            ARCHIVED.inc(events.height)
        self._gathered, self._gathered_bytes = [], 0
        self._checkpoint()
        self._progress.flush(reached)
        return reached

    def forget(self, places: frozenset[TopicPartition]) -> None:
        """Drop the state of partitions that are read elsewhere now."""
        self._progress.forget(places)
        for place in places:
            self._reached.pop(place, None)


def _place(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
