"""What filters hide: hits of rules, taken out of the alerts and kept to be counted."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from detections.atoms import Reading, compare
from detections.program import cells_of
from detections.scope import KEYWORDS, atoms_of
from detections.tree import And, Node, Not, Number, Or
from detections.values import reading_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from detections.catalog import Catalog
    from detections.plan import Plan, PlannedFilter
    from detections.program import Hit
    from luytre.core.batch import Batch, Part


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
        self._plan, self._catalog = plan, catalog
        self._atoms = [sorted(atoms_of(each.condition)) for each in plan.filters]

    def columns(self, part: Part) -> frozenset[str]:
        """Return the columns of a part that the filters of its events read."""
        return frozenset(
            column
            for number in self._of_part(part)
            for atom in self._atoms[number]
            for column in self._columns_of(atom, part)
        )

    def judge(self, batch: Batch, hits: Sequence[Hit]) -> Judged:
        """Split the hits of a batch."""
        numbers = self._of_part(batch.part)
        row_of = _Row(batch.part, batch.events)
        judged = Judged([], [])
        by_rule: dict[int, list[int]] = defaultdict(list)
        for rule in {rule for _, rule in hits}:
            by_rule[rule] = [n for n in numbers if _about(self._plan.filters[n], rule)]
        for row, rule in hits:
            row_of.row = row
            hiding = tuple(n for n in by_rule[rule] if self._holds(n, row_of.read, batch.part))
            if hiding:
                judged.hidden.append(Hidden(row, rule, hiding))
            else:
                judged.hits.append((row, rule))
        return judged

    def _of_part(self, part: Part) -> list[int]:
        return [
            number
            for number, each in enumerate(self._plan.filters)
            if any(each.logsource.covers(mine) for mine in part.logsources)
        ]

    def _columns_of(self, number: int, part: Part) -> list[str]:
        atom = self._catalog.atoms[number]
        column = KEYWORDS if atom.field is None else part.column(atom.field)
        return [column, part.column(atom.pattern)] if atom.operation == "fieldref" else [column]

    def _holds(self, number: int, read: Callable[[str], Reading], part: Part) -> bool:
        def holds(node: Node) -> bool:
            match node:
                case And():
                    return all(map(holds, node.parts))
                case Or():
                    return any(map(holds, node.parts))
                case Not():
                    return not holds(node.part)
                case Number():
                    readings = [read(column) for column in self._columns_of(node.atom, part)]
                    if len(readings) > 1:
                        return compare(self._catalog.atoms[node.atom], *readings)
                    return self._catalog.tests[node.atom](readings[0])
            raise TypeError(type(node).__name__)

        return holds(self._plan.filters[number].condition)


def _about(each: PlannedFilter, rule: int) -> bool:
    return each.rules is None or rule in each.rules


class _Row:
    """The cells of one row at a time."""

    def __init__(self, part: Part, events: pl.DataFrame) -> None:
        self._part, self._events = part, events
        self._cells: dict[str, list[str | bytes | None]] = {}
        self.row = 0

    def read(self, column: str) -> Reading:
        """Return the reading of the row's cell in a column."""
        if column in self._part.constants:
            return Reading(self._part.constants[column])
        if column not in self._cells:
            self._cells[column] = cells_of(self._events, column)
        return reading_of(self._cells[column][self.row])
