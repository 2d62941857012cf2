"""What filters hide: hits of rules, taken out of the alerts and kept to be counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from detections.atoms import Reading, compare
from detections.program import cells_of_frame
from detections.scope import KEYWORDS, atoms_of
from detections.tree import And, Node, Not, Number, Or
from detections.values import reading_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from detections.catalog import Catalog
    from detections.plan import Plan, PlannedFilter
    from detections.program import Hit
    from luytre.core.batch import Batch, Part


PARTS_MAX = 1_024
RECEIVED = "event.ingested"
Check = Callable[[Callable[[str], Reading]], bool]
"""Tells whether a condition holds of the row whose columns it can read."""


class Hidden(NamedTuple):
    """A row and a rule that belong together, and the numbers of the filters that hide it."""

    row: int
    rule: int
    filters: tuple[int, ...]


class Judged(NamedTuple):
    """The hits of a batch: those that make alerts, and those that filters hide."""

    hits: list[Hit]
    hidden: list[Hidden]


class Hiding:
    """Tells hits that filters hide from the others; only hits are looked at, never all events."""

    def __init__(self, plan: Plan, catalog: Catalog) -> None:
        self._filters, self._catalog = plan.filters, catalog
        self._checks: dict[Part, dict[int, Check]] = {}

    def columns(self, part: Part) -> frozenset[str]:
        """Return the columns of a part that the filters of its events read."""
        return frozenset(
            column
            for number in self._of_part(part)
            for atom in atoms_of(self._filters[number].condition)
            for column in self._columns_of(atom, part)
        )

    def judge(self, batch: Batch, hits: Sequence[Hit]) -> Judged:
        """Split the hits of a batch. It takes 4 us a hit and filter."""
        checks = self._of_part(batch.part)
        about = {rule: self._about(rule, checks) for rule in {rule for _, rule in hits}}
        row_of, holds = _Row(batch), _Holding(batch, self._filters)
        judged = Judged([], [])
        for hit in hits:
            row_of.row, rule = hit
            hiding = tuple(
                number
                for number, hides in about[rule]
                if holds(row_of.row, number) and hides(row_of.read)
            )
            if hiding:
                judged.hidden.append(Hidden(*hit, hiding))
            else:
                judged.hits.append(hit)
        return judged

    def _about(self, rule: int, checks: Mapping[int, Check]) -> list[tuple[int, Check]]:
        def is_about(each: PlannedFilter) -> bool:
            return each.rules is None or rule in each.rules

        return [(number, c) for number, c in checks.items() if is_about(self._filters[number])]

    def _of_part(self, part: Part) -> Mapping[int, Check]:
        """Return the checks of the filters that are about a part's events."""
        if part not in self._checks:
            if len(self._checks) >= PARTS_MAX:
                self._checks.clear()
            self._checks[part] = {
                number: self._check(each.condition, part)
                for number, each in enumerate(self._filters)
                if any(each.logsource.covers(mine) for mine in part.logsources)
            }
        return self._checks[part]

    def _columns_of(self, number: int, part: Part) -> list[str]:
        atom = self._catalog.atoms[number]
        column = KEYWORDS if atom.field is None else part.column(atom.field)
        return [column, part.column(atom.pattern)] if atom.operation == "fieldref" else [column]

    def _check(self, node: Node, part: Part) -> Check:
        match node:
            case And() | Or():
                checks = [self._check(each, part) for each in node.parts]
                if isinstance(node, And):
                    return lambda read: all(check(read) for check in checks)
                return lambda read: any(check(read) for check in checks)
            case Not():
                negated = self._check(node.part, part)
                return lambda read: not negated(read)
            case Number():
                return self._atom(node.atom, self._columns_of(node.atom, part))
        raise TypeError(type(node).__name__)

    def _atom(self, number: int, columns: list[str]) -> Check:
        column, *others = columns
        if others:
            atom, other = self._catalog.atoms[number], others[0]
            return lambda read: compare(atom, read(column), read(other))
        test = self._catalog.tests[number]
        return lambda read: test(read(column))


class _Holding:
    """Tells whether a filter holds still for an event, by when that was received.

    Not by the event's own time: whoever writes the event writes that too.
    """

    def __init__(self, batch: Batch, filters: Sequence[PlannedFilter]) -> None:
        self._ends = {n: f.expires_us for n, f in enumerate(filters) if f.expires_us is not None}
        received = batch.events[RECEIVED].dt.epoch("us").to_list() if self._ends else []
        self._received: list[int] = received

    def __call__(self, row: int, number: int) -> bool:
        end = self._ends.get(number)
        return end is None or self._received[row] < end


class _Row:
    """The cells of one row at a time; equal cells of a column share a reading."""

    def __init__(self, batch: Batch) -> None:
        self._constants, self._events = batch.part.constants, batch.events
        self._cells: dict[str, list[str | bytes | None]] = {}
        self._readings: dict[str, dict[str | bytes | None, Reading]] = defaultdict(dict)
        self.row = 0

    def read(self, column: str) -> Reading:
        """Return the reading of the row's cell in a column."""
        if column not in self._cells:
            constant = self._constants.get(column)
            self._cells[column] = (
                cells_of_frame(self._events, column)
                if constant is None
                else [constant] * self._events.height
            )
        cell = self._cells[column][self.row]
        readings = self._readings[column]
        if cell not in readings:
            readings[cell] = reading_of(cell)
        return readings[cell]
