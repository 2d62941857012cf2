"""A rule's condition as a small immutable tree over atoms: plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from sigma.rule import SigmaRule

    from luytre.core.alert import RuleCard
    from luytre.core.batch import LogSource
    from luytre.core.yamlfile import Document, Place

Operation = Literal[
    "equals", "startswith", "endswith", "contains", "like", "regex", "number", "gt", "gte", "lt",
    "lte", "time", "boolean", "null", "exists", "cidr", "fieldref",
]  # fmt: skip

ANY, ONE = "*", "?"


class Atom(msgspec.Struct, frozen=True, array_like=True):
    """One condition on one field; ``field`` is None for a keyword, which may stand anywhere.

    ``pattern`` is the plain text for equals, startswith, endswith, and contains; for like it has
    ``*`` and ``?`` as wildcards and a backslash before each ``*``, ``?``, and backslash that is
    meant literally. ``flags`` are those of a regex ("ims"), how a fieldref compares, or which part
    of a time compares how ("hour gte").
    """

    field: str | None
    operation: Operation
    pattern: str = ""
    cased: bool = False
    flags: str = ""


class Leaf(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    """An atom, and the selection of the rule in which it stands."""

    atom: Atom
    selection: str


class Number(msgspec.Struct, frozen=True, array_like=True, tag="n"):
    """A leaf of a plan's tree: the atom's number in the plan's table."""

    atom: int
    selection: str


class And(msgspec.Struct, frozen=True, array_like=True, tag="&"):
    """Holds if all parts hold."""

    parts: tuple[Node, ...]


class Or(msgspec.Struct, frozen=True, array_like=True, tag="|"):
    """Holds if any part holds."""

    parts: tuple[Node, ...]


class Not(msgspec.Struct, frozen=True, array_like=True, tag="!"):
    """Holds if its part does not."""

    part: Node


Node = Leaf | Number | And | Or | Not


class LoadedRule(Protocol):
    """What loading gives for a rule that is worth compiling."""

    @property
    def card(self) -> RuleCard: ...
    @property
    def logsource(self) -> LogSource: ...
    @property
    def sigma(self) -> SigmaRule: ...
    @property
    def path(self) -> Path: ...
    @property
    def document(self) -> Document: ...


class UnsupportedRuleError(Exception):
    """A rule that cannot be expressed exactly; ``place`` is where in its document."""

    def __init__(self, place: Place, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.place, self.problem, self.remedy = place, problem, remedy


def escaped(text: str) -> str:
    """Return literal text as a pattern of ``like`` writes it."""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


def unescaped(pattern: str) -> list[str]:
    """Return a pattern of ``like`` in turns: a literal (maybe empty), a wildcard, and so on."""
    parts: list[str] = []
    literal: list[str] = []
    signs = iter(pattern)
    for sign in signs:
        if sign == "\\":
            literal.append(next(signs))
        elif sign in (ANY, ONE):
            parts += ["".join(literal), sign]
            literal = []
        else:
            literal.append(sign)
    return [*parts, "".join(literal)]
