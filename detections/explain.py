"""Why a rule holds for an event or does not: every atom, and the value that it met."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from detections.atoms import Reading, compare, compile_atom
from detections.parse import parse_rule, parse_selection
from detections.program import cells_of_frame
from detections.scope import KEYWORDS, ORIGINAL, TIME
from detections.tree import And, Leaf, Node, Not, Or
from detections.values import reading_of
from luytre.core.alert import Reason
from luytre.core.cells import NULL, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from detections.tree import Atom, LoadedRule
    from luytre.core.batch import Batch, Part

_test = lru_cache(maxsize=20_000)(compile_atom)  # a rule that is noisy explains itself often

VALUE_MAX = 1_000
"""Characters of a value that a reason quotes; the event itself has them all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One atom of a rule: whether it held, and what it was held against.

    ``value`` is the text that met it, or else all the texts that did not; None if the field is
    missing. ``negated`` if the rule wants it not to hold. ``decides`` if the verdict rests on it:
    of an alternative that holds, what holds; of a list of demands that fails, what fails.
    """

    selection: str
    field: str
    column: str
    operation: str
    pattern: str
    value: str | None
    held: bool
    negated: bool
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Selected:
    """Whether a search of a rule holds for the event."""

    name: str
    held: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each search, and each atom of a rule found in an event, in the rule's order."""

    rule: str
    holds: bool
    findings: tuple[Finding, ...]
    selections: tuple[Selected, ...] = ()

    def reasons(self) -> tuple[Reason, ...]:
        """Return the atoms that held and that the rule wants to hold."""
        return tuple(
            Reason(f.selection, f.field, f.column, f.operation, f.pattern, f.value or "")
            for f in self.findings
            if f.held and not f.negated
        )


def explain(rule: LoadedRule, batch: Batch, row: int) -> Explanation:
    """Explain a rule on one row of a batch. Raises ``UnsupportedRuleError``."""
    tree = parse_rule(rule.sigma)
    explained = explain_tree(rule.card.id, tree, batch, row)
    event, deciding = _Event(batch, row), frozenset(_deciding(tree, _Event(batch, row)))
    return replace(
        explained,
        findings=tuple(
            replace(finding, decides=finding in deciding) for finding in explained.findings
        ),
        selections=tuple(
            Selected(name, event.holds(parse_selection(rule.sigma, name)))
            for name in rule.sigma.detection.detections
        ),
    )


def explain_tree(rule: str, tree: Node, batch: Batch, row: int) -> Explanation:
    """Explain a rule's tree on one row of a batch."""
    event = _Event(batch, row)
    findings = tuple(dict.fromkeys(_findings(tree, event, negated=False)))
    return Explanation(rule, event.holds(tree), findings)


class _Event:
    """One row, read as a rule's fields name it."""

    def __init__(self, batch: Batch, row: int) -> None:
        self._part: Part = batch.part
        self._cells = batch.events.row(row, named=True)
        self._frame, self._row = batch.events, row
        self._readings: dict[str, Reading] = {}

    def column(self, field: str | None) -> str:
        return ORIGINAL if field is None else self._part.column(field)

    def reading(self, field: str | None) -> Reading:
        key = KEYWORDS if field is None else self._part.column(field)
        if key not in self._readings:
            self._readings[key] = self._read(key)
        return self._readings[key]

    def _read(self, column: str) -> Reading:
        if column == KEYWORDS:
            return reading_of(self._cells[ORIGINAL])
        if column in self._part.constants:
            return Reading(self._part.constants[column])
        if column == TIME:
            return reading_of(cells_of_frame(self._frame[self._row : self._row + 1], column)[0])
        cell = self._cells.get(column)
        return Reading(cell if isinstance(cell, str) else None)

    def met(self, atom: Atom) -> Callable[[Reading], bool]:
        if atom.operation == "fieldref":
            other = self.reading(atom.pattern)
            return lambda reading: compare(atom, reading, other)
        return _test(atom)

    def holds(self, node: Node) -> bool:
        match node:
            case And():
                return all(map(self.holds, node.parts))
            case Or():
                return any(map(self.holds, node.parts))
            case Not():
                return not self.holds(node.part)
            case Leaf():
                return self.met(node.atom)(self.reading(node.atom.field))
        raise TypeError(type(node).__name__)


def _deciding(node: Node, event: _Event, *, negated: bool = False) -> Iterator[Finding]:
    """Yield what a node's verdict rests on."""
    match node:
        case And() | Or():
            holds = event.holds(node)
            # All of an And that holds and of an Or that fails; else the parts that settle it.
            every = holds is isinstance(node, And)
            for part in node.parts:
                if every or event.holds(part) is holds:
                    yield from _deciding(part, event, negated=negated)
        case Not():
            yield from _deciding(node.part, event, negated=not negated)
        case Leaf():
            yield _finding(node, event, negated=negated)


def _findings(node: Node, event: _Event, *, negated: bool) -> Iterator[Finding]:
    match node:
        case And() | Or():
            for part in node.parts:
                yield from _findings(part, event, negated=negated)
        case Not():
            yield from _findings(node.part, event, negated=not negated)
        case Leaf():
            yield _finding(node, event, negated=negated)


def _finding(leaf: Leaf, event: _Event, *, negated: bool) -> Finding:
    atom = leaf.atom
    reading, met = event.reading(atom.field), event.met(atom)
    held = met(reading)
    first = next((t for t in reading.texts if met(Reading(t, (t,)))), None) if held else None
    return Finding(
        selection=leaf.selection,
        field=atom.field or "",
        column=event.column(atom.field),
        operation=atom.operation,
        pattern=atom.pattern,
        value=_shown(reading) if first is None else first[:VALUE_MAX],
        held=held,
        negated=negated,
    )


def _shown(reading: Reading) -> str | None:
    if reading.cell is None and not reading.texts:
        return None
    return "null" if reading.cell == NULL else ", ".join(reading.texts)[:VALUE_MAX]


def text_of(cell: object) -> str:
    """Return a cell of any column as a person reads it."""
    if not isinstance(cell, str):
        return cell.isoformat() if isinstance(cell, datetime) else str(cell)
    return "null" if cell == NULL else ", ".join(texts(cell))
