"""Hits become matches: groups, aliases, values, and what an event lacks."""

from typing import Any

import polars as pl
import pytest

from detections.correlate import Correlator, Lateness
from detections.correlation import Bound, Condition, Correlation, Type
from detections.correlation_matches import matches_of, needed_columns
from detections.match import Engine
from detections.plan import build_plan
from luytre.core.alert import RuleCard
from luytre.core.cells import MARK
from luytre.core.clock import ManualClock
from luytre.core.matches import (
    BUNDLES,
    PROVINCE,
    Bundler,
    Match,
    decode_matches,
    encode_matches,
    reached_of,
)
from luytre.core.message import Message
from tests.detections.building import NOW, PART, batch, rule

SECOND_US = 1_000_000
NOW_US = int(NOW.timestamp()) * SECOND_US
PLAN, _ = build_plan([rule({"s": {"F": "x"}, "condition": "s"}, "r1"),
                      rule({"s": {"G": "y"}, "condition": "s"}, "r2")])  # fmt: skip


def correlation(kind: Type = "event_count", **changes: Any) -> Correlation:
    known: dict[str, Any] = {
        "card": RuleCard("c", "c", "high", "v1"),
        "name": "c",
        "type": kind,
        "rules": ("r1", "r2"),
        "group_by": ("User",),
        "timespan_s": 60,
        "condition": Condition("", (Bound("gte", 1),)),
    }
    return Correlation(**{**known, **changes})


def found(events: list[dict[str, Any]], *correlations: Correlation) -> list[Match]:
    events_batch = batch(events)
    hits = Engine(PLAN, ManualClock(NOW)).hits(events_batch)
    return matches_of(correlations, events_batch, hits, PLAN)


def test_a_hit_is_a_match_of_its_group() -> None:
    (match,) = found([{"F": "x", "User": "Lan"}, {"F": "z", "User": "Minh"}], correlation())

    assert match == Match("c", "org", ("lan",), "0", NOW_US, NOW_US, "", (0,), columns=("User",))


def test_rules_that_one_event_meets_are_one_match() -> None:
    (match,) = found([{"F": "x", "G": "y", "User": "lan"}], correlation())

    assert match.met == (0, 1)


@pytest.mark.parametrize(
    ("user", "groups"),
    [
        pytest.param({}, [], id="missing: in no group"),
        pytest.param({"User": None}, [], id="null"),
        pytest.param({"User": ""}, [], id="empty"),
        pytest.param({"User": ["a", "B", "b"]}, ["a", "b"], id="a list: one group each"),
        pytest.param({"User": 5}, ["5"], id="a number"),
        pytest.param({"User": [str(n) for n in range(99)]}, [str(n) for n in range(16)], id="many"),
    ],
)
def test_groups(user: dict[str, Any], groups: list[str]) -> None:
    matches = found([{"F": "x", **user}], correlation())

    assert [match.group for match in matches] == [(group,) for group in groups]


def test_without_group_by_there_is_one_group() -> None:
    (match,) = found([{"F": "x"}], correlation(group_by=()))

    assert match.group == ()


def test_each_rule_has_its_own_field_for_an_alias() -> None:
    aliased = correlation(group_by=("who",), aliases={"who": {"r1": "User", "r2": "Image"}})

    matches = found([{"F": "x", "User": "lan"}, {"G": "y", "Image": "Lan"}], aliased)

    assert [(match.group, match.columns) for match in matches] == [
        (("lan",), ("User",)),
        (("lan",), ("process.executable",)),
    ]


def test_values_and_carried_fields() -> None:
    valued = correlation(
        "value_count", condition=Condition("", (), ("A", "B")), carried=("Host", "Image")
    )

    whole, half = found(
        [{"F": "x", "User": "u", "A": "1", "B": 2, "Host": "h"}, {"F": "x", "User": "u", "A": "1"}],
        valued,
    )

    assert (whole.value, whole.carried) == (f"1{MARK}2", ("h", ""))
    assert half.value == ""


def test_an_event_without_time_counts_when_it_was_received() -> None:
    events = batch([{"F": "x", "User": "u"}])
    timeless = events.with_events(
        events.events.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("@timestamp"))
    )
    (match,) = matches_of([correlation()], timeless, [(0, 0)], PLAN)

    assert match.time_us == NOW_US


def test_organisations_meet_only_province_wide() -> None:
    mine, wide = found(
        [{"F": "x", "User": "u"}], correlation(), correlation(province_wide=True, name="wide")
    )[:1] + found([{"F": "x", "User": "u"}], correlation(province_wide=True))

    assert (mine.organization, wide.organization) == ("org", PROVINCE)


def test_columns_that_must_be_decoded() -> None:
    aliased = correlation(group_by=("who",), aliases={"who": {"r1": "User", "r2": "Image"}})

    assert needed_columns([aliased], PART) == {"User", "process.executable"}


def test_a_group_is_whole_in_one_bundle_and_thousands_of_groups_are_few_messages() -> None:
    users = [f"u{n % 2_000}" for n in range(4_000)]
    matches = found([{"F": "x", "User": user} for user in users], correlation())

    messages = Bundler().messages(matches)

    read = [(m.key, match) for m in messages for match in decode_matches(m.value)]
    bundle_of = {match.key: key for key, match in read}
    assert all(bundle_of[match.key] == key for key, match in read)
    assert sorted(match.event_id for _, match in read) == sorted(m.event_id for m in matches)
    assert 100 < len(messages) <= BUNDLES


def test_a_message_is_never_more_than_a_broker_takes() -> None:
    events = [{"F": "x", "User": "a", "V": "v" * 8_000} for _ in range(1_500)]
    rule_on_value = correlation("value_count", condition=Condition("", (), ("V",)))
    matches = found(events, rule_on_value)

    messages = Bundler().messages(matches)

    assert {message.key for message in messages} == {messages[0].key}
    assert max(len(message.value) for message in messages) < 1_000_000
    assert [match for m in messages for match in decode_matches(m.value)] == matches


def test_matches_are_read_as_they_were_written() -> None:
    matches = found([{"F": "x", "User": "a"}, {"G": "y", "User": "b"}], correlation())

    assert decode_matches(encode_matches(matches)) == matches


def test_what_lies_behind_in_the_same_batch_is_not_late() -> None:
    # A backlog of hours is one batch, and its bundles lie in the log one after the other.
    rule_of_three = correlation(condition=Condition("", (Bound("gte", 3),)))
    events = [
        match(n * 3_600 + m, f"{user}{n}{m}", user)
        for n, user in enumerate(["b", "a"])
        for m in range(3)
    ]
    bundler, made = Bundler(), Correlator([rule_of_three], ManualClock(), Lateness())
    messages = sorted(bundler.messages(events), key=lambda m: -times(m)[0])
    assert times(messages[0])[0] > times(messages[1])[-1] + 900 * SECOND_US

    fired = []
    for offset, message in enumerate(messages):
        reached = reached_of(message)
        fired += made.take(
            decode_matches(message.value), NOW_US + 10**12, offset=offset, reached=reached
        ).alerts
        made.expire()

    assert {alert.event["User"] for alert in fired} == {"a", "b"}
    assert made.counts.late == 0


def times(message: Message) -> list[int]:
    return [found.time_us for found in decode_matches(message.value)]


def match(second: int, event: str, user: str) -> Match:
    time_us = NOW_US + second * SECOND_US
    return Match("c", "org", (user,), event, time_us, time_us, "s/1", (0,))


def test_a_batch_says_how_far_its_streams_had_come_before() -> None:
    bundler = Bundler()

    first = bundler.messages([match(5, "e1", "a"), match(2, "e2", "a")])
    second = bundler.messages([match(3, "e3", "a")])
    third = bundler.messages([match(9, "e4", "a")])

    told = [reached_of(message) for (message,) in (first, second, third)]
    assert told == [{"s/1": NOW_US + n * SECOND_US} for n in (2, 5, 5)]
