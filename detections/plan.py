"""All rules compiled into one table of atoms and trees over it: plain data, fit for a file."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import msgspec

from detections.atoms import compile_atom
from detections.correlation import Correlation
from detections.parse import parse_rule
from detections.regex import BadRegexError
from detections.tree import (
    And,
    Atom,
    Leaf,
    LoadedRule,
    Node,
    Not,
    Number,
    Or,
    UnsupportedRuleError,
)
from luytre.core.alert import RuleCard
from luytre.core.batch import LogSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from detections.filters import LoadedFilter
    from luytre.core.errors import Fault

Written = TypeVar("Written", "LoadedRule", "LoadedFilter")


class PlannedRule(msgspec.Struct, frozen=True, array_like=True):
    """A rule, with its condition as a tree over the plan's atoms."""

    card: RuleCard
    logsource: LogSource
    condition: Node


class PlannedFilter(msgspec.Struct, frozen=True, array_like=True):
    """What hides matches of rules (by number; None for any) in the events of its log source.

    Events that were received from ``expires_us`` on, in microseconds since 1970, it does not hide.
    """

    id: str
    title: str
    version: str
    path: str
    logsource: LogSource
    rules: tuple[int, ...] | None
    condition: Node
    expires_us: int | None = None


class Plan(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """Every rule and every distinct atom. Rules, atoms, and filters are known by their place."""

    rules: tuple[PlannedRule, ...]
    atoms: tuple[Atom, ...]
    filters: tuple[PlannedFilter, ...] = ()
    correlations: tuple[Correlation, ...] = ()

    @cached_property
    def digest(self) -> str:
        """The digest of the rules: what alerts say they were judged with."""
        return hashlib.sha256(encode_plan(self)).hexdigest()

    def condition(self, rule: int) -> Node:
        """Return a rule's tree with its atoms in it."""
        return _filled(self.rules[rule].condition, self.atoms)


def build_plan(
    rules: Iterable[LoadedRule],
    filters: Iterable[LoadedFilter] = (),
    correlations: Iterable[Correlation] = (),
) -> tuple[Plan, list[Fault]]:
    """Return the plan of all that can be expressed, and a fault for each rule that cannot be.

    Filters of rules that are not there are left out; correlations are taken as they are.
    """
    table: dict[Atom, int] = {}
    faults: list[Fault] = []
    planned = [
        PlannedRule(rule.card, rule.logsource, _numbered(tree, table))
        for rule, tree in _trees(rules, faults)
    ]
    hiding = [
        PlannedFilter(
            each.id,
            each.title,
            each.version,
            str(each.path),
            each.logsource,
            None if each.references is None else _covered(each, planned),
            _numbered(tree, table),
            each.expires_us,
        )
        for each, tree in _trees(filters, faults)
    ]
    kept = tuple(each for each in hiding if each.rules != ())
    return Plan(tuple(planned), tuple(table), kept, tuple(correlations)), faults


def _trees(written: Iterable[Written], faults: list[Fault]) -> Iterator[tuple[Written, Node]]:
    for each in written:
        try:
            tree = parse_rule(each.sigma)
            _check(tree)
        except UnsupportedRuleError as error:
            faults.append(each.document.fault(error.place, error.problem, error.remedy))
        else:
            yield each, tree


def _covered(hiding: LoadedFilter, planned: Sequence[PlannedRule]) -> tuple[int, ...]:
    return tuple(n for n, rule in enumerate(planned) if rule.card.id in hiding.rules)


def encode_plan(plan: Plan) -> bytes:
    """Return a plan as MessagePack."""
    return msgspec.msgpack.encode(plan)


def decode_plan(data: bytes) -> Plan:
    """Return the plan that ``encode_plan`` wrote. Raises ``msgspec.DecodeError``."""
    return msgspec.msgpack.decode(data, type=Plan)


def _check(node: Node) -> None:
    """Refuse what does not compile while the rule's file can still be named."""
    match node:
        case And() | Or():
            for part in node.parts:
                _check(part)
        case Not():
            _check(node.part)
        case Leaf():
            try:
                compile_atom(node.atom)
            except BadRegexError as error:
                place = ("detection", node.selection)
                problem = f"the regex {node.atom.pattern!r:.200} {error}"
                raise UnsupportedRuleError(place, problem) from error


def _numbered(node: Node, table: dict[Atom, int]) -> Node:
    match node:
        case And() | Or():
            return type(node)(tuple(_numbered(part, table) for part in node.parts))
        case Not():
            return Not(_numbered(node.part, table))
        case Leaf():
            return Number(table.setdefault(node.atom, len(table)), node.selection)
    return node


def _filled(node: Node, atoms: tuple[Atom, ...]) -> Node:
    match node:
        case And() | Or():
            return type(node)(tuple(_filled(part, atoms) for part in node.parts))
        case Not():
            return Not(_filled(node.part, atoms))
        case Number():
            return Leaf(atoms[node.atom], node.selection)
    return node
