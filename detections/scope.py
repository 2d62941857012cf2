"""Which rules a part's events can meet, with what is certain about the part already decided."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from detections.atoms import Reading, compare, compile_atom
from detections.tree import And, Node, Not, Number, Or

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from detections.plan import Plan
    from detections.tree import Atom
    from luytre.core.batch import LogSource, Part

ORIGINAL = "event.original"
TIME = "@timestamp"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"
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


class Scopes:
    """Makes the scopes of a plan's parts; what all parts share is worked out once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._atoms_of = [frozenset(atoms_of(rule.condition)) for rule in plan.rules]
        self._rules: dict[LogSource, list[int]] = defaultdict(list)
        for number, rule in enumerate(plan.rules):
            self._rules[rule.logsource].append(number)

    def scope(self, part: Part) -> Scope:
        """Return the scope of a part."""
        trees: dict[int, Node | bool] = {}
        atoms: set[int] = set()
        constants = _Constants(self._plan.atoms, part)
        for number in self._candidates(part):
            condition = self._plan.rules[number].condition
            if constants.open(self._atoms_of[number]):
                trees[number] = condition
                atoms |= self._atoms_of[number]
                continue
            tree = constants.fold(condition)
            if tree is not False:
                trees[number] = tree
                atoms |= atoms_of(tree)
        return self._located(trees, sorted(atoms), part)

    def _candidates(self, part: Part) -> list[int]:
        covering = [
            numbers
            for logsource, numbers in self._rules.items()
            if any(logsource.covers(mine) for mine in part.logsources)
        ]
        return sorted(chain.from_iterable(covering))

    def _located(self, trees: dict[int, Node | bool], atoms: list[int], part: Part) -> Scope:
        column_of: dict[int, str] = {}
        other_of: dict[int, str] = {}
        for number in atoms:
            atom = self._plan.atoms[number]
            column_of[number] = KEYWORDS if atom.field is None else part.column(atom.field)
            if atom.operation == "fieldref":
                other_of[number] = part.column(atom.pattern)
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

    def open(self, atoms: AbstractSet[int]) -> bool:
        """Tell whether none of the atoms is decided."""
        return all(self._decide(atom) is None for atom in atoms)

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
        atom = self._atoms[number]
        # Most atoms are on no constant column, and a part has thousands.
        if atom.field is None or self._part.column(atom.field) not in self._readings:
            return None
        if number not in self._decided:
            self._decided[number] = self._evaluate(atom, self._part.column(atom.field))
        return self._decided[number]

    def _evaluate(self, atom: Atom, column: str) -> bool | None:
        reading = self._readings[column]
        if atom.operation != "fieldref":
            return compile_atom(atom)(reading)
        other = self._readings.get(self._part.column(atom.pattern))
        return None if other is None else compare(atom, reading, other)
