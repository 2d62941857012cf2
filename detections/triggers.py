"""Which keys of which columns make a rule a candidate: the cheapest that no match can lack."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from ahocorasick_rs import BytesAhoCorasick

from detections.keywords import piece
from detections.literals import END, START
from detections.tree import And, Node, Not, Number, Or
from detections.values import piece_of_cell, reading_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from detections.atoms import Reading, Test
    from detections.catalog import Catalog
    from detections.values import Cell, Key

VERIFY_US = 8.0
"""What one look at a row costs, against which the cost of a trigger is weighed."""
PAIR_US = 0.5
"""What it costs a row to see whether the cells of two columns may go together."""
TEST_US = {"regex": 1.5, "like": 1.0, "cidr": 0.6}
LOW_VALUES_MAX = 256
LOW_SHARE_MAX = 0.1
SAMPLE_MAX = 3_000
_RARE = 1e-6


class Cover(NamedTuple):
    """Keys of which every match shows at least one; None where there are no such keys."""

    cost_us: float
    triggers: frozenset[tuple[str, Key]] | None


NEVER = Cover(0.0, frozenset())
ALWAYS = Cover(1e9, None)


class Sample:
    """Values of one column, or raw events, as a batch had them, to count on."""

    def __init__(self, values: Iterable[Cell]) -> None:
        counted = Counter(values)
        self.rows = sum(counted.values())
        few = min(LOW_VALUES_MAX, max(8, self.rows * LOW_SHARE_MAX))
        raw = any(isinstance(value, bytes) for value in counted)
        self.low = len(counted) <= few and not raw
        self.counted = counted.most_common(SAMPLE_MAX)
        self._readings: list[tuple[Reading, int]] = []

    def share(self, test: Test) -> float:
        """Return the share of rows for which a test holds."""
        if not self._readings:
            self._readings = [(reading_of(value), count) for value, count in self.counted]
        held = sum(count for reading, count in self._readings if test(reading))
        return held / max(1, self.rows)

    def shares(self, literals: Sequence[bytes]) -> dict[bytes, float]:
        """Return the share of rows in whose texts each literal stands, if in any."""
        search = BytesAhoCorasick(list(literals))
        found: Counter[bytes] = Counter()
        for value, count in self.counted:
            text = piece(value) if isinstance(value, bytes) else piece_of_cell(value)
            for index in {i for i, _, _ in search.find_matches_as_indexes(text, overlapping=True)}:
                found[literals[index]] += count
        return {literal: count / max(1, self.rows) for literal, count in found.items()}


class Costs:
    """What each trigger would cost a row: a guess from its length until there is a sample."""

    def __init__(
        self,
        catalog: Catalog,
        atoms_of: Mapping[str, Sequence[int]],
        samples: Mapping[str, Sample],
    ) -> None:
        self._catalog, self._samples = catalog, samples
        self._column_of = {atom: name for name, atoms in atoms_of.items() for atom in atoms}
        self._shares: dict[str, Mapping[bytes, float]] = {}
        for name, sample in samples.items():
            atoms = atoms_of.get(name, ())
            literals = self._exact(atoms) if sample.low else self._necessary(atoms)
            self._shares[name] = sample.shares(sorted(literals)) if literals else {}
        self._held: dict[int, float] = {}

    def _necessary(self, atoms: Sequence[int]) -> set[bytes]:
        return {each for atom in atoms for each in self._catalog.necessary[atom]}

    def _exact(self, atoms: Sequence[int]) -> set[bytes]:
        return {literal for atom in atoms if (literal := self._catalog.exact[atom]) is not None}

    def low(self, column: str) -> bool:
        """Tell whether a column is known to have few distinct values."""
        return column in self._samples and self._samples[column].low

    def literal(self, column: str, literal: bytes) -> float:
        """Return the cost of looking at the rows in which a literal stands."""
        text = len(literal.strip(START + END))
        anchors = len(literal) - text
        guess = max(_RARE, 10 ** (-text / 4 - anchors / 2))
        if column not in self._samples or self.low(column):
            return VERIFY_US * guess
        # A sample in which it never stood says less than its length about how rare it is.
        rows = self._samples[column].rows
        seen = self._shares[column].get(literal, 0.0)
        return VERIFY_US * (seen + guess / (1 + rows / 100))

    def held(self, atom: int) -> float:
        """Return the share of rows in which an atom of a sampled column holds."""
        column, literal = self._column_of[atom], self._catalog.exact[atom]
        if literal is not None and self.low(column):
            return self._shares[column].get(literal, 0.0)
        if atom not in self._held:
            self._held[atom] = self._samples[column].share(self._catalog.tests[atom])
        return self._held[atom]

    def cover(self, node: Node, *, positive: bool = True) -> Cover:
        """Return the cheapest cover of a tree, or of its negation."""
        match node:
            case Not():
                return self.cover(node.part, positive=not positive)
            case And() | Or():
                covers = [self.cover(part, positive=positive) for part in node.parts]
                if isinstance(node, And) is positive:
                    return min(covers, key=lambda cover: cover.cost_us)
                return reduce(_union, covers, NEVER)
            case Number():
                return self._atom(node.atom, positive=positive)
        return ALWAYS

    def _atom(self, number: int, *, positive: bool) -> Cover:
        atom, column = self._catalog.atoms[number], self._column_of[number]
        if atom.operation == "fieldref":
            # Every row is compared, but in bulk; which rows will do is seen only then.
            return _one(PAIR_US, column, number, positive=True) if positive else ALWAYS
        if atom.operation in ("null", "exists") or self.low(column):
            # Both are decided by the class of a value, so their absence can be a trigger too.
            share = self.held(number) if column in self._samples else 0.5
            cost = VERIFY_US * (_RARE + (share if positive else 1 - share))
            return _one(cost, column, number, positive=positive)
        if not positive:
            return ALWAYS
        literals = self._catalog.necessary[number]
        if literals:
            cost, rarest = min((self.literal(column, each), each) for each in literals)
            return Cover(cost, frozenset({(column, rarest)}))
        guess = TEST_US.get(atom.operation, 0.3) + VERIFY_US * 0.05
        return _one(guess, column, number, positive=True)


def _one(cost_us: float, column: str, atom: int, *, positive: bool) -> Cover:
    return Cover(cost_us, frozenset({(column, atom if positive else ~atom)}))


def _union(left: Cover, right: Cover) -> Cover:
    if left.triggers is None or right.triggers is None:
        return ALWAYS
    return Cover(left.cost_us + right.cost_us, left.triggers | right.triggers)
