"""Hits of rules as the matches that correlations wait for."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from itertools import islice, product
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from luytre.core.cells import MARK, fold, texts
from luytre.core.matches import PROVINCE, Match

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import polars as pl

    from detections.correlation import Correlation
    from detections.plan import Plan
    from detections.program import Hit
    from luytre.core.batch import Batch, Part

_SECOND_US = 1_000_000
GROUPS_MAX = 16
"""Groups that one event may belong to, where its group-by fields are lists."""


class _Use(NamedTuple):
    """A correlation that names a rule, and the fields it reads of the rule's events."""

    correlation: Correlation
    place: int
    group_by: tuple[str, ...]
    fields: tuple[str, ...]
    carried: tuple[str, ...]


def matches_of(
    correlations: Sequence[Correlation], batch: Batch, hits: Sequence[Hit], plan: Plan
) -> list[Match]:
    """Return a match for each correlation, group, and event of a batch's ``hits``.

    An event that lacks a group-by field is in no group. One whose field is a list is in the group
    of each of its values, at most 16. The rules that one event meets in one group are one match.
    """
    uses = _uses(tuple(correlations))
    wanted = [(row, plan.rules[rule].card.id) for row, rule in hits]
    wanted = [(row, rule) for row, rule in wanted if rule in uses]
    if not wanted:
        return []
    rows = sorted({row for row, _ in wanted})
    cells = _Cells(batch, rows, {f for _, rule in wanted for use in uses[rule] for f in _read(use)})
    found: dict[tuple[str, tuple[str, ...], int], list[Match]] = defaultdict(list)
    # A turn for each hit that a correlation waits for, about 4 microseconds: few events are.
    for row, rule in wanted:
        for use in uses[rule]:
            for match in cells.matches(row, use):
                found[match.rule, match.group, row].append(match)
    return _thinned([_joined(group) for group in found.values()], correlations)


def _thinned(matches: list[Match], correlations: Sequence[Correlation]) -> list[Match]:
    """Leave out what silence has no use for: all between the first and the last of a timespan.

    A gap of a timespan or more has the last match of one such piece and the first of a later one
    on its sides, so what is left shows the very same gaps, however events are cut into batches.
    """
    spans = {
        correlation.card.id: correlation.timespan_s * _SECOND_US
        for correlation in correlations
        if correlation.extension is not None and correlation.extension.kind == "silence"
    }
    if not spans:
        return matches
    kept: list[Match] = []
    ends: dict[tuple[object, ...], tuple[Match, Match]] = {}
    for match in matches:
        span_us = spans.get(match.rule)
        if span_us is None:
            kept.append(match)
            continue
        piece = (*match.key, match.time_us // span_us)
        first, last = ends.get(piece, (match, match))
        ends[piece] = min(first, match, key=_when), max(last, match, key=_when)
    for first, last in ends.values():
        kept += [first] if first is last else [first, last]
    return kept


def _when(match: Match) -> tuple[int, str]:
    return match.time_us, match.event_id


def needed_columns(correlations: Iterable[Correlation], part: Part) -> frozenset[str]:
    """Return the columns of a part that correlations read besides those of the rules."""
    uses = _uses(tuple(correlations)).values()
    return frozenset(
        part.column(field)
        for of_rule in uses
        for use in of_rule
        for field in _read(use)
        if part.column(field) not in part.constants
    )


def _read(use: _Use) -> tuple[str, ...]:
    return (*use.group_by, *use.fields, *use.carried)


def _uses(correlations: tuple[Correlation, ...]) -> dict[str, list[_Use]]:
    return _uses_of(_Same(correlations))


class _Same:
    """Correlations, equal to themselves only: to compare them would cost more than is saved."""

    def __init__(self, correlations: tuple[Correlation, ...]) -> None:
        self.correlations = correlations
        self._ids = tuple(map(id, correlations))

    def __hash__(self) -> int:
        return hash(self._ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._ids == other._ids


@lru_cache(maxsize=8)
def _uses_of(same: _Same) -> dict[str, list[_Use]]:
    uses: dict[str, list[_Use]] = defaultdict(list)
    for correlation in same.correlations:
        for place, rule in enumerate(correlation.rules):
            read = [
                tuple(correlation.field(name, rule) for name in names)
                for names in (
                    correlation.group_by,
                    correlation.condition.fields,
                    correlation.carried,
                )
            ]
            uses[rule].append(_Use(correlation, place, *read))
    return dict(uses)


class _Cells:
    """The cells of the rows that were hit, as the fields of rules name them."""

    def __init__(self, batch: Batch, rows: list[int], fields: set[str]) -> None:
        self._part = batch.part
        self._at = {row: at for at, row in enumerate(rows)}
        self._events = batch.events[rows]
        self._columns = {field: self._column(field) for field in fields}
        self._ids = self._events["event.id"].to_list()
        received = _microseconds(self._events["event.ingested"])
        times = _microseconds(self._events["@timestamp"])
        self._received = received
        self._times = [
            mine if time is None else time for time, mine in zip(times, received, strict=True)
        ]
        self._organizations = self._events["organization.id"].to_list()
        self._streams = self._events["luytre.stream"].to_list()

    def _column(self, field: str) -> list[str | None]:
        name, height = self._part.column(field), self._events.height
        if name in self._part.constants:
            return [self._part.constants[name]] * height
        if name not in self._events.columns:
            return [None] * height
        return [cell if isinstance(cell, str) else _text(cell) for cell in self._events[name]]

    def matches(self, row: int, use: _Use) -> list[Match]:
        """Return a match for each group that a row is in."""
        at, correlation = self._at[row], use.correlation
        groups = islice(product(*(self._folded(field, at) for field in use.group_by)), GROUPS_MAX)
        wide = correlation.province_wide
        return [
            Match(
                rule=correlation.card.id,
                organization=PROVINCE if wide else self._organizations[at],
                group=group,
                event_id=self._ids[at],
                time_us=self._times[at],
                ingested_us=self._received[at],
                stream=self._streams[at] or "",
                met=(use.place,),
                value=self._joined(use.fields, at),
                carried=tuple(self._first(field, at) for field in use.carried),
                columns=tuple(map(self._part.column, use.group_by)),
            )
            for group in groups
        ]

    def _folded(self, field: str, at: int) -> list[str]:
        # A value may come twice in a list: it is one group.
        return list(dict.fromkeys(fold(text) for text in texts(self._columns[field][at]) if text))

    def _first(self, field: str, at: int) -> str:
        return next(iter(texts(self._columns[field][at])), "")

    def _joined(self, fields: tuple[str, ...], at: int) -> str:
        values = [self._first(field, at) for field in fields]
        return MARK.join(values) if all(values) else ""


def _text(cell: datetime | int | None) -> str | None:
    return None if cell is None else str(cell)


def _microseconds(times: pl.Series) -> list[int]:
    return times.dt.epoch("us").to_list()


def _joined(matches: list[Match]) -> Match:
    """Return the match of one event in one group, with all the rules that it met there."""
    if len(matches) == 1:
        return matches[0]
    first = min(matches, key=lambda match: match.met)
    met = tuple(sorted({place for match in matches for place in match.met}))
    return msgspec.structs.replace(first, met=met)
