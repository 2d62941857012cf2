"""What two plans find differently: both without the rules that find the same in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from detections.correlation_resolve import muted
from detections.plan import Plan, PlannedFilter, PlannedRule
from detections.scope import atoms_of
from detections.tree import And, Node, Not, Number, Or
from luytre.core.alert import RuleCard

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping


def differing(before: Plan, after: Plan) -> tuple[Plan, Plan]:
    """Return the plans of all that finds other alerts in the one than in the other.

    A rule is the same if its condition, log source, level, and filters are, and if correlations
    want the same of it. With a correlation that differs stay the rules that it rests on.
    """
    mine, theirs = _facts(before), _facts(after)
    wanted = {known for known in {*mine, *theirs} if mine.get(known) != theirs.get(known)}
    correlations = [*before.correlations, *after.correlations]
    # Those above a rule that differs differ too, and need all that they rest on.
    while (
        more := {
            name
            for each in correlations
            if each.card.id in wanted or wanted & set(each.rules)
            for name in (each.card.id, *each.rules)
        }
        - wanted
    ):
        wanted |= more
    return narrowed(before, wanted), narrowed(after, wanted)


def narrowed(plan: Plan, wanted: set[str]) -> Plan:
    """Return the plan of some rules and correlations, by id, and the filters about them."""
    numbers = [n for n, rule in enumerate(plan.rules) if rule.card.id in wanted]
    moved = {number: at for at, number in enumerate(numbers)}
    filters = [
        msgspec.structs.replace(each, rules=_moved(each, moved))
        for each in plan.filters
        if each.rules is None or any(rule in moved for rule in each.rules)
    ]
    rules = [plan.rules[number] for number in numbers]
    used = sorted(_atoms([*rules, *filters]))
    at = {number: place for place, number in enumerate(used)}
    return Plan(
        tuple(msgspec.structs.replace(r, condition=_renumbered(r.condition, at)) for r in rules),
        tuple(plan.atoms[number] for number in used),
        tuple(msgspec.structs.replace(f, condition=_renumbered(f.condition, at)) for f in filters),
        tuple(each for each in plan.correlations if each.card.id in wanted),
    )


def _moved(each: PlannedFilter, moved: Mapping[int, int]) -> tuple[int, ...] | None:
    return None if each.rules is None else tuple(moved[n] for n in each.rules if n in moved)


def _facts(plan: Plan) -> dict[str, Hashable]:
    """Return what decides what a rule or a correlation finds, by id."""
    quiet = muted(plan.correlations)
    facts: dict[str, Hashable] = {}
    for number, rule in enumerate(plan.rules):
        hiding = frozenset(
            (each.id, each.logsource, each.expires_us, _filled(each.condition, plan))
            for each in plan.filters
            if each.rules is None or number in each.rules
        )
        condition = _filled(rule.condition, plan)
        mute = rule.card.id in quiet
        facts[rule.card.id] = (rule.logsource, rule.card.level, condition, hiding, mute)
    for correlation in plan.correlations:
        card = RuleCard(correlation.card.id, "", correlation.card.level, "")
        bare = msgspec.structs.replace(correlation, card=card, lines=())
        facts[card.id] = msgspec.msgpack.encode(bare)
    return facts


def _filled(node: Node, plan: Plan) -> Hashable:
    """Return a tree with its atoms in it, and without the names of its searches."""
    match node:
        case And() | Or():
            return (type(node).__name__, *(_filled(part, plan) for part in node.parts))
        case Not():
            return ("Not", _filled(node.part, plan))
        case Number():
            return plan.atoms[node.atom]
    return node


def _atoms(planned: Iterable[PlannedRule | PlannedFilter]) -> set[int]:
    return {number for each in planned for number in atoms_of(each.condition)}


def _renumbered(node: Node, at: Mapping[int, int]) -> Node:
    match node:
        case And() | Or():
            return type(node)(tuple(_renumbered(part, at) for part in node.parts))
        case Not():
            return Not(_renumbered(node.part, at))
        case Number():
            return Number(at[node.atom], node.selection)
    return node
