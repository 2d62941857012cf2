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
_ORDER = (_RECEIVED, "log.topic", "log.partition", "log.offset", "luytre.sequence", "event.id")
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


class Stretch(NamedTuple):
    """Events that were received in a span of microseconds since 1970, both ends included."""

    first_us: int
    last_us: int
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
    """Return the stretches of some parts' events, oldest first.

    What was received at one moment stays together: it came in one message.
    """
    counts = (
        events.received(scope, since=span.since, until=span.until)
        .filter(pl.col(_DATASET).is_in(list(datasets)))
        .group_by(_RECEIVED, maintain_order=True)
        .agg(pl.col("len").sum())
    )
    found: list[Stretch] = []
    for us, rows in zip(counts[_RECEIVED].dt.epoch("us"), counts["len"], strict=True):
        if found and found[-1].rows + rows <= rows_max:
            found[-1] = Stretch(found[-1].first_us, us, found[-1].rows + rows)
        else:
            found.append(Stretch(us, us, rows))
    return found


def rows_of(
    events: Events, scope: Scope, stretch: Stretch, datasets: Sequence[str]
) -> pl.DataFrame:
    """Return the events of a stretch, each once, in the order of receipt."""
    span = Span(_time(stretch.first_us), _time(stretch.last_us + 1))
    where = _within(span) & pl.col(_DATASET).is_in(list(datasets))
    return events.scan(scope, columns=COLUMNS, where=where).collect().sort(_ORDER)


def _within(span: Span) -> pl.Expr:
    received, day = pl.col(_RECEIVED), pl.col("day")
    # The days are partitions: those outside are not even opened.
    days = day.is_between(pl.lit(span.since.date()), pl.lit(span.until.date()))
    return days & (received >= pl.lit(span.since)) & (received < pl.lit(span.until))


def _time(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
