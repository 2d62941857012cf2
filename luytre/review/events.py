"""Archived events in stretches of bounded size, in the order in which they were received."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

import polars as pl

from ingest.again import COLUMNS, Again

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from luytre.core.batch import LogSource
    from luytre.core.organization import Scope

ROWS_MAX = 50_000
"""Events of a stretch: what is held in memory at once, and done again after a kill."""

_RECEIVED, _DATASET = "event.ingested", "event.dataset"
_PLACE = ("log.partition", "log.offset")
_ORDER = (_RECEIVED, *_PLACE, "log.topic", "luytre.sequence", "event.id")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Events(Protocol):
    """Where events are kept: ``luytre.store.archive.Archive``."""

    def received(
        self, scope: Scope, *, since: datetime | None = None, until: datetime | None = None
    ) -> pl.DataFrame:
        """Return how many rows of which ``event.dataset`` were received when."""

    def scan(
        self,
        scope: Scope,
        *,
        columns: Sequence[str] | None = None,
        where: pl.Expr | None = None,
    ) -> pl.LazyFrame: ...


class Span(NamedTuple):
    """When events were received; ``since`` inclusive, ``until`` exclusive."""

    since: datetime
    until: datetime


class Receipt(NamedTuple):
    """When a message was received, in microseconds since 1970, and where it lies in the log."""

    us: int
    partition: int
    offset: int


class Stretch(NamedTuple):
    """The events of the messages from a first to a last one, both included."""

    first: Receipt
    last: Receipt
    rows: int


def last_days(events: Events, scope: Scope, days: float) -> Span:
    """Return the span that ends with the newest event, whenever that was received."""
    newest = events.received(scope)[_RECEIVED].max()
    end = newest if isinstance(newest, datetime) else _EPOCH
    until = end + timedelta(microseconds=1)
    return Span(until - timedelta(days=days), until)


def datasets_of(
    events: Events, scope: Scope, span: Span, concerns: Callable[[Sequence[LogSource]], bool]
) -> tuple[list[str], int]:
    """Return the parts of a span whose log sources concern somebody, and how many events all are.

    One event of each part tells its log sources; a part that cannot be read any more is kept.
    """
    counts = events.received(scope, since=span.since, until=span.until)
    read = Again(lambda _part: frozenset())
    kept: list[str] = []
    for dataset in counts[_DATASET].unique().sort():
        where = _within(span) & (pl.col(_DATASET) == dataset)
        sample = events.scan(scope, columns=COLUMNS, where=where).head(1).collect()
        batches = read(sample).batches
        if not batches or concerns(batches[0].part.logsources):
            kept.append(dataset)
    return kept, int(counts["len"].sum())


def stretches(
    events: Events, scope: Scope, span: Span, datasets: Sequence[str], rows_max: int = ROWS_MAX
) -> list[Stretch]:
    """Return the stretches of some parts' events, oldest first; messages are not cut."""
    counts = (
        events.received(scope, since=span.since, until=span.until)
        .filter(pl.col(_DATASET).is_in(list(datasets)))
        .group_by(pl.col(_RECEIVED).dt.epoch("us"), *_PLACE, maintain_order=True)
        .agg(pl.col("len").sum())
    )
    found: list[Stretch] = []
    # A turn for each message: there are a thousand times fewer than events.
    for us, partition, offset, rows in counts.iter_rows():
        receipt = Receipt(us, partition, offset)
        if found and found[-1].rows + rows <= rows_max:
            found[-1] = Stretch(found[-1].first, receipt, found[-1].rows + rows)
        else:
            found.append(Stretch(receipt, receipt, rows))
    return found


def rows_of(
    events: Events, scope: Scope, stretch: Stretch, datasets: Sequence[str]
) -> pl.DataFrame:
    """Return the events of a stretch, each once, in the order of receipt."""
    span = Span(_time(stretch.first.us), _time(stretch.last.us + 1))
    where = _within(span) & pl.col(_DATASET).is_in(list(datasets))
    where &= _not_before(stretch.first) & ~_not_before(
        stretch.last._replace(offset=stretch.last.offset + 1)
    )
    return events.scan(scope, columns=COLUMNS, where=where).collect().sort(_ORDER)


def _within(span: Span) -> pl.Expr:
    received, day = pl.col(_RECEIVED), pl.col("day")
    # The days are partitions: those outside are not even opened.
    days = day.is_between(pl.lit(span.since.date()), pl.lit(span.until.date()))
    return days & (received >= pl.lit(span.since)) & (received < pl.lit(span.until))


def _not_before(receipt: Receipt) -> pl.Expr:
    at, received, partition, offset = _time(receipt.us), pl.col(_RECEIVED), *map(pl.col, _PLACE)
    later = (partition > receipt.partition) | (
        (partition == receipt.partition) & (offset >= receipt.offset)
    )
    return (received > pl.lit(at)) | ((received == pl.lit(at)) & later)


def _time(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
