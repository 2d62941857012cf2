"""What a late match changes, what is bounded, and how results of correlations re-enter."""

import random
from collections.abc import Iterable, Sequence

import pytest

from detections.correlate import CorrelationLimits, Correlator, Found, Lateness
from detections.correlation import Bound, Condition, Correlation
from luytre.core.alert import Alert, RuleCard, decode_alert, encode_alert
from luytre.core.clock import ManualClock
from luytre.core.matches import Match
from tests.detections.test_correlate import HEARD, NOON, S, correlation, current, match

COUNT_3 = correlation("event_count", ("gte", 3))


def correlator(*rules: Correlation, limits: CorrelationLimits | None = None) -> Correlator:
    return Correlator(rules or [COUNT_3], ManualClock(), Lateness(default_s=600), limits)


def take(made: Correlator, *matches: Match, silent: bool = False) -> list[Alert]:
    return made.take(matches, HEARD, silent=silent).alerts


def test_an_alert_says_what_happened() -> None:
    (alert,) = take(correlator(), *(match(n, f"e{n}") for n in range(3)))

    assert alert.event_id == "e0"
    assert alert.events == ("e0", "e1", "e2")
    assert alert.event["User"] == "u"
    assert alert.event["luytre.correlation.measured"] == "3"
    assert [reason.value for reason in alert.reasons] == ["3", "e0", "e1", "e2"]
    assert decode_alert(encode_alert(alert)) == alert


def test_a_late_match_before_the_first_renames_the_episode() -> None:
    made = correlator()
    (before,) = take(made, *(match(n, f"e{n}") for n in range(10, 13)))

    after, gone = take(made, match(5, "late"))

    assert gone.episode == before.episode
    assert gone.withdrawn
    assert gone.revision > before.revision
    assert after.supersedes == (before.episode,)
    assert after.events == ("late", "e10", "e11", "e12")
    assert [*current([before, after, gone])] == [after.episode]


def test_a_late_match_joins_two_episodes() -> None:
    made = correlator()
    times = [0, 1, 2, 100, 101, 102]
    first, second = take(made, *(match(t, f"e{t}") for t in times))

    (joined, gone) = take(made, match(50, "late1"), match(51, "late2"))

    assert joined.episode == first.episode
    assert joined.supersedes == (second.episode,)
    assert (gone.episode, gone.withdrawn) == (second.episode, True)
    assert len(joined.events) == 8


def test_a_late_match_takes_an_alert_back() -> None:
    made = correlator(correlation("temporal", expression="a and not (b or c)"))
    (alert,) = take(made, match(10, "e1", (0,)))

    (gone,) = take(made, match(5, "e0", (1,)))

    assert gone.withdrawn
    assert not current([alert, gone])


def test_growth_is_sent_when_doubled_and_with_the_flush() -> None:
    made = correlator()

    sent = [len(take(made, match(n, f"e{n}"))) for n in range(20)]
    rest = made.flush().alerts

    assert [n for n, count in enumerate(sent) if count] == [2, 5, 11]
    assert [alert.event["luytre.correlation.events"] for alert in rest] == ["20"]
    assert made.flush().alerts == []


def test_what_is_too_late_is_counted() -> None:
    made = correlator()
    take(made, *(match(n * 100, f"e{n}") for n in range(30)))
    made.expire()

    take(made, match(0, "late"), match(2900, "again"))

    assert made.counts.late == 1


def test_a_clock_in_the_future_makes_nothing_late() -> None:
    made = correlator()
    made.take([match(10 * 366 * 86_400, "future")], NOON)
    made.expire()

    alerts = made.take([match(n, f"e{n}") for n in range(3)], NOON + 5 * S).alerts

    assert made.counts.late == 0
    assert len(alerts) == 1


def test_an_office_that_comes_back_is_correlated() -> None:
    made = correlator()
    take(made, *(match(n * 1_000, f"e{n}") for n in range(30)))
    made.expire()

    alerts = take(made, *(match(n, f"old{n}", stream="office/1") for n in range(3)))

    assert [alert.events for alert in alerts] == [("old0", "old1", "old2")]
    assert made.counts.late == 0


def test_an_attack_of_three_days_is_an_alert_a_day() -> None:
    made = correlator()
    found = [a for n in range(3 * 4_320) for a in take(made, match(n * 20, f"e{n}"))]
    found += made.expire().alerts + made.flush().alerts

    assert [a.event["luytre.correlation.events"] for a in current(found).values()] == [
        "4322",
        "4322",
        "4320",
    ]


def test_a_storm_is_folded_and_says_so() -> None:
    made = correlator(limits=CorrelationLimits(matches_of_group_max=100))
    found = [a for n in range(5_000) for a in take(made, match(n / 100, f"e{n}"))]
    found += made.flush().alerts

    (alert,) = current(found).values()

    assert alert.event["luytre.correlation.events"] == "5000"
    assert alert.event["luytre.correlation.folded"] == "true"
    assert made.counts.folded > 0


def test_a_storm_within_one_second_stays_bounded() -> None:
    made = correlator(limits=CorrelationLimits(matches_of_group_max=100))
    found = [a for n in range(2_000) for a in take(made, match(7, f"e{n}"))]
    found += made.flush().alerts

    (alert,) = current(found).values()

    assert alert.event["luytre.correlation.events"] == "2000"
    assert made.held <= 200


def test_groups_beyond_the_limit_are_forgotten_the_longest_silent_first() -> None:
    made = correlator(limits=CorrelationLimits(groups_max=2))
    for user in ("a", "b", "c"):
        take(made, *(match(n, f"{user}{n}", group=user) for n in range(2)))

    alerts = take(made, match(2, "c2", group="c"), match(2, "a2", group="a"))

    assert [alert.event["User"] for alert in alerts] == ["c"]
    assert made.counts.forgotten == 2


def test_matches_beyond_the_limit_are_let_go_the_longest_quiet_group_first() -> None:
    limits = CorrelationLimits(matches_max=1_000)
    made = correlator(limits=limits)
    found = Found([], [])
    for n in range(400):
        found.add(made.take([match(n, f"{n}/{m}", group=f"u{n}") for m in range(5)], HEARD))
        found.add(made.take([match(n, f"busy{n}", group="busy")], HEARD))
        assert made.held <= 1_000
    found.add(made.flush())

    # What was forgotten had been sent, in full; and who is busy is never forgotten.
    sizes = {a.event["User"]: a.event["luytre.correlation.events"] for a in found.alerts}
    assert len(sizes) == 401
    assert {size for user, size in sizes.items() if user != "busy"} == {"5"}
    assert sizes["busy"] == "400"
    assert made.counts.forgotten > 100


def test_what_was_let_go_is_told_once() -> None:
    made = correlator(limits=CorrelationLimits(groups_max=2))
    take(made, *(match(n, f"e{n}", group=f"u{n}") for n in range(9)))

    assert made.counts.taken() == {"forgotten": 7}
    assert made.counts.taken() == {}


def test_silence_builds_the_same_state() -> None:
    loud, quiet = correlator(), correlator()
    first, second = [match(n, f"e{n}") for n in range(5)], [match(6, "e6")]

    said = {alert.id for alert in take(loud, *first)}
    assert take(quiet, *first, silent=True) == []
    loud.flush()

    again = take(quiet, *second)

    assert said & {alert.id for alert in again} == said


NESTED_CHILD = Correlation(
    RuleCard("many", "many", "low", "v1"),
    "many",
    "event_count",
    ("failed",),
    ("Host",),
    60,
    Condition("", (Bound("gte", 3),)),
    carried=("User",),
)
NESTED_PARENT = Correlation(
    RuleCard("then", "then", "high", "v1"),
    "then",
    "temporal_ordered",
    ("many", "success"),
    ("User",),
    600,
    Condition("", (Bound("gte", 2),)),
)


def nested(second: float, event: str, user: str, host: str = "") -> Match:
    time_us = NOON + int(second * S)
    rule, group = ("many", host) if host else ("then", user)
    met, carried = ((0,), (user,)) if host else ((1,), ())
    return Match(rule, "org", (group,), event, time_us, time_us, "s/1", met, carried=carried)


def settle(made: Correlator, matches: Iterable[Match]) -> Found:
    """Take matches, and the results that follow from them as the topic would bring them."""
    found, queue = Found([], []), [list(matches)]
    while queue:
        step = made.take(queue.pop(0), HEARD)
        found.add(step)
        queue += [[result] for result in step.matches]
    return found


def summary(alerts: Sequence[Alert]) -> set[tuple[str, str, str, tuple[str, ...]]]:
    return {
        (a.rule.id, a.episode, a.event["luytre.correlation.first_fired"], a.events)
        for a in current(alerts).values()
    }


def test_a_correlation_of_a_correlation_groups_by_fields_of_its_own() -> None:
    made = correlator(NESTED_CHILD, NESTED_PARENT)
    failed = [nested(n, f"f{n}", ("lan", "minh")[n % 2], "db1") for n in range(4)]

    found = settle(made, [*failed, nested(9, "ok", "lan"), nested(9, "other", "hoa")])

    fired = {(a.rule.id, a.event.get("User")) for a in current(found.alerts).values()}
    assert fired == {("many", None), ("then", "lan")}


def test_results_of_any_arrival_are_the_same() -> None:
    matches = [nested(n * 7, f"f{n}", f"u{n % 2}", f"h{n % 3}") for n in range(40)]
    matches += [nested(50 + 60 * n, f"s{n}", f"u{n % 2}") for n in range(4)]
    expected = None
    for seed in range(60):
        random.Random(seed).shuffle(matches)
        made = correlator(NESTED_CHILD, NESTED_PARENT)

        found = settle(made, matches[:20])
        found.add(settle(made, matches[20:]))
        flushed = made.flush()
        found.add(flushed)
        found.add(settle(made, flushed.matches))
        found.add(made.flush())

        expected = expected or summary(found.alerts)
        assert summary(found.alerts) == expected, seed


def test_a_result_that_moves_is_told_anew() -> None:
    made = correlator(NESTED_CHILD, NESTED_PARENT)
    failed = [nested(n, f"f{n}", "lan", "db1") for n in (10, 20, 30, 35)]
    found = settle(made, [*failed, nested(99, "ok", "lan")])
    (before,) = [a for a in current(found.alerts).values() if a.rule.id == "then"]

    found.add(settle(made, [nested(25, "late", "lan", "db1")]))
    found.add(made.flush())

    (after,) = [a for a in current(found.alerts).values() if a.rule.id == "then"]
    assert after.episode == before.episode
    assert [reason.pattern[17:19] for reason in before.reasons[1:]] == ["30", "39"]
    assert [reason.pattern[17:19] for reason in after.reasons[1:]] == ["25", "39"]


def test_a_rule_that_lost_a_part_takes_matches_of_before() -> None:
    made = correlator(COUNT_3)

    (alert,) = take(made, *(match(n, f"e{n}", met=(0, 7)) for n in range(3)))

    assert [reason.selection for reason in alert.reasons[1:]] == ["a", "a", "a"]


@pytest.mark.parametrize("times", [1, 2, 5])
def test_duplicates_change_nothing(times: int) -> None:
    made = correlator()

    alerts = [a for _ in range(times) for a in take(made, *(match(n, f"e{n}") for n in range(3)))]

    assert len(alerts) == 1
