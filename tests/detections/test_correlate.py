"""The correlator gives what the plain reference gives, whatever the order of arrival."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pytest

from detections.correlate import Correlator, Found, Lateness
from detections.correlation import Bound, Condition, Correlation, Operator, Type
from detections.correlation_condition import parse_expression
from luytre.core.alert import Alert, RuleCard
from luytre.core.clock import ManualClock
from luytre.core.matches import Match
from tests.detections import correlation_reference
from tests.detections.correlation_reference import Expected

S = 1_000_000
NOON = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()) * S
HEARD = NOON + 400 * 86_400 * S
RULES = ("a", "b", "c")


def correlation(
    kind: Type,
    *bounds: tuple[Operator, float],
    timespan_s: int = 60,
    percentile: float | None = None,
    expression: str = "",
    name: str = "c1",
) -> Correlation:
    condition = Condition(
        "",
        tuple(Bound(operator, limit) for operator, limit in bounds),
        ("F",) if kind.startswith("value") else (),
        percentile,
        parse_expression(expression, RULES) if expression else None,
    )
    card = RuleCard(name, name, "high", "v1")
    return Correlation(card, name, kind, RULES, ("User",), timespan_s, condition)


def match(
    second: float,
    event: str,
    met: Sequence[int] = (0,),
    *,
    group: str = "u",
    stream: str = "s/1",
    value: str = "",
) -> Match:
    time_us = NOON + int(second * S)
    return Match("c1", "org", (group,), event, time_us, time_us, stream, tuple(met), value)


def current(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """Return what a store shows: of each episode the newest document, if it still holds."""
    newest: dict[str, Alert] = {}
    ids: dict[str, Alert] = {}
    for alert in alerts:
        known = ids.setdefault(alert.id, alert)
        if known is alert and alert.revision >= newest.get(alert.episode, alert).revision:
            newest[alert.episode] = alert
    return {episode: alert for episode, alert in newest.items() if not alert.withdrawn}


def summary(alerts: Iterable[Alert]) -> set[Expected]:
    return {
        Expected(
            rule=alert.rule.id,
            organization=alert.organization_id,
            group=(alert.event["User"],),
            first=alert.event_id,
            events=int(alert.event["luytre.correlation.events"]),
            first_fired_us=_us(alert.event["luytre.correlation.first_fired"]),
            last_fired_us=_us(alert.event["luytre.correlation.last_fired"]),
        )
        for alert in current(alerts).values()
    }


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * S)


def run(
    correlator: Correlator, batches: Iterable[Sequence[Match]], *, expire_every: int = 0
) -> Found:
    found = Found([], [])
    for number, batch in enumerate(batches):
        found.add(correlator.take(batch, HEARD, offset=number))
        if expire_every and number % expire_every == 0:
            found.add(correlator.expire())
    found.add(correlator.flush())
    return found


CASES = [
    pytest.param(correlation("event_count", ("gte", 4)), id="event_count gte"),
    pytest.param(correlation("event_count", ("gt", 2), ("lte", 4)), id="event_count in a range"),
    pytest.param(correlation("event_count", ("lt", 3)), id="event_count lt"),
    pytest.param(correlation("event_count", ("eq", 3)), id="event_count eq"),
    pytest.param(correlation("event_count", ("neq", 2)), id="event_count neq"),
    pytest.param(correlation("value_count", ("gte", 3)), id="value_count"),
    pytest.param(correlation("value_count", ("lte", 1)), id="value_count lte"),
    pytest.param(correlation("temporal", ("gte", 3)), id="temporal"),
    pytest.param(correlation("temporal", ("eq", 2)), id="temporal eq"),
    pytest.param(correlation("temporal", expression="a and not (b or c)"), id="temporal with not"),
    pytest.param(correlation("temporal_ordered", ("gte", 3)), id="temporal_ordered"),
    pytest.param(correlation("temporal_ordered", ("gte", 2)), id="temporal_ordered, two of three"),
    pytest.param(
        correlation("temporal_ordered", expression="a and (b or c)"), id="temporal_ordered or"
    ),
    pytest.param(correlation("value_sum", ("gt", 12.5)), id="value_sum"),
    pytest.param(correlation("value_avg", ("gte", 4)), id="value_avg"),
    pytest.param(correlation("value_percentile", ("gt", 5), percentile=90), id="percentile 90"),
    pytest.param(correlation("value_percentile", ("lte", 25)), id="percentile as a share"),
    pytest.param(correlation("value_median", ("gte", 4.5)), id="value_median"),
]


def log(seed: int, streams: int = 3) -> list[Match]:
    """Return a log in order: bursts and pauses, ties, three users, several sources."""
    dice = random.Random(seed)
    second, found = 0.0, []
    for number in range(60):
        second += dice.choice([0, 0, 1, 5, 20, 59, 60, 61, 200])
        found.append(
            match(
                second,
                f"e{dice.random()}",
                sorted(dice.sample(range(3), dice.choice([1, 1, 1, 2]))),
                group=dice.choice("uuv"),
                stream=f"s/{number % streams}",
                value=dice.choice(["", "1", "2.5", "7", "x", "X", "0x0a"]),
            )
        )
    return found


def arrivals(matches: list[Match], dice: random.Random, late_s: float) -> list[list[Match]]:
    """Return the log as it may arrive: late within each stream, streams apart, twice, in pieces."""
    streams = {match.stream for match in matches}
    # A stream may be far behind or ahead of the others, and events within it are disordered.
    behind = {stream: dice.choice([0, 0, 10_000]) for stream in streams}
    at: dict[str, float] = {
        m.event_id: m.time_us + behind[m.stream] * S + dice.uniform(0, late_s * S) for m in matches
    }
    # Who was never heard of cannot be waited for: every stream says something first.
    at |= {next(m.event_id for m in matches if m.stream == stream): 0 for stream in streams}
    arrived = sorted(matches, key=lambda m: at[m.event_id])
    for again in dice.sample(arrived, 10):
        place = arrived.index(again)
        arrived.insert(dice.randint(place, min(len(arrived), place + 5)), again)
    batches: list[list[Match]] = [[]]
    for found in arrived:
        batches[-1].append(found)
        if dice.random() < 0.4:
            batches.append([])
    return batches


@pytest.mark.parametrize("rule", CASES)
@pytest.mark.parametrize("late_s", [pytest.param(0, id="no delay"), pytest.param(300, id="late")])
def test_any_arrival_gives_what_the_reference_gives(rule: Correlation, late_s: int) -> None:
    for seed in range(30):
        dice = random.Random(seed)
        matches = log(seed)
        correlator = Correlator([rule], ManualClock(), Lateness(default_s=late_s))

        found = run(
            correlator, arrivals(matches, dice, late_s), expire_every=dice.choice([0, 1, 4])
        )

        assert summary(found.alerts) == correlation_reference.expected(rule, matches), seed
