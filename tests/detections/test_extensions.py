"""What goes beyond Sigma: first seen, rare, spike, and silence mean what they say, in any order."""

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction

import msgspec
import pytest

from detections.correlate import CorrelationLimits, Correlator, Found, Lateness
from detections.correlation import Correlation, Extension, ExtensionKind
from luytre.core.alert import Alert
from luytre.core.clock import ManualClock
from luytre.core.matches import Match
from luytre.processor.correlate_once import correlate_once
from tests.detections.test_correlate import NOON, S, arrivals, correlation, current, match, run

HOUR, DAY = 3_600, 86_400


def first_seen(learning_s: int = HOUR, timespan_s: int = DAY) -> Correlation:
    rule = correlation("value_count", ("gte", 2), timespan_s=timespan_s)
    return extended(rule, "first_seen", learning_s=learning_s, at_most=1)


def rare(at_most: int = 2) -> Correlation:
    rule = correlation("value_percentile", ("lte", 1), timespan_s=DAY)
    return extended(rule, "rare", learning_s=HOUR, at_most=at_most)


def spike(least: int = 5, factor: float = 3) -> Correlation:
    rule = correlation("event_count", ("gte", least), timespan_s=600)
    return extended(rule, "spike", learning_s=HOUR, baseline_s=6 * HOUR, factor=factor)


def silence(timespan_s: int = 600) -> Correlation:
    return extended(correlation("event_count", ("lt", 1), timespan_s=timespan_s), "silence")


def extended(rule: Correlation, kind: ExtensionKind, **values: float) -> Correlation:
    return msgspec.structs.replace(rule, extension=Extension(kind, **values))  # type: ignore[arg-type]


def once(rule: Correlation, matches: Sequence[Match]) -> list[Alert]:
    return correlate_once([rule], matches, ManualClock(datetime(2027, 1, 1, tzinfo=UTC)))


def logon(second: float, value: str, user: str = "u") -> Match:
    return match(second, f"{user}{second}", value=value, group=user)


HABIT = [logon(n * 600, "VN") for n in range(20)]
"""Somebody logs on from home, every ten minutes."""


def test_a_country_first_seen_is_an_alert_that_names_it() -> None:
    (alert,) = once(first_seen(), [*HABIT, logon(9_001, "RU")])

    assert alert.event["luytre.correlation.values"] == "RU"
    assert alert.event["luytre.correlation.extension"] == "first_seen"
    assert alert.events == ("u9001",)


@pytest.mark.parametrize(
    "matches",
    [
        pytest.param(HABIT, id="nothing new"),
        pytest.param([*HABIT, logon(9_001, "vn")], id="case does not count"),
        pytest.param([*HABIT, logon(9_001, "")], id="no country"),
        pytest.param([logon(0, "VN"), logon(60, "RU")], id="still learning"),
        pytest.param([*HABIT, logon(9_001, "RU", "other")], id="a user who is new himself"),
        pytest.param([*HABIT, logon(60, "RU"), logon(9_001, "RU")], id="seen while it learned"),
    ],
)
def test_what_is_not_new_is_no_alert(matches: list[Match]) -> None:
    assert once(first_seen(), matches) == []


def test_what_was_not_seen_for_the_timespan_is_new_again() -> None:
    matches = [logon(n * HOUR, "VN") for n in range(60)]
    matches += [logon(10 * HOUR + 1, "RU"), logon(20 * HOUR + 1, "RU"), logon(50 * HOUR + 1, "RU")]

    found = once(first_seen(), matches)

    assert {alert.event_id for alert in found} == {f"u{10 * HOUR + 1}", f"u{50 * HOUR + 1}"}


def test_two_new_values_are_two_alerts() -> None:
    found = once(first_seen(), [*HABIT, logon(9_001, "RU"), logon(9_002, "CN")])

    values = {alert.event["luytre.correlation.values"] for alert in found}
    assert values == {"RU", "CN"}


def test_a_late_match_takes_a_first_seen_back() -> None:
    made = Correlator([first_seen()], ManualClock(), Lateness())
    found = run(made, [[*HABIT, logon(9_001, "RU")]])
    assert len(current(found.alerts)) == 1

    found.add(run(made, [[logon(8_990, "RU", "u")]]))

    (alert,) = current(found.alerts).values()
    assert alert.event_id == "u8990"


def test_rare_is_at_most_so_often() -> None:
    often = [logon(9_001 + n, "RU") for n in range(5)]

    found = once(rare(at_most=2), [*HABIT, *often])

    assert sorted(alert.event_id for alert in found) == ["u9001", "u9002"]


def test_a_spike_is_measured_against_the_own_mean() -> None:
    calm = [match(n * 600, f"c{n}") for n in range(40)]  # one in ten minutes
    busy = [match(n * 60, f"b{n}", group="v") for n in range(400)]  # ten in ten minutes
    burst = [match(24_001 + n, f"{user}{n}", group=user) for user in "uv" for n in range(8)]

    found = once(spike(), [*calm, *busy, *burst])

    assert [alert.event["User"] for alert in found] == ["u"]
    assert int(found[0].event["luytre.correlation.measured"]) >= 8


def test_a_group_without_history_has_no_spike() -> None:
    assert once(spike(), [match(n, f"e{n}") for n in range(100)]) == []


def test_silence_is_a_gap_and_says_how_long() -> None:
    found = once(silence(), [match(n, f"e{n}") for n in (0, 60, 1_000, 1_030)])

    (alert,) = found
    assert alert.events == ("e60", "e1000")
    assert alert.event["luytre.correlation.measured"] == "940"


def test_a_late_match_fills_a_gap() -> None:
    made = Correlator([silence()], ManualClock(), Lateness())
    found = run(made, [[match(0, "e0"), match(1_000, "e1")]])
    assert len(current(found.alerts)) == 1

    found.add(run(made, [[match(500, "late")]]))

    assert current(found.alerts) == {}


def test_who_stops_for_good_is_told_by_the_others() -> None:
    alive = [match(n * 60, f"a{n}", group="v", stream="s/2") for n in range(40)]

    (alert,) = once(silence(), [match(0, "e0"), match(60, "e1"), *alive])

    assert alert.event["User"] == "u"
    assert alert.events == ("e1",)


def test_where_all_stop_the_clock_of_the_machine_counts_and_the_log_keeps_it() -> None:
    made = Correlator([silence()], ManualClock(), Lateness())
    heard_us = NOON + 60 * S
    found = made.take([match(0, "e0"), match(60, "e1")], heard_us)

    early = made.ticks(heard_us + 1_400 * S, idle=True)
    busy = made.ticks(heard_us + 9_000 * S, idle=False)
    ticks = made.ticks(heard_us + 1_600 * S, idle=True)
    again = made.ticks(heard_us + 1_700 * S, idle=True)
    found.add(made.take(ticks, heard_us + 1_600 * S))

    assert (early, busy, again) == ([], [], [])
    (alert,) = current(found.alerts).values()
    assert alert.events == ("e1",)
    replayed = Correlator([silence()], ManualClock(), Lateness())
    repeated = run(replayed, [[match(0, "e0"), match(60, "e1")], ticks])
    assert [*current(repeated.alerts)] == [alert.episode]


def test_a_silence_that_ends_says_so() -> None:
    made = Correlator([silence()], ManualClock(), Lateness())
    found = made.take([match(0, "e0")], NOON)
    found.add(made.take(made.ticks(NOON + 5_000 * S, idle=True), NOON + 5_000 * S))
    (open_alert,) = current(found.alerts).values()

    found.add(made.take([match(6_000, "e1")], NOON + 6_000 * S))

    (ended,) = current(found.alerts).values()
    assert ended.episode == open_alert.episode
    assert ended.event["luytre.correlation.measured"] == "6000"


def fired(rule: Correlation, matches: Sequence[Match]) -> set[str]:
    """Return the events at which a rule fires first, by its definition and nothing else."""
    assert rule.extension is not None
    groups: dict[tuple[str, ...], list[Match]] = {}
    for found in sorted(matches, key=lambda m: (m.time_us, m.event_id)):
        groups.setdefault(found.group, []).append(found)
    ask = {"silence": _silent, "spike": _spiked}.get(rule.extension.kind, _rare)
    return {event for group in groups.values() for event in ask(rule, group)}


def _rare(rule: Correlation, group: list[Match]) -> set[str]:
    assert rule.extension is not None
    found = set()
    for moment in {m.time_us for m in group}:
        window = [m for m in group if moment - rule.timespan_s * S < m.time_us <= moment]
        now = [m for m in window if m.time_us == moment]
        values = {m.value.lower() for m in now if m.value}
        before = [
            1 + sum(m.value.lower() == v and m.time_us < moment for m in window) for v in values
        ]
        if window[0].time_us <= moment - rule.extension.learning_s * S and any(
            n <= rule.extension.at_most for n in before
        ):
            found.add(now[0].event_id)
    return found


def _spiked(rule: Correlation, group: list[Match]) -> set[str]:
    extension, span_us = rule.extension, rule.timespan_s * S
    assert extension is not None
    moments = []
    for moment in sorted({m.time_us for m in group}):
        end = moment - span_us
        count = sum(end < m.time_us <= moment for m in group)
        base = [m for m in group if end - extension.baseline_s * S < m.time_us <= end]
        known = end - base[0].time_us if base else 0
        if count >= rule.condition.bounds[0].limit and known >= extension.learning_s * S:
            usual = Fraction(len(base) * span_us, known)
            if count >= Fraction(extension.factor) * usual:
                moments.append(moment)
    starts = [m for n, m in enumerate(moments) if n == 0 or m - moments[n - 1] >= span_us]
    return {next(m for m in group if m.time_us > start - span_us).event_id for start in starts}


def _silent(rule: Correlation, group: list[Match]) -> set[str]:
    return {
        a.event_id
        for a, b in itertools.pairwise(group)
        if b.time_us - a.time_us >= rule.timespan_s * S
    }


def log(seed: int) -> list[Match]:
    dice = random.Random(seed)
    second, found = 0.0, []
    for number in range(250):
        second += dice.choice([0, 1, 5, 20, 60, 300, 600, 601]) * dice.choice([1, 1, 1, 0.02])
        found.append(
            match(
                round(second),
                f"e{dice.random()}",
                group=dice.choice("uuv"),
                stream=f"s/{number % 3}",
                value=dice.choice(["a"] * 12 + ["b"] * 4 + ["c", "D", "d", "e", ""]),
            )
        )
    return found


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(first_seen(timespan_s=3 * HOUR), id="first_seen"),
        pytest.param(rare(), id="rare"),
        pytest.param(spike(least=4, factor=1.5), id="spike"),
        pytest.param(silence(400), id="silence"),
    ],
)
@pytest.mark.parametrize("late_s", [pytest.param(0, id="no delay"), pytest.param(300, id="late")])
def test_any_arrival_gives_what_the_definition_gives(rule: Correlation, late_s: int) -> None:
    firing = 0
    for seed in range(15):
        dice = random.Random(seed)
        matches = log(seed)
        made = Correlator([rule], ManualClock(), Lateness(default_s=late_s))

        found = run(made, arrivals(matches, dice, late_s), expire_every=dice.choice([0, 1, 4]))

        shown = {alert.event_id for alert in current(found.alerts).values()}
        assert shown == fired(rule, matches), seed
        firing += len(shown)
    assert firing > 15


def test_what_is_remembered_is_bounded() -> None:
    limits = CorrelationLimits(matches_of_group_max=1_000)
    made = Correlator([first_seen()], ManualClock(), Lateness(), limits)
    found = Found([], [])

    for start in range(0, 60_000, 1_000):
        batch = [match(n / 100, f"e{n}", value=f"v{n}") for n in range(start, start + 1_000)]
        found.add(made.take(batch, NOON + 10**12))
        assert made.held <= 1_000
    assert made.counts.folded > 0
