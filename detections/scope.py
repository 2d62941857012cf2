"""Which rules a part's events can meet, with what is certain about the part already decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from detections.atoms import Reading, compare, compile_atom
from detections.tree import And, Node, Not, Number, Or

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from detections.plan import Plan
    from detections.tree import Atom
    from luytre.core.batch import Part

ORIGINAL = "event.original"
KEYWORDS = ""
"""The column that keywords read: the texts of the raw event, whatever their field."""


class Scope(NamedTuple):
    """The rules that stay possible in a part, and where their atoms stand.

    ``trees`` maps a rule's number to what is left of its tree: True if it always holds.
    """

    trees: Mapping[int, Node | bool]
    column_of: Mapping[int, str]
    other_of: Mapping[int, str]
    columns: tuple[str, ...]


def scope_of(plan: Plan, part: Part) -> Scope:
    """Return the scope of a part."""
    trees: dict[int, Node | bool] = {}
    known = _Constants(plan.atoms, part)
    for number, rule in enumerate(plan.rules):
        if any(rule.logsource.covers(logsource) for logsource in part.logsources):
            tree = known.fold(rule.condition)
            if tree is not False:
                trees[number] = tree
    column_of: dict[int, str] = {}
    other_of: dict[int, str] = {}
    for atom in sorted({atom for tree in trees.values() for atom in atoms_of(tree)}):
        field = plan.atoms[atom].field
        column_of[atom] = KEYWORDS if field is None else part.column(field)
        if plan.atoms[atom].operation == "fieldref":
            other_of[atom] = part.column(plan.atoms[atom].pattern)
    columns = tuple(sorted({*column_of.values(), *other_of.values()}))
    return Scope(trees, column_of, other_of, columns)


def atoms_of(tree: Node | bool) -> set[int]:  # noqa: FBT001 - a tree that is decided
    """Return the numbers of a tree's atoms."""
    match tree:
        case And() | Or():
            return set().union(*map(atoms_of, tree.parts))
        case Not():
            return atoms_of(tree.part)
        case Number():
            return {tree.atom}
    return set()


class _Constants:
    """Decides what rests on the columns whose cell is the same in every event of a part."""

    def __init__(self, atoms: Sequence[Atom], part: Part) -> None:
        self._atoms, self._part = atoms, part
        self._readings = {name: Reading(cell) for name, cell in part.constants.items()}
        self._decided: dict[int, bool | None] = {}

    def fold(self, node: Node) -> Node | bool:
        """Return a tree without what is decided, or the decision."""
        match node:
            case And() | Or():
                return self._join(node)
            case Not():
                part = self.fold(node.part)
                return not part if isinstance(part, bool) else Not(part)
            case Number():
                decided = self._decide(node.atom)
                return node if decided is None else decided
        return node

    def _join(self, node: And | Or) -> Node | bool:
        ends = isinstance(node, Or)
        left = []
        for part in node.parts:
            folded = self.fold(part)
            if folded is ends:
                return ends
            if not isinstance(folded, bool):
                left.append(folded)
        if not left:
            return not ends
        return left[0] if len(left) == 1 else type(node)(tuple(left))

    def _decide(self, number: int) -> bool | None:
        if number not in self._decided:
            self._decided[number] = self._evaluate(self._atoms[number])
        return self._decided[number]

    def _evaluate(self, atom: Atom) -> bool | None:
        if atom.field is None:
            return None
        reading = self._readings.get(self._part.column(atom.field))
        if atom.operation != "fieldref":
            return None if reading is None else compile_atom(atom)(reading)
        other = self._readings.get(self._part.column(atom.pattern))
        return None if reading is None or other is None else compare(atom, reading, other)
