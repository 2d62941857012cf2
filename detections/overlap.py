"""Which rules say the same, and which say nothing that another does not say too.

The proof is one of structure: what it finds holds for every event; what it does not find may hold
all the same.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from detections.tree import And, Atom, Leaf, Node, Not, Or
from luytre.core.batch import LogSource
from luytre.core.cells import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


_PLAIN = frozenset({"equals", "contains", "startswith", "endswith"})
_WITHIN: Mapping[str, tuple[tuple[str, ...], Callable[[str, str], bool]]] = {
    "equals": (("equals",), operator.eq),
    "contains": (("equals", "contains", "startswith", "endswith"), operator.contains),
    "startswith": (("equals", "startswith"), str.startswith),
    "endswith": (("equals", "endswith"), str.endswith),
}
"""Which operations can imply one, and what must hold between their patterns."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule as overlaps see it."""

    rule: str
    logsource: LogSource
    tree: Node


@dataclass(frozen=True, slots=True)
class Overlap:
    """``wider`` holds wherever ``rule`` does; ``same`` if the other way round too."""

    rule: str
    wider: str
    same: bool


def overlaps(subjects: Sequence[Subject], others: Iterable[Subject]) -> Iterator[Overlap]:
    """Yield how each of ``subjects`` lies inside another rule, or another inside it."""
    known = [_Known.of(each) for each in others]
    for subject in subjects:
        mine = _Known.of(subject)
        for other in known:
            if other.subject.rule == subject.rule:
                continue
            inside, around = mine.inside(other), other.inside(mine)
            if inside:
                yield Overlap(subject.rule, other.subject.rule, same=around)
            elif around:
                yield Overlap(other.subject.rule, subject.rule, same=False)


def identical(subjects: Iterable[Subject]) -> Iterator[Overlap]:
    """Yield the rules whose condition is that of a rule before them, in its order or another."""
    groups: dict[tuple[LogSource, object], list[str]] = defaultdict(list)
    for each in subjects:
        groups[each.logsource, _normal(each.tree)].append(each.rule)
    for first, *more in groups.values():
        for rule in more:
            yield Overlap(rule, first, same=True)


@dataclass(frozen=True, slots=True)
class _Known:
    """A rule, and the fields that it reads or cannot do without: most pairs have other ones."""

    subject: Subject
    tree: Node
    read: frozenset[str | None]
    required: frozenset[str | None]

    @classmethod
    def of(cls, subject: Subject) -> _Known:
        tree = _folded(subject.tree)
        return cls(subject, tree, frozenset(_read(tree)), _required(tree))

    def inside(self, other: _Known) -> bool:
        """Tell whether the other rule holds wherever this one does."""
        return (
            other.required <= self.read
            and other.subject.logsource.covers(self.subject.logsource)
            and implies(self.tree, other.tree)
        )


def implies(left: Node, right: Node) -> bool:
    """Tell whether it can be seen that ``right`` holds wherever ``left`` does.

    The patterns of both are folded where case does not count.
    """
    match left, right:
        case _, And():
            holds = all(implies(left, part) for part in right.parts)
        case Or(), _:
            holds = all(implies(part, right) for part in left.parts)
        case _, Or():
            holds = any(implies(left, part) for part in right.parts) or _some_part(left, right)
        case And(), _:
            holds = _some_part(left, right)
        case Not(), Not():
            holds = implies(right.part, left.part)
        case Leaf(), Leaf():
            holds = _atom_implies(left.atom, right.atom)
        case _:
            holds = False
    return holds


def _some_part(left: Node, right: Node) -> bool:
    return isinstance(left, And) and any(implies(part, right) for part in left.parts)


def _atom_implies(left: Atom, right: Atom) -> bool:
    if left == right:
        return True
    if left.field != right.field or left.field is None or (right.cased and not left.cased):
        return False
    mine = fold(left.pattern) if left.cased and not right.cased else left.pattern
    other = right.pattern
    left_operations, holds = _WITHIN.get(right.operation, ((), operator.eq))
    return left.operation in left_operations and bool(holds(mine, other))


def _folded(node: Node) -> Node:
    match node:
        case And() | Or():
            return type(node)(tuple(map(_folded, node.parts)))
        case Not():
            return Not(_folded(node.part))
        case Leaf() if not node.atom.cased and node.atom.operation in _PLAIN:
            return Leaf(replace(node.atom, pattern=fold(node.atom.pattern)), node.selection)
    return node


def _read(node: Node) -> Iterator[str | None]:
    match node:
        case And() | Or():
            for part in node.parts:
                yield from _read(part)
        case Not():
            yield from _read(node.part)
        case Leaf():
            yield node.atom.field


def _required(node: Node) -> frozenset[str | None]:
    """Return fields that whatever implies this must read as well."""
    match node:
        case And():
            return frozenset[str | None]().union(*map(_required, node.parts))
        case Or():
            return frozenset.intersection(*map(_required, node.parts))
        case Not():
            return frozenset()
        case Leaf():
            return frozenset({node.atom.field})
    return frozenset()


def _normal(node: Node) -> object:
    """Return a tree as a value that does not depend on the order or the names of its parts."""
    match node:
        case And() | Or():
            parts = frozenset(map(_normal, node.parts))
            return next(iter(parts)) if len(parts) == 1 else (type(node).__name__, parts)
        case Not():
            return ("Not", _normal(node.part))
        case Leaf():
            atom = node.atom
            folds = atom.operation in _PLAIN and not atom.cased
            pattern = fold(atom.pattern) if folds else atom.pattern
            return (atom.field, atom.operation, pattern, atom.cased, atom.flags)
    return node
