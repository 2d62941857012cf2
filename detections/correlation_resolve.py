"""Correlations tied to the rules they name, and every fault of those that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from detections.correlation import Correlation
from luytre.core.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from luytre.core.alert import RuleCard

DEPTH_MAX = 8
"""Correlations of correlations of correlations ..."""


class Named(Protocol):
    """What is known of a pySigma rule here."""

    @property
    def name(self) -> str | None: ...


class Rule(Protocol):
    """A loaded rule: ``detections.load.LoadedRule``."""

    @property
    def card(self) -> RuleCard: ...
    @property
    def sigma(self) -> Named: ...


def resolve(
    correlations: Sequence[Correlation], rules: Iterable[Rule]
) -> tuple[list[Correlation], list[Fault]]:
    """Return the correlations that can run, those that others rest on first, and every fault.

    A correlation falls if it names a rule that is not there, two that share the name, or itself
    by any way round; and with it those above. Fields that a correlation reads of another's events
    are handed down to it, and results that only serve correlations above make no alerts.
    """
    tied, faults = _tied(correlations, rules)
    ordered, more = _ordered(tied)
    carried = _carried(ordered)
    quiet = muted(ordered)
    resolved = [
        msgspec.structs.replace(
            correlation,
            carried=tuple(sorted(carried[correlation.card.id])),
            alerts=correlation.card.id not in quiet,
        )
        for correlation in ordered
    ]
    return resolved, [*faults, *more]


def muted(correlations: Iterable[Correlation]) -> frozenset[str]:
    """Return the ids of rules that only serve correlations and make no alerts of their own.

    Those that some correlation names and none that names them says "generate: true".
    """
    named: dict[str, bool] = {}
    for correlation in correlations:
        for rule in correlation.rules:
            named[rule] = named.get(rule, False) or correlation.generate
    return frozenset(rule for rule, generate in named.items() if not generate)


def _tied(
    correlations: Sequence[Correlation], rules: Iterable[Rule]
) -> tuple[dict[str, Correlation], list[Fault]]:
    """Return the correlations by id, their references as ids."""
    names = [(rule.card.id, rule.sigma.name) for rule in rules]
    names += [(correlation.card.id, correlation.name) for correlation in correlations]
    known: dict[str, set[str]] = {}
    for rule_id, name in names:
        for reference in {rule_id, name or rule_id}:
            known.setdefault(reference, set()).add(rule_id)
    wide = {c.card.id for c in correlations if c.province_wide}
    tied: dict[str, Correlation] = {}
    faults: list[Fault] = []
    for correlation in correlations:
        ids, problems = _ids(correlation, known)
        if not correlation.province_wide and wide & set(ids.values()):
            what = "rests on a correlation across organisations and is none itself"
            problems.append(_fault(correlation, 0, what, "write luytre: {scope: province}"))
        faults += problems
        if not problems:
            tied[correlation.card.id] = _with_ids(correlation, ids)
    fallen = {c.card.id for c in correlations} - tied.keys()
    return tied, faults + _without(tied, fallen)


def _ids(
    correlation: Correlation, known: dict[str, set[str]]
) -> tuple[dict[str, str], list[Fault]]:
    """Return the id that each reference of a correlation means, and what is wrong with them."""
    ids: dict[str, str] = {}
    faults = []
    for place, reference in enumerate(correlation.rules):
        found = sorted(known.get(reference, ()))
        if len(found) == 1:
            ids[reference] = found[0]
            continue
        what = f"is the name of {len(found)} rules" if found else "is no rule here"
        remedy = "use the rule's id" if found else "install the rule, or mend the name"
        faults.append(_fault(correlation, place, f'"{reference:.128}" {what}', remedy))
    if len(set(ids.values())) < len(ids):
        faults.append(_fault(correlation, 0, "two references mean the same rule"))
    return ids, faults


def _with_ids(correlation: Correlation, ids: dict[str, str]) -> Correlation:
    aliases = {
        name: {ids[rule]: field for rule, field in fields.items()}
        for name, fields in correlation.aliases.items()
    }
    rules = tuple(ids[reference] for reference in correlation.rules)
    return msgspec.structs.replace(correlation, rules=rules, aliases=aliases)


def _without(tied: dict[str, Correlation], fallen: set[str]) -> list[Fault]:
    """Take out what rests on correlations that fell, and what rests on that."""
    faults: list[Fault] = []
    while True:
        lost = [c for c in tied.values() if fallen & set(c.rules)]
        if not lost:
            return faults
        for correlation in lost:
            place = next(n for n, rule in enumerate(correlation.rules) if rule in fallen)
            faults.append(_fault(correlation, place, "the correlation it rests on has faults"))
            fallen.add(correlation.card.id)
            del tied[correlation.card.id]


def _ordered(tied: dict[str, Correlation]) -> tuple[list[Correlation], list[Fault]]:
    """Return the correlations, each after those it rests on; what goes in circles is left out."""
    left, ordered = dict(tied), list[Correlation]()
    for _ in range(DEPTH_MAX):
        ready = [c for c in left.values() if not left.keys() & set(c.rules)]
        ordered += ready
        for correlation in ready:
            del left[correlation.card.id]
    problem = f"the correlations go in a circle, or deeper than {DEPTH_MAX}"
    faults = []
    for correlation in left.values():
        place = next(n for n, rule in enumerate(correlation.rules) if rule in left)
        faults.append(_fault(correlation, place, problem, "let each rest on simpler rules only"))
    return ordered, faults


def _carried(ordered: Sequence[Correlation]) -> dict[str, set[str]]:
    """Return which fields each correlation must keep of its events for those above."""
    carried: dict[str, set[str]] = {c.card.id: set() for c in ordered}
    for correlation in reversed(ordered):
        mine = tuple(sorted(carried[correlation.card.id]))
        full = msgspec.structs.replace(correlation, carried=mine)
        for rule in correlation.rules:
            if rule in carried:
                carried[rule] |= set(full.fields_of(rule))
    return carried


def _fault(correlation: Correlation, place: int, problem: str, remedy: str = "") -> Fault:
    line = correlation.lines[place] if place < len(correlation.lines) else 1
    return Fault(Path(correlation.card.path), line, problem, remedy)
