"""The slow, obvious evaluator: which rules say what about an event, by the letter.

The oracle of the engine's tests (``docs/reference/sigma-semantics.md``). It walks pySigma's parsed
condition for every event, and shares nothing with the engine but cells and regexes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import SigmaExpansion, SigmaFieldReference, SigmaType

from detections.reference_values import MISSING, Cell, cell_check, compare_fields, keyword_check
from luytre.core.cells import keyword_texts

if TYPE_CHECKING:
    from detections.load import LoadedRule
    from luytre.core.batch import Batch, Part

_CELLS_MAX = 100_000
_REMEMBERED_MAX = 2_000


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


def reference_hits(rules: Sequence[LoadedRule], batch: Batch) -> set[tuple[str, str]]:
    """Return (rule id, event id) of every rule and event that match."""
    return Reference(rules).hits(batch)


def needed_columns(rules: Sequence[LoadedRule], part: Part) -> frozenset[str]:
    """Return the columns of a part that the conditions of its rules read."""
    trees = [tree for rule in rules if applies(rule, part) for tree in _conditions(rule)]
    return frozenset(part.column(field) for tree in trees for field in _fields(tree))


def applies(rule: LoadedRule, part: Part) -> bool:
    """Tell whether a rule is about the events of a part."""
    return any(rule.logsource.covers(logsource) for logsource in part.logsources)


class Reference:
    """Evaluates the same rules on many batches; the conditions of a part are built once."""

    def __init__(self, rules: Sequence[LoadedRule]) -> None:
        self._rules = rules
        self._checks: dict[Part, list[tuple[str, Check]]] = {}
        self._cells: dict[str, Cell] = {}

    def hits(self, batch: Batch) -> set[tuple[str, str]]:
        """Return (rule id, event id) of every rule and event of the batch that match."""
        checks = self._part(batch.part)
        return {
            (rule_id, event_id)
            for event_id, event in self._events(batch)
            for rule_id, check in checks
            if check(event)
        }

    def _part(self, part: Part) -> list[tuple[str, Check]]:
        if part not in self._checks:
            self._checks[part] = [
                (rule.card.id, _rule(rule, part)) for rule in self._rules if applies(rule, part)
            ]
        return self._checks[part]

    def _events(self, batch: Batch) -> Iterator[tuple[str, Event]]:
        constants = {name: self._cell(cell) for name, cell in batch.part.constants.items()}
        columns = [name for name, kind in batch.events.schema.items() if kind == pl.String]
        ids, originals = batch.events["event.id"], batch.events["event.original"]
        rows = batch.events.select(columns).iter_rows()
        # Rows on purpose: an oracle must be plain (1,400 rules: about 2,000 events/s).
        for event_id, original, row in zip(ids, originals, rows, strict=True):
            present = zip(columns, row, strict=True)
            cells = {name: self._cell(value) for name, value in present if value is not None}
            yield event_id, Event({**constants, **cells}, original)

    def _cell(self, value: str) -> Cell:
        if len(self._cells) > _CELLS_MAX:
            self._cells.clear()
        return self._cells.setdefault(value, Cell(value))


def _conditions(rule: LoadedRule) -> list[Any]:
    return [condition.parse() for condition in rule.sigma.detection.parsed_condition]


def _rule(rule: LoadedRule, part: Part) -> Check:
    """Return the check of a rule; several conditions are alternatives."""
    return _joined(any, [_build(tree, part) for tree in _conditions(rule)]).check


class _Built(NamedTuple):
    """The check of a node, and the columns it reads; None stands for the whole event."""

    check: Check
    columns: frozenset[str | None]


def _build(node: Any, part: Part) -> _Built:
    match node:
        case ConditionOR():
            return _joined(any, [_build(arg, part) for arg in node.args])
        case ConditionAND():
            return _joined(all, [_build(arg, part) for arg in node.args])
        case ConditionNOT():
            inner = _build(node.args[0], part)
            return _Built(lambda event: not inner.check(event), inner.columns)
        case ConditionFieldEqualsValueExpression():
            return _field(part, node.field, node.value)
        case ConditionValueExpression():
            return _keyword(node.value)
    raise NotImplementedError(type(node).__name__)


def _joined(join: Callable[[Iterable[bool]], bool], inner: Sequence[_Built]) -> _Built:
    if len(inner) == 1:
        return inner[0]
    checks = [built.check for built in inner]
    columns = frozenset[str | None]().union(*(built.columns for built in inner))
    check: Check = lambda event: join(check(event) for check in checks)  # noqa: E731
    return _Built(_remembered(check, columns), columns)


def _remembered(check: Check, columns: frozenset[str | None]) -> Check:
    """Return a check that asks once per value, if all it reads is one column."""
    column = next(iter(columns))
    if len(columns) > 1 or column is None:
        return check
    known: dict[str | None, bool] = {}

    def remembered(event: Event) -> bool:
        value = event.cell(column).cell
        if value not in known:
            if len(known) >= _REMEMBERED_MAX:
                known.clear()
            known[value] = check(event)
        return known[value]

    return remembered


def _field(part: Part, field: str, value: SigmaType) -> _Built:
    if isinstance(value, SigmaExpansion):
        return _joined(any, [_field(part, field, inner) for inner in value.values])
    column = part.column(field)
    if isinstance(value, SigmaFieldReference):
        other = part.column(value.field)
        return _Built(
            lambda event: compare_fields(event.cell(column), value, event.cell(other)),
            frozenset((column, other)),
        )
    holds = cell_check(value)
    return _Built(lambda event: holds(event.cell(column)), frozenset((column,)))


def _keyword(value: SigmaType) -> _Built:
    if isinstance(value, SigmaExpansion):
        return _joined(any, [_keyword(inner) for inner in value.values])
    holds = keyword_check(value)
    return _Built(lambda event: holds(event.keywords), frozenset((None,)))


def _fields(node: Any) -> Iterator[str]:
    match node:
        case ConditionOR() | ConditionAND() | ConditionNOT():
            for arg in node.args:
                yield from _fields(arg)
        case ConditionFieldEqualsValueExpression():
            yield node.field
            if isinstance(node.value, SigmaFieldReference):
                yield node.value.field
