"""A column's values, each looked at once: value -> class, the set of keys that it shows."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from ahocorasick_rs import BytesAhoCorasick

from detections.atoms import Reading, Test
from detections.literals import marked
from luytre.core.cells import keyword_texts, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Cell = str | bytes | None
Key = bytes | int
"""A literal that is looked for, the number of an atom that holds, or ~number: that does not."""

_OVERHEAD_BYTES = 150


def pieces_of_cells(cells: Sequence[Cell]) -> list[bytes]:
    """Return each cell's texts as literals are searched in them; empty if it has none."""
    return [b"".join(map(marked, texts(cell))) for cell in cells if not isinstance(cell, bytes)]


def reading_of(cell: Cell) -> Reading:
    """Return a cell, or a raw event, as atoms read it."""
    if isinstance(cell, bytes):
        return Reading(None, keyword_texts(cell))
    return Reading(cell)


class ValueClass(dict[int, bool | None]):
    """What is known of all values of one class: atom -> holds, does not, or None for unknown."""

    def __init__(self, column: Column, shown: frozenset[Key], *, empty: bool) -> None:
        super().__init__()
        self._column, self._shown, self.empty = column, shown, empty
        self.rules = column.rules_of(shown)

    def __missing__(self, atom: int) -> bool | None:
        fact = self._column.fact(atom, self._shown, empty=self.empty)
        self[atom] = fact
        return fact


class Column:
    """The values of one column of one part.

    ``rules`` says which rules a shown key makes candidates; ``exact`` which key decides an atom;
    ``tests`` are the atoms decided by running them; ``necessary`` which literals an atom needs.
    """

    cached = True

    def __init__(
        self,
        name: str,
        *,
        rules: Mapping[Key, frozenset[int]],
        exact: Mapping[int, Key],
        tests: Mapping[int, Test],
        necessary: Mapping[int, Sequence[bytes]],
        low: bool = False,
    ) -> None:
        self.name, self.low = name, low
        self.spent_bytes = 0
        self._rules = rules
        self._exact, self._tests, self._necessary = exact, tests, necessary
        literals = {key for key in (*rules, *exact.values()) if isinstance(key, bytes)}
        self._literals = sorted(literals)
        self._search = BytesAhoCorasick(self._literals) if literals else None
        self._absent = {key: of for key, of in rules.items() if isinstance(key, int) and key < 0}
        self._known: dict[Cell, int] = {}
        self._numbers: dict[tuple[bool, frozenset[Key]], int] = {}
        self.classes: list[ValueClass] = []

    def __len__(self) -> int:
        return len(self._known)

    def values(self) -> Iterable[Cell]:
        """Return the distinct values that are known."""
        return self._known

    def forget(self) -> None:
        """Let go of all values and classes; never within a batch."""
        self.forget_values()
        self._numbers.clear()
        self.classes.clear()

    def forget_values(self) -> None:
        """Let go of all values; never within a batch."""
        self._known.clear()
        self.spent_bytes = 0

    def classify(self, values: Sequence[Cell]) -> list[int]:
        """Return the class of each value."""
        try:
            return list(map(self._known.__getitem__, values))
        except KeyError:
            self._learn([value for value in dict.fromkeys(values) if value not in self._known])
        return list(map(self._known.__getitem__, values))

    def rules_of(self, shown: frozenset[Key]) -> frozenset[int]:
        """Return the rules that a value showing these keys makes candidates."""
        found = [self._rules[key] for key in shown if key in self._rules]
        found += [rules for key, rules in self._absent.items() if not self._holds(~key, shown)]
        return frozenset().union(*found)

    def fact(self, atom: int, shown: frozenset[Key], *, empty: bool) -> bool | None:
        """Tell whether an atom holds for values that show these keys; None if that is open."""
        if atom in self._exact:
            return self._holds(atom, shown)
        if empty or not shown.issuperset(self._necessary.get(atom, ())):
            return False
        return None

    def _holds(self, atom: int, shown: frozenset[Key]) -> bool:
        return self._exact[atom] in shown

    def _learn(self, values: list[Cell]) -> None:
        pieces = pieces_of_cells(values)
        shown = self._found(pieces)
        if self._tests:
            self._run_tests(values, shown)
        for value, piece, keys in zip(values, pieces, shown, strict=True):
            self._known[value] = self._class(frozenset(keys), empty=not piece)
            self.spent_bytes += _OVERHEAD_BYTES + (len(value) if value else 0)

    def _run_tests(self, values: Sequence[Cell], shown: list[set[Key]]) -> None:
        # 0.2 us (a text) to 1.5 us (a regex) a test; only for values not known yet.
        for value, keys in zip(values, shown, strict=True):
            reading = reading_of(value)
            keys.update(atom for atom, test in self._tests.items() if test(reading))

    def _found(self, pieces: list[bytes]) -> list[set[Key]]:
        """Return the literals in each piece, all searched in one pass."""
        shown: list[set[Key]] = [set() for _ in pieces]
        if self._search is not None:
            ends = list(accumulate(map(len, pieces)))
            found = self._search.find_matches_as_indexes(b"".join(pieces), overlapping=True)
            for literal, start, _ in found:
                shown[bisect_right(ends, start)].add(self._literals[literal])
        return shown

    def _class(self, shown: frozenset[Key], *, empty: bool) -> int:
        number = self._numbers.get((empty, shown))
        if number is None:
            number = self._numbers[empty, shown] = len(self.classes)
            self.classes.append(ValueClass(self, shown, empty=empty))
        return number
