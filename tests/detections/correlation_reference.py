"""What correlations mean, computed slowly and plainly from all matches at once: the oracle."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from detections.atoms import number
from detections.correlation import Absent, Correlation, Either, Every, Expression, Present, Type
from luytre.core.cells import fold
from luytre.core.matches import Match

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Expected:
    """One episode: its rule, group, first event, how many events, when it fired first and last."""

    rule: str
    organization: str
    group: tuple[str, ...]
    first: str
    events: int
    first_fired_us: int
    last_fired_us: int


def expected(correlation: Correlation, matches: Sequence[Match]) -> set[Expected]:
    """Return every episode of a correlation in all its matches, in whatever order they are."""
    groups: dict[tuple[str, str, tuple[str, ...]], dict[str, Match]] = defaultdict(dict)
    for match in matches:
        if match.rule == correlation.card.id:
            groups[match.key][match.event_id] = match
    return {
        episode
        for group in groups.values()
        for episode in _episodes(correlation, [*group.values()])
    }


def _episodes(correlation: Correlation, matches: list[Match]) -> set[Expected]:
    ordered = sorted(matches, key=lambda match: (match.time_us, match.event_id))
    span_us = correlation.timespan_s * 1_000_000
    fired = [
        moment
        for moment in sorted({match.time_us for match in ordered})
        if _fires(correlation, [m for m in ordered if moment - span_us < m.time_us <= moment])
    ]
    runs: list[list[int]] = []
    for moment in fired:
        overlaps = runs and moment - runs[-1][-1] < span_us
        if overlaps and moment - runs[-1][0] < max(DAY_US, span_us):
            runs[-1].append(moment)
        else:
            runs.append([moment])
    found = set()
    for run in runs:
        inside = [m for m in ordered if run[0] - span_us < m.time_us <= run[-1]]
        key = inside[0].key
        found.add(Expected(*key, inside[0].event_id, len(inside), run[0], run[-1]))
    return found


def _fires(correlation: Correlation, window: list[Match]) -> bool:
    condition = correlation.condition
    if condition.expression is not None:
        present = {place for match in window for place in match.met}
        if not _true(condition.expression, present):
            return False
        wanted = sorted(_wanted(condition.expression) & present)
        return correlation.type == "temporal" or _chain(wanted, window, 0) == len(wanted)
    return any(
        all(_compare(bound.operator, measured, Fraction(bound.limit)) for bound in condition.bounds)
        for measured in _measured(correlation, window)
    )


def _measured(correlation: Correlation, window: list[Match]) -> list[Fraction]:
    match correlation.type:
        case "event_count":
            return [Fraction(len(window))]
        case "value_count":
            return [Fraction(len(set(_texts(window))))]
        case "temporal":
            return [Fraction(len({place for match in window for place in match.met}))]
        case "temporal_ordered":
            return [Fraction(_longest(len(correlation.rules), window))]
    percentile = correlation.condition.percentile
    if correlation.type == "value_percentile" and percentile is None:
        texts = _texts(window)
        newest = _texts([m for m in window if m.time_us == window[-1].time_us])
        return [Fraction(100 * texts.count(value), len(texts)) for value in newest]
    numbers = sorted(Fraction(n) for n in map(number, _texts(window)) if n is not None)
    return [_statistic(correlation.type, numbers, percentile)] if numbers else []


def _texts(window: list[Match]) -> list[str]:
    return [fold(match.value) for match in window if match.value]


def _statistic(kind: Type, numbers: list[Fraction], percentile: float | None) -> Fraction:
    match kind:
        case "value_sum":
            return sum(numbers, Fraction())
        case "value_avg":
            return sum(numbers, Fraction()) / len(numbers)
        case "value_median":
            return Fraction(statistics.median(numbers))
    assert percentile is not None
    return _percentile(numbers, percentile)


def _percentile(numbers: list[Fraction], percentile: float) -> Fraction:
    place = Fraction(percentile) / 100 * (len(numbers) - 1)
    below = int(place)
    if place == below:
        return numbers[below]
    return numbers[below] + (place - below) * (numbers[below + 1] - numbers[below])


def _longest(rules: int, window: list[Match]) -> int:
    subsets = [[r for r in range(rules) if bits >> r & 1] for bits in range(2**rules)]
    return max(len(s) for s in subsets if _chain(s, window, 0) == len(s))


def _chain(places: list[int], window: list[Match], since_us: int) -> int:
    """Return how many rules are met one after the other, each as early as it can."""
    for done, place in enumerate(places):
        times = [m.time_us for m in window if place in m.met and m.time_us >= since_us]
        if not times:
            return done
        since_us = min(times)
    return len(places)


def _compare(operator: str, measured: Fraction, limit: Fraction) -> bool:
    return {
        "gt": measured > limit,
        "gte": measured >= limit,
        "lt": measured < limit,
        "lte": measured <= limit,
        "eq": measured == limit,
        "neq": measured != limit,
    }[operator]


def _true(node: Expression, present: set[int]) -> bool:
    match node:
        case Present():
            return node.place in present
        case Every():
            return all(_true(part, present) for part in node.parts)
        case Either():
            return any(_true(part, present) for part in node.parts)
        case Absent():
            return not _true(node.part, present)


def _wanted(node: Expression, *, wanted: bool = True) -> set[int]:
    match node:
        case Present():
            return {node.place} if wanted else set()
        case Absent():
            return _wanted(node.part, wanted=not wanted)
        case Every() | Either():
            return set().union(*(_wanted(part, wanted=wanted) for part in node.parts))
