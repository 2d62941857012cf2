"""What a rule costs, estimated before it meets an event.

An engine looks at an event's values for literals that a match cannot lack and verifies only where
one stands; so what counts is how rare the rarest such literals are, and whether there are any.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Literal

from detections.literals import END, START, necessary_literals
from detections.tree import And, Leaf, Node, Not, Or

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detections.tree import Atom

Grade = Literal["cheap", "fair", "dear", "every event"]

LITERAL_DECADE = 2
"""How many more characters make a literal ten times rarer: a guess from command lines."""
FAIR_SHARE, DEAR_SHARE = 1e-3, 5e-2
SHARES = {"number": 0.01, "time": 0.3, "null": 0.5, "exists": 0.02, "cidr": 0.05, "gt": 0.3,
          "gte": 0.3, "lt": 0.3, "lte": 0.3}  # fmt: skip
"""How often atoms without a literal hold: a guess."""
TESTED_SHARE = 0.05
TESTED = frozenset({"regex", "like", "cidr", "contains", "equals", "startswith", "endswith"})
"""What has to be tested on every new value if it has no literal that could be looked for."""
SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """What a rule is made of, and which events will have to be looked at.

    ``share`` estimates the part of its log source's events that are verified, one by one.
    ``triggers`` are the commonest literals that bring it about, ``field: text``. ``tested`` are
    tests that run on every new value, because there is no literal to look for.
    """

    rule: str
    grade: Grade
    share: float
    atoms: int
    fields: int
    regexes: int
    keywords: int
    triggers: tuple[str, ...]
    tested: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Cover:
    """Atoms of which every match meets at least one."""

    share: float
    literals: frozenset[tuple[str, bytes]] = frozenset()
    tested: frozenset[str] = frozenset()
    guessed: frozenset[str] = frozenset()


_NEVER, _ALWAYS = _Cover(0.0), _Cover(1.0)


def estimate(rule: str, tree: Node) -> Cost:
    """Return the estimate for a rule's tree."""
    atoms = list(dict.fromkeys(_atoms(tree)))
    cover = _cover(tree, positive=True)
    return Cost(
        rule=rule,
        grade=_grade(cover),
        share=min(1.0, cover.share),
        atoms=len(atoms),
        fields=len({atom.field for atom in atoms if atom.field is not None}),
        regexes=sum(atom.operation in ("regex", "like") for atom in atoms),
        keywords=sum(atom.field is None for atom in atoms),
        triggers=(*sorted(cover.guessed), *_commonest(cover.literals)),
        tested=tuple(sorted(cover.tested)),
    )


def _grade(cover: _Cover) -> Grade:
    if cover.share >= 1:
        return "every event"
    if cover.tested or cover.share >= DEAR_SHARE:
        return "dear"
    return "fair" if cover.share >= FAIR_SHARE else "cheap"


def _atoms(node: Node) -> Iterator[Atom]:
    match node:
        case And() | Or():
            for part in node.parts:
                yield from _atoms(part)
        case Not():
            yield from _atoms(node.part)
        case Leaf():
            yield node.atom


def _cover(node: Node, *, positive: bool) -> _Cover:
    """Return the cheapest cover of a tree, or of its negation."""
    match node:
        case Not():
            return _cover(node.part, positive=not positive)
        case And() | Or():
            covers = [_cover(part, positive=positive) for part in node.parts]
            if isinstance(node, And) is positive:
                return min(covers, key=lambda cover: cover.share + bool(cover.tested) * DEAR_SHARE)
            return reduce(_union, covers, _NEVER)
        case Leaf():
            return _atom(node.atom) if positive else _ALWAYS
    return _ALWAYS


def _atom(atom: Atom) -> _Cover:
    name = atom.field or "(keyword)"
    literals = necessary_literals(atom)
    if literals:
        share, rarest = min((_share(each), each) for each in literals)
        return _Cover(share, frozenset({(name, rarest)}))
    if atom.operation == "fieldref":
        return _ALWAYS
    said = frozenset({f"{name} {atom.operation}"})
    share = SHARES.get(atom.operation, TESTED_SHARE)
    if atom.operation in TESTED or atom.field is None:
        return _Cover(share, tested=said)
    return _Cover(share, guessed=said)


def _share(literal: bytes) -> float:
    text = literal.strip(START + END).decode(errors="replace")
    # Nobody writes what is not ASCII into a command line by accident.
    length = len(text) + (0 if text.isascii() else 6)
    ends = sum(literal.startswith(each) or literal.endswith(each) for each in (START, END))
    return float(max(1e-6, 10 ** (-(length + ends) / LITERAL_DECADE)))


def _commonest(literals: frozenset[tuple[str, bytes]]) -> Iterator[str]:
    ordered = sorted(literals, key=lambda each: (-_share(each[1]), each))
    yield from (f"{name}: {_shown(text)}" for name, text in ordered[:SHOWN_MAX])


def _union(left: _Cover, right: _Cover) -> _Cover:
    if 1.0 in (left.share, right.share):
        return _ALWAYS
    return _Cover(
        left.share + right.share,
        left.literals | right.literals,
        left.tested | right.tested,
        left.guessed | right.guessed,
    )


def _shown(literal: bytes) -> str:
    """Return a literal as a person writes it: an asterisk where anything may stand."""
    text = literal.strip(START + END).decode(errors="replace")
    before = "" if literal.startswith(START) else "*"
    return f"{before}{text}{'' if literal.endswith(END) else '*'}"
