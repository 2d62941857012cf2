"""A column's values, each looked at once: value -> class, the set of keys that it shows."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from ahocorasick_rs import BytesAhoCorasick

from detections.atoms import Reading
from detections.literals import END, START, encoded, marked
from luytre.core.cells import MARK, fold, keyword_texts, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from detections.atoms import Test

Cell = str | bytes | None
Key = bytes | int
"""A literal that is looked for, the number of an atom that holds, or ~number: that does not."""

_OVERHEAD_BYTES = 150
_NUL = "\0"


def piece_of_cell(cell: str | None) -> bytes:
    """Return a cell's texts as literals are searched in them; empty if it has none."""
    return b"".join(map(marked, texts(cell)))


def pieces_of_cells(cells: Sequence[Cell]) -> list[bytes]:
    """Return the same of many cells."""
    return [piece_of_cell(cell) for cell in cells if not isinstance(cell, bytes)]


def pieces_of_texts(cells: Sequence[str]) -> list[bytes]:
    """Return the same for cells of one text each, folded in one go: a third of the time."""
    folded = encoded(fold(_NUL.join(cells))).split(b"\0")
    if len(folded) != len(cells):  # a text holds NUL itself
        return pieces_of_cells(cells)
    return [START + text + END for text in folded]


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


class View(NamedTuple):
    """A column of one batch: the rows whose value makes a rule a candidate, and rows' classes."""

    rows: Collection[int]
    codes: Callable[[Sequence[int]], Iterable[int]]


class Keys(NamedTuple):
    """What a column's values are looked at for.

    ``rules`` says which rules a shown key makes candidates; ``exact`` which key decides an atom;
    ``tests`` are the atoms decided by running them, those in ``guards`` only where that literal
    stands, those in ``presence`` alike for every text; ``necessary`` which literals an atom needs.
    """

    rules: Mapping[Key, frozenset[int]]
    exact: Mapping[int, Key]
    tests: Mapping[int, Test]
    guards: Mapping[int, bytes]
    presence: frozenset[int]
    necessary: Mapping[int, Sequence[bytes]]


class Column:
    """The values of one column of one part."""

    cached = True

    def __init__(self, name: str, keys: Keys, *, low: bool = False) -> None:
        self.name, self.low = name, low
        self.spent_bytes = 0
        self._keys = keys
        self._noted = {*keys.rules, *keys.exact.values()}
        literals = {key for key in (*self._noted, *keys.guards.values()) if isinstance(key, bytes)}
        self._literals = sorted(literals)
        self._search = BytesAhoCorasick(self._literals) if literals else None
        self._absent = {k: of for k, of in keys.rules.items() if isinstance(k, int) and k < 0}
        self._guarded = _by_literal(keys)
        self._unguarded = {a: test for a, test in keys.tests.items() if a not in keys.guards}
        self._of_text = {a: t for a, t in self._unguarded.items() if a not in keys.presence}
        there = Reading(".")
        self._there = frozenset(a for a in keys.presence if keys.tests[a](there))
        self._known: dict[Cell, int] = {}
        self._hot: set[Cell] = set()
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
        self._hot.clear()
        self.spent_bytes = 0

    def view(self, values: Sequence[Cell], height: int) -> View:
        """Return what a batch's values show; no values at all stand for missing ones only."""
        known = self._known
        if not values:
            self._learn_all({None})
            missing = known[None]
            hot = range(height) if None in self._hot else ()
            return View(hot, lambda some: [missing] * len(some))
        # 60 ns a value; the set keeps their hashes, so that nothing is hashed twice.
        distinct = set(values)
        self._learn_all(distinct)
        shown = distinct & self._hot
        rows = [row for row, value in enumerate(values) if value in shown] if shown else ()
        return View(rows, lambda some: [known[values[row]] for row in some])

    def rules_of(self, shown: frozenset[Key]) -> frozenset[int]:
        """Return the rules that a value showing these keys makes candidates."""
        rules = self._keys.rules
        found = [rules[key] for key in shown if key in rules]
        found += [of for key, of in self._absent.items() if not self._holds(~key, shown)]
        return frozenset().union(*found)

    def fact(self, atom: int, shown: frozenset[Key], *, empty: bool) -> bool | None:
        """Tell whether an atom holds for values that show these keys; None if that is open."""
        if atom in self._keys.exact:
            return self._holds(atom, shown)
        if empty or not shown.issuperset(self._keys.necessary.get(atom, ())):
            return False
        return None

    def _holds(self, atom: int, shown: frozenset[Key]) -> bool:
        return self._keys.exact[atom] in shown

    def _learn_all(self, distinct: set[Cell]) -> None:
        new = distinct.difference(self._known)
        if not new:
            return
        plain = [value for value in new if isinstance(value, str) and MARK not in value]
        self._learn(plain, pieces_of_texts(plain), self._of_text, self._there)
        if len(plain) < len(new):
            others = [v for v in new if not isinstance(v, str) or MARK in v]
            self._learn(others, pieces_of_cells(others), self._unguarded)

    def _learn(
        self,
        values: Sequence[Cell],
        pieces: Sequence[bytes],
        tests: Mapping[int, Test],
        there: frozenset[Key] = frozenset(),
    ) -> None:
        codes = self.shown(values, pieces, tests, there)
        self._known.update(zip(values, codes, strict=True))
        hot = {code for code in set(codes) if self.classes[code].rules}
        if hot:
            self._hot.update(v for v, code in zip(values, codes, strict=True) if code in hot)
        self.spent_bytes += sum(map(len, pieces)) + _OVERHEAD_BYTES * len(values)

    def shown(
        self,
        values: Sequence[Cell],
        pieces: Sequence[bytes],
        tests: Mapping[int, Test],
        there: frozenset[Key] = frozenset(),
    ) -> list[int]:
        """Return the class of each value.

        ``pieces`` are the values as literals are searched in them; ``tests`` are those to run on
        every value, ``there`` the keys that all of them show.
        """
        found = self._found(pieces)
        if tests or self._guarded:
            self._run_tests(values, found, tests)
        plain = self._class(there, empty=False)
        return [
            plain
            if keys is None and piece
            else self._class(there | (keys or frozenset()) & self._noted, empty=not piece)
            for keys, piece in zip(found, pieces, strict=True)
        ]

    def _run_tests(
        self, values: Sequence[Cell], found: list[set[Key] | None], tests: Mapping[int, Test]
    ) -> None:
        # 0.2 us (a text) to 1.5 us (a regex) a test; only for values not known yet.
        for row, value in enumerate(values):
            keys = found[row]
            if keys is None and not tests:
                continue
            chosen = dict(tests)
            for literal in (keys or frozenset()) & self._guarded.keys():
                chosen |= self._guarded[literal]
            if chosen:
                reading = reading_of(value)
                held = {atom for atom, test in chosen.items() if test(reading)}
                found[row] = held.union(keys or ()) or None

    def _found(self, pieces: Sequence[bytes]) -> list[set[Key] | None]:
        """Return the literals in each piece, all searched in one pass; None for none."""
        shown: list[set[Key] | None] = [None] * len(pieces)
        if self._search is None:
            return shown
        hits = self._search.find_matches_as_indexes(b"".join(pieces), overlapping=True)
        if hits:
            ends = list(accumulate(map(len, pieces)))
            for literal, start, _ in hits:
                row = bisect_right(ends, start)
                keys = shown[row]
                if keys is None:
                    keys = shown[row] = set()
                keys.add(self._literals[literal])
        return shown

    def _class(self, shown: frozenset[Key], *, empty: bool) -> int:
        number = self._numbers.get((empty, shown))
        if number is None:
            number = self._numbers[empty, shown] = len(self.classes)
            self.classes.append(ValueClass(self, shown, empty=empty))
        return number


def _by_literal(keys: Keys) -> dict[Key, dict[int, Test]]:
    found: dict[Key, dict[int, Test]] = {}
    for atom, literal in keys.guards.items():
        found.setdefault(literal, {})[atom] = keys.tests[atom]
    return found
