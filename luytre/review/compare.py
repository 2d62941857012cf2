"""One batch on both sides: which alerts come, which go, and what it costs."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import polars as pl

from luytre.core.alert import alert_id
from luytre.core.batch import DATA_ERRORS
from luytre.core.ecs import empty_rejects
from luytre.core.log import get_logger
from luytre.core.matches import Match

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from luytre.core.alert import Alert
    from luytre.core.batch import Batch
    from luytre.review.side import Side, Sides

Kind = Literal["gained", "lost", "level"]
log = get_logger("review")


class Find(Protocol):
    """Takes what only the side after finds."""

    def hits(self, batch: Batch, hits: Sequence[tuple[int, int]]) -> None:
        """Take hits of a batch, enriched by that side: rows, and numbers of its rules."""

    def alerts(self, alerts: Sequence[Alert]) -> None:
        """Take alerts of correlations."""


class Difference(NamedTuple):
    """An alert that only one side has, or that has another level on the other.

    ``id`` is the alert's, of a correlation the episode's. ``at`` is the event's time, or its
    receipt, as text in UTC. ``hidden_by`` are filters of the changed side.
    """

    id: str
    kind: Kind
    organization: str
    rule: str
    title: str
    level: str
    level_before: str
    at: str
    event_id: str
    hidden_by: tuple[str, ...] = ()


Group = tuple[str, str]
"""A rule's id and an organisation."""


@dataclass(slots=True)
class Compared:
    """What some batches came to; ``spent_s`` is processor time by step."""

    differences: list[Difference] = field(default_factory=list)
    before: Counter[Group] = field(default_factory=Counter)
    after: Counter[Group] = field(default_factory=Counter)
    hidden: Counter[Group] = field(default_factory=Counter)
    matches_before: list[Match] = field(default_factory=list)
    matches_after: list[Match] = field(default_factory=list)
    spent_s: dict[str, float] = field(default_factory=dict)
    events: int = 0
    otherwise: int = 0
    unreadable: int = 0
    failed: int = 0
    wall_s: float = 0.0

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the processor time of the body to a step."""
        start_s = time.process_time()
        try:
            yield
        finally:
            spent_s = time.process_time() - start_s
            self.spent_s[step] = self.spent_s.get(step, 0.0) + spent_s


def compare(sides: Sides, batch: Batch, found: Compared, find: Find | None = None) -> None:
    """Judge a batch on both sides. One poisoned event fails alone, as in the detect loop.

    ``find`` is handed the hits that only the side after has.
    """
    try:
        piece = _judged(sides, batch, found)
    except DATA_ERRORS as error:
        if batch.events.height > 1:
            half = batch.events.height // 2
            for rows in (batch.events[:half], batch.events[half:]):
                compare(sides, replace(batch, rows=rows, rejects=empty_rejects()), found, find)
            return
        log.error("event cannot be judged", part=batch.part.name, reason=str(error)[:500])
        found.failed += 1
        return
    before, after = piece
    found.events += batch.height
    _count(before, found.before, found.matches_before)
    _count(after, found.after, found.matches_after)
    found.hidden.update((rule, after.organizations[row]) for row, rule in after.hidden)
    found.differences += _differences(before, after)
    gained = sorted(after.alerts.keys() - before.alerts.keys())
    if find is not None and gained:
        find.hits(after.batch, [(row, after.numbers[rule]) for row, rule in gained])


class _Side(NamedTuple):
    """A side's alerts and hidden hits by row and rule, and what is known of rows and rules."""

    alerts: Mapping[tuple[int, str], str]
    hidden: Mapping[tuple[int, str], tuple[str, ...]]
    matches: list[Match]
    titles: Mapping[str, str]
    numbers: Mapping[str, int]
    batch: Batch

    @property
    def organizations(self) -> list[str]:
        organizations: list[str] = self.batch.events["organization.id"].to_list()
        return organizations


def _judged(sides: Sides, batch: Batch, found: Compared) -> tuple[_Side, _Side]:
    with found.timed("enrich"):
        first = sides.before.enriched(batch)
        second = first if sides.shared else sides.after.enriched(batch)
    with found.timed("before"):
        before = _side(sides.before, first)
    with found.timed("after"):
        after = _side(sides.after, second)
    return before, after


def _side(side: Side, batch: Batch) -> _Side:
    rules, filters = side.plan.rules, side.plan.filters
    judged = side.engine.judged(batch)
    alerting = side.alerting(judged.hits)
    return _Side(
        {(row, rules[n].card.id): rules[n].card.level for row, n in alerting},
        {
            (hidden.row, rules[hidden.rule].card.id): tuple(filters[f].id for f in hidden.filters)
            for hidden in judged.hidden
        },
        list(side.matches(batch, judged.hits)),
        {rules[n].card.id: rules[n].card.title for _, n in alerting},
        {rules[n].card.id: n for _, n in alerting},
        batch,
    )


def _count(side: _Side, counts: Counter[Group], matches: list[Match]) -> None:
    if side.alerts:
        organizations = side.organizations
        counts.update((rule, organizations[row]) for row, rule in side.alerts)
    matches.extend(side.matches)


def _differences(before: _Side, after: _Side) -> Iterator[Difference]:
    mine, theirs = before.alerts, after.alerts
    changed: list[tuple[tuple[int, str], Kind]] = [
        *((key, "gained") for key in theirs.keys() - mine.keys()),
        *((key, "lost") for key in mine.keys() - theirs.keys()),
        *((key, "level") for key in mine.keys() & theirs.keys() if mine[key] != theirs[key]),
    ]
    if not changed:
        return
    rows = sorted({row for (row, _), _ in changed})
    facts = _facts(after.batch.events[rows])
    at = {row: place for place, row in enumerate(rows)}
    titles = {**before.titles, **after.titles}
    for (row, rule), kind in sorted(changed):
        event_id, organization, time_text = facts[at[row]]
        yield Difference(
            alert_id(rule, event_id),
            kind,
            organization,
            rule,
            titles[rule],
            theirs.get((row, rule), mine.get((row, rule), "")),
            mine.get((row, rule), ""),
            time_text,
            event_id,
            after.hidden.get((row, rule), ()),
        )


def _facts(events: pl.DataFrame) -> list[tuple[str, str, str]]:
    at = pl.coalesce("@timestamp", "event.ingested").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return events.select("event.id", "organization.id", at.alias("at")).rows()
