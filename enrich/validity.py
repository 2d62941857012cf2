"""When a line of a table holds: from a moment on, until another, compared with the event's time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

ALWAYS = -(2**62)
NEVER = 2**62
"""Microseconds since 1970 that no event reaches."""

VIETNAM = timezone(timedelta(hours=7))
"""Where a plain date in a table of the province begins; Vietnam has no summer time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DATE_CHARS = len("2025-07-01")


class Validity(NamedTuple):
    """From ``start`` (inclusive) until ``end`` (exclusive), in microseconds since 1970, UTC."""

    start: int = ALWAYS
    end: int = NEVER

    def holds(self, at: int) -> bool:
        """Tell whether ``at`` lies inside."""
        return self.start <= at < self.end

    def overlaps(self, other: Validity) -> bool:
        """Tell whether some moment lies inside both."""
        return self.start < other.end and other.start < self.end


def moment(text: str, zone: tzinfo) -> int:
    """Return the microseconds of an ISO 8601 date or time; without a zone it is in ``zone``.

    Raises ``ValueError`` for anything else.
    """
    if len(text) == _DATE_CHARS:
        when = datetime.combine(date.fromisoformat(text), datetime.min.time(), zone)
    else:
        when = datetime.fromisoformat(text)
        when = when if when.tzinfo else when.replace(tzinfo=zone)
    return (when - _EPOCH) // _MICROSECOND


def validity(start: str, end: str, zone: tzinfo = VIETNAM) -> Validity:
    """Return the validity that two cells say; an empty one is open. Raises ``ValueError``."""
    both = Validity(moment(start, zone) if start else ALWAYS, moment(end, zone) if end else NEVER)
    if both.start >= both.end:
        raise ValueError(f"valid_from {start} is not before valid_to {end}")
    return both


def event_times(events: pl.DataFrame) -> pl.Series:
    """Return each event's time in microseconds: its own, or its receipt where it has none."""
    times = pl.coalesce("@timestamp", "event.ingested").dt.epoch("us")
    return events.select(times.fill_null(NEVER - 1).alias("at"))["at"]


class Periods:
    """The stretches of time between which a table does not change.

    A year of events falls into a handful of them, so that (value, period) has few distinct pairs.
    """

    def __init__(self, validities: Iterable[Validity]) -> None:
        ends = {moment for validity in validities for moment in validity}
        self._starts = np.array(sorted(ends | {ALWAYS}), dtype=np.int64)

    @property
    def starts(self) -> list[int]:
        """The first moment of each period."""
        return list(map(int, self._starts))

    def of(self, events: pl.DataFrame) -> pl.Series:
        """Return for each event the first moment of the period that its time lies in."""
        if len(self._starts) == 1:
            return pl.Series("at", [ALWAYS], dtype=pl.Int64).new_from_index(0, events.height)
        index = np.searchsorted(self._starts, event_times(events).to_numpy(), side="right") - 1
        return pl.Series("at", self._starts[index])
