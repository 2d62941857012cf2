"""Trees as functions: what the classes of a row's cells decide, and what is left to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from detections.atoms import Reading, Test, compare
from detections.tree import And, Node, Not, Number, Or

if TYPE_CHECKING:
    from detections.tree import Atom
    from detections.values import ValueClass

Read = Callable[[int], Reading]
"""Gives the reading of one row's cell in the column at a place."""
Check = Callable[[Read], bool]
"""Decides on one row what its classes left open."""
Classes = Mapping[int, "ValueClass"]
"""The classes of a row's cells, by the places of their columns."""
Judge = Callable[[Classes], "bool | Check"]
"""Decides a rule from them, or returns what is left to check."""


class Compiler:
    """Makes the judges of one part's rules; ``place_of`` is where an atom's column stands."""

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
        """Return the judge of a tree."""
        match node:
            case bool():
                return lambda _classes: node
            case And() | Or():
                return _many([self.judge(part) for part in node.parts], ends=isinstance(node, Or))
            case Not():
                return _not(self.judge(node.part))
            case Number():
                return self._atom(node.atom)
        raise TypeError(type(node).__name__)

    def _atom(self, number: int) -> Judge:
        place, other, test = self._place_of[number], self._other_of.get(number), None
        if other is not None:
            return self._reference(self._atoms[number], place, other)
        test = self._tests[number]

        def check(read: Read) -> bool:
            return test(read(place))

        def judge(classes: Classes) -> bool | Check:
            fact = classes[place][number]
            return check if fact is None else fact

        return judge

    def _reference(self, atom: Atom, place: int, other: int) -> Judge:
        def check(read: Read) -> bool:
            return compare(atom, read(place), read(other))

        return lambda classes: not (classes[place].empty or classes[other].empty) and check


def _many(judges: list[Judge], *, ends: bool) -> Judge:
    """Return the judge of an ``or`` (which True ends) or of an ``and`` (which False ends)."""

    def judge(classes: Classes) -> bool | Check:
        left: list[Check] = []
        for part in judges:
            judged = part(classes)
            if judged is ends:
                return ends
            if judged is not True and judged is not False:
                left.append(judged)
        if len(left) < 2:  # noqa: PLR2004 - none or one
            return left[0] if left else not ends
        if ends:
            return lambda read: any(check(read) for check in left)
        return lambda read: all(check(read) for check in left)

    return judge


def _not(judge: Judge) -> Judge:
    def negated(classes: Classes) -> bool | Check:
        judged = judge(classes)
        if judged is True or judged is False:
            return not judged
        return lambda read: not judged(read)

    return negated
