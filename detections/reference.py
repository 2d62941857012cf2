"""The slow, obvious evaluator: which rules say what about an event, by the letter.

The oracle of the engine's tests (``docs/reference/sigma-semantics.md``). It walks pySigma's parsed
condition for every event, and shares nothing with the engine but cells and regexes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import SigmaExpansion, SigmaFieldReference, SigmaType

from detections.reference_values import (
    MISSING,
    Cell,
    CellCheck,
    cell_check,
    compare_fields,
    keyword_check,
)
from luytre.core.cells import keyword_texts

if TYPE_CHECKING:
    from detections.filters import LoadedFilter
    from detections.load import LoadedRule
    from luytre.core.batch import Batch, Part

TIME = "@timestamp"
ORIGINAL = "event.original"
RECEIVED = "(received)"
"""``event.ingested``, which conditions of rules do not see."""
_CELLS_MAX = 100_000
_REMEMBERED_MAX = 2_000
_T = TypeVar("_T")


class Event:
    """One event: its cells by column, and the texts in which keywords are searched."""

    def __init__(self, cells: Mapping[str, Cell], original: bytes) -> None:
        self._cells = cells
        self._original = original

    def cell(self, column: str) -> Cell:
        """Return the cell of a column; one that the frame lacks is missing."""
        return self._cells.get(column, MISSING)

    @cached_property
    def keywords(self) -> Cell:
        """All values of the event, or its line, as if they were one list."""
        return Cell(None, keyword_texts(self._original))


Check = Callable[[Event], bool]
_Checks = dict[frozenset[str], list[tuple[str, Check]]]
"""Rule ids and checks, by the columns that they read."""


def reference_hits(
    rules: Sequence[LoadedRule], batch: Batch, filters: Sequence[LoadedFilter] = ()
) -> set[tuple[str, str]]:
    """Return (rule id, event id) of every rule and event that match and that no filter hides."""
    return _reference(tuple(rules), tuple(filters)).hits(batch)


@lru_cache(1)
def _reference(rules: tuple[LoadedRule, ...], filters: tuple[LoadedFilter, ...] = ()) -> Reference:
    # Tests ask batch after batch with the same rules; building takes longer than most batches.
    return Reference(rules, filters)


def needed_columns(rules: Sequence[LoadedRule | LoadedFilter], part: Part) -> frozenset[str]:
    """Return the columns of a part that the conditions of its rules read."""
    read = _columns([rule for rule in rules if applies(rule, part)], part)
    return read - {TIME, ORIGINAL}


def applies(rule: LoadedRule | LoadedFilter, part: Part) -> bool:
    """Tell whether a rule or a filter is about the events of a part."""
    return any(rule.logsource.covers(logsource) for logsource in part.logsources)


class Reference:
    """Evaluates the same rules on many batches; the conditions of a part are built once."""

    def __init__(self, rules: Sequence[LoadedRule], filters: Sequence[LoadedFilter] = ()) -> None:
        self._rules, self._filters = rules, filters
        self._checks: dict[Part, _Checks] = {}
        self._cells: dict[str, Cell] = {}

    def hits(self, batch: Batch) -> set[tuple[str, str]]:
        """Return (rule id, event id) of every rule and event of the batch that match."""
        return {
            (rule_id, event_id)
            for columns, checks in self._part(batch.part).items()
            for event_ids, event in self._distinct(batch.events, columns)
            for rule_id, check in checks
            if check(event)
            for event_id in event_ids
        }

    def _part(self, part: Part) -> _Checks:
        """Return the rules of a part, those that read the same columns together."""
        if part not in self._checks:
            checks: _Checks = defaultdict(list)
            for rule in self._rules:
                if applies(rule, part):
                    hides = self._hiding(rule, part)
                    ends = any(each.expires_us is not None for each in hides)
                    read = _columns([rule, *hides], part) | ({RECEIVED} if ends else set())
                    checks[read].append((rule.card.id, _shown(rule, hides, part)))
            self._checks[part] = checks
        return self._checks[part]

    def _hiding(self, rule: LoadedRule, part: Part) -> list[LoadedFilter]:
        """Return the filters that are about a rule and these events."""
        return [each for each in self._filters if applies(each, part) and each.covers(rule.card.id)]

    def _distinct(
        self, events: pl.DataFrame, columns: frozenset[str]
    ) -> Iterator[tuple[list[str], Event]]:
        """Yield one event for all that have the same cells in these columns, with their ids.

        What a rule says hangs on nothing but the cells that it reads: 729,016 events of Mordor
        take an hour, and every event with every rule would take five.
        """
        events = events.with_columns(pl.col("event.ingested").alias(RECEIVED))
        schema = events.schema
        kept = [
            name
            for name in sorted(columns)
            if name in schema and (schema[name] == pl.String or name in (TIME, ORIGINAL, RECEIVED))
        ]
        if not kept:
            yield events["event.id"].to_list(), Event({}, b"")
            return
        grouped = events.select("event.id", *kept).group_by(kept).agg("event.id")
        # Rows on purpose: an oracle must be plain.
        for *row, event_ids in grouped.iter_rows():
            present = dict(zip(kept, row, strict=True))
            original = present.pop(ORIGINAL, b"")
            cells = {name: self._cell(_text(v)) for name, v in present.items() if v is not None}
            yield event_ids, Event(cells, original)

    def _cell(self, value: str) -> Cell:
        if len(self._cells) > _CELLS_MAX:
            self._cells.clear()
        return self._cells.setdefault(value, Cell(value))


def _text(value: str | datetime) -> str:
    """Return a cell as conditions see it: the time of an event is a text too."""
    if isinstance(value, str):
        return value
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _conditions(rule: LoadedRule | LoadedFilter) -> list[Any]:
    return [condition.parse() for condition in rule.sigma.detection.parsed_condition]


def _columns(rules: Sequence[LoadedRule | LoadedFilter], part: Part) -> frozenset[str]:
    """Return all that some conditions read: columns, and the event itself for keywords."""
    trees = [tree for rule in rules for tree in _conditions(rule)]
    return frozenset(
        ORIGINAL if field is None else part.column(field) for tree in trees for field in _read(tree)
    )


def _shown(rule: LoadedRule, hides: Sequence[LoadedFilter], part: Part) -> Check:
    """Return the check of a rule, and not of any filter."""
    shows = _rule(rule, part)
    hidden = [_held(each, _rule(each, part)) for each in hides]
    if not hidden:
        return shows
    return lambda event: shows(event) and not any(hide(event) for hide in hidden)


def _held(each: LoadedFilter, hides: Check) -> Check:
    """Return the check of a filter as long as it holds: until an event was received too late."""
    if each.expires_us is None:
        return hides
    end = _text(datetime.fromtimestamp(each.expires_us / 1e6, UTC))
    return lambda event: event.cell(RECEIVED).raw[0] < end and hides(event)


def _rule(rule: LoadedRule | LoadedFilter, part: Part) -> Check:
    """Return the check of a rule; several conditions are alternatives."""
    return _joined(_some, [_built(tree, part) for tree in _conditions(rule)]).check


@dataclass(frozen=True, slots=True)
class _OnCell:
    """A node that reads one column only."""

    column: str
    holds: CellCheck

    def check(self, event: Event) -> bool:
        return self.holds(event.cell(self.column))


@dataclass(frozen=True, slots=True)
class _OnEvent:
    """A node that reads several columns, or the whole event."""

    check: Check


_Built = _OnCell | _OnEvent


def _built(node: Any, part: Part) -> _Built:
    match node:
        case ConditionOR():
            return _joined(_some, [_built(arg, part) for arg in node.args])
        case ConditionAND():
            return _joined(_every, [_built(arg, part) for arg in node.args])
        case ConditionNOT():
            return _joined(_none, [_built(node.args[0], part)])
        case ConditionFieldEqualsValueExpression():
            return _field(part, node.field, node.value)
        case ConditionValueExpression():
            return _keyword(node.value)
    raise NotImplementedError(type(node).__name__)


def _some(checks: Sequence[Callable[[_T], bool]], thing: _T) -> bool:
    return any(check(thing) for check in checks)


def _every(checks: Sequence[Callable[[_T], bool]], thing: _T) -> bool:
    return all(check(thing) for check in checks)


def _none(checks: Sequence[Callable[[_T], bool]], thing: _T) -> bool:
    return not any(check(thing) for check in checks)


def _joined(join: Callable[..., bool], inner: Sequence[_Built]) -> _Built:
    if len(inner) == 1 and join is not _none:
        return inner[0]
    cells = [built for built in inner if isinstance(built, _OnCell)]
    columns = {built.column for built in cells}
    if len(cells) == len(inner) and len(columns) == 1:
        return _OnCell(columns.pop(), _remembered(partial(join, [built.holds for built in cells])))
    return _OnEvent(partial(join, [built.check for built in inner]))


def _remembered(holds: CellCheck) -> CellCheck:
    """Return a check that is worked out once per value."""
    known: dict[str | None, bool] = {}

    def remembered(cell: Cell) -> bool:
        if cell.cell not in known:
            if len(known) >= _REMEMBERED_MAX:
                known.clear()
            known[cell.cell] = holds(cell)
        return known[cell.cell]

    return remembered


def _field(part: Part, field: str, value: SigmaType) -> _Built:
    if isinstance(value, SigmaExpansion):
        return _joined(_some, [_field(part, field, inner) for inner in value.values])
    column = part.column(field)
    if isinstance(value, SigmaFieldReference):
        other = part.column(value.field)
        return _OnEvent(lambda event: compare_fields(event.cell(column), value, event.cell(other)))
    return _OnCell(column, cell_check(value))


def _keyword(value: SigmaType) -> _Built:
    if isinstance(value, SigmaExpansion):
        return _joined(_some, [_keyword(inner) for inner in value.values])
    holds = keyword_check(value)
    return _OnEvent(lambda event: holds(event.keywords))


def _read(node: Any) -> Iterator[str | None]:
    """Yield the fields that a condition reads; None for a keyword."""
    match node:
        case ConditionOR() | ConditionAND() | ConditionNOT():
            for arg in node.args:
                yield from _read(arg)
        case ConditionFieldEqualsValueExpression():
            yield node.field
            if isinstance(node.value, SigmaFieldReference):
                yield node.value.field
        case ConditionValueExpression():
            yield None
