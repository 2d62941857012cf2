"""Trees as functions: in three values over what classes tell, and exactly over one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from detections.atoms import Reading, Test, compare
from detections.tree import And, Node, Not, Number, Or

if TYPE_CHECKING:
    from detections.tree import Atom
    from detections.values import ValueClass

Judge = Callable[["Sequence[ValueClass]"], "bool | None"]
"""Decides a rule from the classes of a row's cells: True, False, or None for unknown."""
Read = Callable[[int], Reading]
Check = Callable[[Read], bool]
"""Decides a rule on one row, given the reading of each column by its place."""


class Compiler:
    """Makes the functions of one part's rules; ``place_of`` is where an atom's column stands."""

    def __init__(
        self,
        atoms: Sequence[Atom],
        tests: Mapping[int, Test],
        place_of: Mapping[int, int],
        other_of: Mapping[int, int],
    ) -> None:
        self._atoms, self._tests = atoms, tests
        self._place_of, self._other_of = place_of, other_of

    def judge(self, node: Node | bool) -> Judge:  # noqa: FBT001 - a tree that is decided
        """Return a tree in three values (Kleene's)."""
        match node:
            case bool():
                return lambda _classes: node
            case And() | Or():
                return _judge_many([self.judge(part) for part in node.parts], isinstance(node, Or))
            case Not():
                return _judge_not(self.judge(node.part))
            case Number():
                return self._judge_atom(node.atom)
        raise TypeError(type(node).__name__)

    def _judge_atom(self, atom: int) -> Judge:
        place, other = self._place_of[atom], self._other_of.get(atom)
        if other is None:
            return lambda classes: classes[place][atom]
        return lambda classes: False if classes[place].empty or classes[other].empty else None

    def check(self, node: Node | bool) -> Check:  # noqa: FBT001
        """Return a tree as an exact test of a row."""
        match node:
            case bool():
                return lambda _read: node
            case And():
                parts = [self.check(part) for part in node.parts]
                return lambda read: all(part(read) for part in parts)
            case Or():
                parts = [self.check(part) for part in node.parts]
                return lambda read: any(part(read) for part in parts)
            case Not():
                part = self.check(node.part)
                return lambda read: not part(read)
            case Number():
                return self._check_atom(node.atom)
        raise TypeError(type(node).__name__)

    def _check_atom(self, number: int) -> Check:
        place, other = self._place_of[number], self._other_of.get(number)
        if other is None:
            test = self._tests[number]
            return lambda read: test(read(place))
        atom = self._atoms[number]
        return lambda read: compare(atom, read(place), read(other))


def _judge_many(parts: list[Judge], ends: bool) -> Judge:  # noqa: FBT001 - the value that ends it
    def judge(classes: Sequence[ValueClass]) -> bool | None:
        result: bool | None = not ends
        for part in parts:
            found = part(classes)
            if found is ends:
                return ends
            if found is None:
                result = None
        return result

    return judge


def _judge_not(part: Judge) -> Judge:
    def judge(classes: Sequence[ValueClass]) -> bool | None:
        found = part(classes)
        return None if found is None else not found

    return judge
