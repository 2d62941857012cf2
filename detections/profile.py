"""What rules cost on real events, by rule and by column: measured, with the engine as a black box.

A column costs what it takes to look at its values for one text that never stands there; a rule
costs what an engine of only this rule takes beyond the columns that it reads. Every engine starts
anew, because what it has learnt of values would hide what new values cost.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detections.costs import Cost, estimate
from detections.fields import fields
from detections.load import LoadedRule
from detections.match import Engine
from detections.plan import Plan, PlannedRule, build_plan
from detections.tree import Atom, Node, Number
from luytre.core.alert import RuleCard
from luytre.core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from luytre.core.batch import Batch, Part

RUNS = 2
"""Each measurement is the better of so many: other programs only ever add time."""
EVENTS_MIN = 200
"""A part with fewer shows what an engine costs to start, not what events cost."""
NEVER = "\N{SNOWMAN}luytre looks for nothing\N{SNOWMAN}"
MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True)
class PartProfile:
    """All rules together on the events of a part; ``warm_us`` is with every value known."""

    part: str
    events: int
    rules: int
    matches: int
    cold_us: float
    warm_us: float


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """A column of a part: microseconds per event for its values, whatever the rules."""

    part: str
    column: str
    rules: int
    values: int
    bytes_mean: float
    us: float


@dataclass(frozen=True, slots=True)
class RuleProfile:
    """One rule on its events; ``us`` per event is beyond its columns' cost, ``parts`` how many."""

    rule: str
    title: str
    parts: int
    events: int
    matches: int
    us: float
    estimate: Cost


@dataclass(frozen=True, slots=True)
class Profile:
    """What was measured.

    ``unmeasured`` rules had lower estimates than those that were measured; ``left`` are events of
    parts that have too few to measure anything with.
    """

    parts: tuple[PartProfile, ...]
    columns: tuple[ColumnProfile, ...]
    rules: tuple[RuleProfile, ...]
    unmeasured: int
    left: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule with its tree and what it is estimated to cost."""

    rule: LoadedRule
    tree: Node
    cost: Cost


def judged(rules: Sequence[tuple[LoadedRule, Node]]) -> list[Judged]:
    """Return rules with their estimates, the dearest first."""
    found = [Judged(rule, tree, estimate(rule.card.id, tree)) for rule, tree in rules]
    return sorted(found, key=lambda each: (-each.cost.share, -each.cost.atoms))


def profile(
    rules: Sequence[Judged],
    batches: Sequence[Batch],
    *,
    rules_max: int,
    progress: Callable[[str], None] = lambda _part: None,
) -> Profile:
    """Measure some rules on some batches.

    Of each part at most ``rules_max`` rules are measured one by one: those that match, and those
    with the highest estimates.
    """
    plan, _ = build_plan([each.rule for each in rules])
    by_part: dict[Part, list[Batch]] = defaultdict(list)
    for batch in batches:
        if batch.events.height:
            by_part[batch.part].append(batch)
    parts: list[PartProfile] = []
    columns: list[ColumnProfile] = []
    measured: dict[str, list[RuleProfile]] = defaultdict(list)
    seen: set[str] = set()
    left = 0
    for part, own in by_part.items():
        mine = [each for each in rules if _covers(each.rule, part)]
        events = sum(batch.events.height for batch in own)
        if events < EVENTS_MIN or not mine:
            left += events if mine else 0
            continue
        progress(part.name)
        seen.update(each.rule.card.id for each in mine)
        whole, matches = _whole(plan, part, own, len(mine))
        parts.append(whole)
        found = _columns(part, own, mine)
        columns += found.values()
        chosen = sorted(mine, key=lambda each: not matches[each.rule.card.id])[:rules_max]
        for each in chosen:
            measured[each.rule.card.id].append(_rule(each, part, own, found, matches))
    return Profile(
        tuple(sorted(parts, key=lambda each: -each.cold_us * each.events)),
        tuple(sorted(columns, key=lambda each: -each.us * _events(by_part, each.part))),
        tuple(sorted(map(_summed, measured.values()), key=lambda each: -each.us * each.events)),
        len(seen - measured.keys()),
        left,
    )


def _summed(found: Sequence[RuleProfile]) -> RuleProfile:
    """Return what a rule costs over all its parts."""
    events = sum(each.events for each in found)
    return RuleProfile(
        found[0].rule,
        found[0].title,
        len(found),
        events,
        sum(each.matches for each in found),
        sum(each.us * each.events for each in found) / events,
        found[0].estimate,
    )


def _events(by_part: dict[Part, list[Batch]], name: str) -> int:
    return sum(b.events.height for part, own in by_part.items() if part.name == name for b in own)


def _covers(rule: LoadedRule, part: Part) -> bool:
    return any(rule.logsource.covers(source) for source in part.logsources)


def _whole(
    plan: Plan, part: Part, batches: Sequence[Batch], rules: int
) -> tuple[PartProfile, Counter[str]]:
    events = sum(batch.events.height for batch in batches)
    engine = Engine(plan, SystemClock())
    cold_s = _timed(engine, batches)
    matches = Counter(
        plan.rules[rule].card.id for batch in batches for _, rule in engine.hits(batch)
    )
    warm_s = min(_timed(engine, batches) for _ in range(RUNS))
    per_us = MICROSECONDS / events
    return PartProfile(
        part.name, events, rules, matches.total(), cold_s * per_us, warm_s * per_us
    ), matches


def _columns(
    part: Part, batches: Sequence[Batch], rules: Sequence[Judged]
) -> dict[str, ColumnProfile]:
    """Return what each column costs that a rule reads and an event has."""
    readers: Counter[str] = Counter()
    for each in rules:
        readers.update({part.column(field) for field in fields(each.tree)})
    found = {}
    for column, count in readers.items():
        cells = [
            cell
            for batch in batches
            if column in batch.events.columns
            for cell in batch.events[column].drop_nulls().cast(str).to_list()
        ]
        if cells:
            found[column] = ColumnProfile(
                part.name,
                column,
                count,
                len(set(cells)),
                sum(len(cell.encode(errors="surrogatepass")) for cell in cells) / len(cells),
                _alone(_never(part, column), batches),
            )
    return found


def _never(part: Part, column: str) -> Plan:
    """Return a plan of one rule that looks for a text in a column which never stands there."""
    card = RuleCard("never", "never", "low", "0")
    rule = PlannedRule(card, part.logsources[0], Number(0, "s"))
    return Plan((rule,), (Atom(column, "contains", NEVER),))


def _rule(
    each: Judged,
    part: Part,
    batches: Sequence[Batch],
    columns: dict[str, ColumnProfile],
    matches: Counter[str],
) -> RuleProfile:
    plan, _ = build_plan([each.rule])
    read = {part.column(field) for field in fields(each.tree)}
    known_us = sum(columns[column].us for column in read if column in columns)
    return RuleProfile(
        each.rule.card.id,
        each.rule.card.title,
        1,
        sum(batch.events.height for batch in batches),
        matches[each.rule.card.id],
        max(0.0, _alone(plan, batches) - known_us),
        each.cost,
    )


def _alone(plan: Plan, batches: Sequence[Batch]) -> float:
    """Return microseconds per event of an engine that starts anew."""
    events = sum(batch.events.height for batch in batches)
    took_s = min(_timed(Engine(plan, SystemClock()), batches) for _ in range(RUNS))
    return took_s * MICROSECONDS / events


def _timed(engine: Engine, batches: Sequence[Batch]) -> float:
    """Return seconds of CPU; that an engine makes its program for a part is not counted."""
    engine.hits(batches[0].with_events(batches[0].events[:1]))
    started = time.process_time()
    for batch in batches:
        engine.hits(batch)
    return time.process_time() - started
