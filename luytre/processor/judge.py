"""A batch through enrichment and rules; an event that nobody can handle becomes a reject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import polars as pl

from luytre.core.alert import Alert
from luytre.core.batch import DATA_ERRORS
from luytre.core.ecs import REJECTS, empty_rejects
from luytre.core.log import get_logger
from luytre.core.matches import Match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from detections.hiding import Hidden
    from luytre.core.batch import Batch, Part, Stage

log = get_logger("detect")

Hit = tuple[int, int]
"""A row of the batch and the number of a rule in the plan."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a batch, or a piece of it, came to; ``archived`` are its rows for the archive."""

    events: pl.DataFrame
    alerts: Sequence[Alert]
    archived: pl.DataFrame | None
    rejects: pl.DataFrame
    matches: Sequence[Match] = ()
    hidden: Sequence[Alert] = ()


class Split(Protocol):
    """Hits that make alerts, and those that filters hide: ``detections.hiding.Judged``."""

    @property
    def hits(self) -> Sequence[Hit]: ...

    @property
    def hidden(self) -> Sequence[Hidden]: ...


class Engine(Protocol):
    """Finds hits, and makes alerts of some of them: ``detections.match.Engine``."""

    def judged(self, batch: Batch) -> Split: ...

    def alerts(self, batch: Batch, hits: Sequence[Hit]) -> list[Alert]: ...

    def hidden(self, batch: Batch, hidden: Sequence[Hidden]) -> list[Alert]:
        """Return hits that filters hide, as documents that say which."""


class Correlations(Protocol):
    """What the rules that look at many events want of a batch's hits."""

    def matches(self, batch: Batch, hits: Sequence[Hit]) -> Sequence[Match]: ...

    def alerting(self, hits: Sequence[Hit]) -> Sequence[Hit]:
        """Return the hits of rules that make alerts of their own."""


class Judge:
    """Enriches and matches. One poisoned event must not stop its partition for ever.

    When a batch fails, its halves are tried, and so on down to the one event, which is rejected
    with the reason. Its neighbours are judged as if it had not been there.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        engine: Engine,
        correlations: Correlations,
        select: Callable[[pl.DataFrame, Part], pl.DataFrame] | None = None,
    ) -> None:
        self._stages, self._engine, self._correlations = stages, engine, correlations
        self._select = select

    def __call__(self, batch: Batch) -> Iterator[Judged]:
        """Yield the batch as one piece; as several if something in it cannot be handled."""
        try:
            judged = self._judge(batch)
        except DATA_ERRORS as error:
            if batch.events.height > 1:
                half = batch.events.height // 2
                for piece in (batch.events[:half], batch.events[half:]):
                    yield from self(replace(batch, rows=piece, rejects=empty_rejects()))
                return
            judged = _rejected(batch, error)
        yield judged

    def _judge(self, batch: Batch) -> Judged:
        part = batch.part
        for stage in self._stages:
            batch = stage(batch)
        split = self._engine.judged(batch)
        hits = split.hits
        alerts = self._engine.alerts(batch, self._correlations.alerting(hits))
        matches = self._correlations.matches(batch, hits)
        archived = self._select(batch.events, part) if self._select else None
        hidden = self._engine.hidden(batch, self._alerting(split.hidden)) if split.hidden else []
        return Judged(batch.events, alerts, archived, empty_rejects(), matches, hidden)

    def _alerting(self, hidden: Sequence[Hidden]) -> list[Hidden]:
        """Return what would have been an alert: a rule that only serves correlations makes none."""
        alerting = set(self._correlations.alerting([(each.row, each.rule) for each in hidden]))
        return [each for each in hidden if (each.row, each.rule) in alerting]


def _rejected(batch: Batch, error: Exception) -> Judged:
    reason = f"processing failed: {type(error).__name__}: {error}"[:500]
    log.error("event rejected", part=batch.part.name, reason=reason)
    there = [name for name in REJECTS if name in batch.events.columns]
    missing = [pl.lit(None, kind).alias(n) for n, kind in REJECTS.items() if n not in there]
    rows = batch.events.select(*there, *missing).with_columns(
        pl.lit(reason).alias("error.message"),
        pl.lit(1, pl.Int64).alias("luytre.count"),
        pl.lit("event").alias("luytre.framing"),
    )
    return Judged(batch.events.clear(), [], None, rows.select(*REJECTS))
