"""Correlation rules as people write them: read, or refused with line and reason."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from detections.correlation import Absent, Bound, Correlation, Either, Every, Present
from detections.correlation_condition import parse_expression
from detections.correlation_rules import read_correlation, resolve
from luytre.core.alert import RuleCard
from luytre.core.errors import Fault
from luytre.core.yamlfile import Document, read_yaml

BRUTE = """
title: Many failed logins
id: 0e95725d-7320-415d-80f7-004da920fc11
name: many_failed
level: high
tags: [attack.t1110]
correlation:
  type: event_count
  rules: [failed_login]
  group-by: [ComputerName]
  timespan: 1h
  condition: {gte: 100}
"""


@dataclass(frozen=True)
class Sigma:
    name: str | None


@dataclass(frozen=True)
class Rule:
    card: RuleCard
    sigma: Sigma


def rule(name: str) -> Rule:
    return Rule(RuleCard(f"id-{name}", name, "low", "v1"), Sigma(name))


def document(text: str) -> Document:
    documents, faults = read_yaml(Path("c.yml"), text.encode())
    assert not faults
    return documents[0]


def read(text: str) -> Correlation:
    correlation, faults = read_correlation(document(text))
    assert [str(fault) for fault in faults] == []
    assert correlation is not None
    return correlation


def refused(text: str) -> list[Fault]:
    correlation, faults = read_correlation(document(text))
    assert correlation is None
    return faults


def written(kind: str, condition: str = "", **more: str) -> str:
    lines = ["title: t", "correlation:", f"  type: {kind}"]
    keys = {"rules": "[a, b]", "timespan": "5m", "group-by": "[User]", **more}
    lines += [f"  {key}: {value}" for key, value in keys.items() if value]
    return "\n".join([*lines, f"  condition: {condition}" if condition else "", ""])


def test_a_rule_of_the_specification() -> None:
    found = read(BRUTE)

    assert (found.card.id, found.card.level) == ("0e95725d-7320-415d-80f7-004da920fc11", "high")
    assert (found.name, found.type, found.rules) == (
        "many_failed",
        "event_count",
        ("failed_login",),
    )
    assert (found.group_by, found.timespan_s) == (("ComputerName",), 3600)
    assert found.condition.bounds == (Bound("gte", 100),)
    assert not found.generate
    assert not found.province_wide


def test_a_correlation_is_plain_data() -> None:
    found = read(written("temporal", "a and not b"))

    packed = msgspec.msgpack.encode(found)

    assert msgspec.msgpack.decode(packed, type=Correlation) == found


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        pytest.param("event_count", "{gt: 1, lte: 5}", id="a range"),
        pytest.param("value_count", "{field: User, gte: 3}", id="value_count"),
        pytest.param("value_count", "{field: [User, Host], gte: 3}", id="two fields together"),
        pytest.param("value_sum", "{field: Bytes, gt: 1.5}", id="value_sum"),
        pytest.param("value_avg", "{field: Bytes, lt: -1}", id="value_avg below zero"),
        pytest.param("value_median", "{field: Bytes, eq: 4}", id="value_median"),
        pytest.param("value_percentile", "{field: B, gte: 4, percentile: 95}", id="percentile"),
        pytest.param("value_percentile", "{field: Image, lte: 1}", id="share of a value"),
        pytest.param("temporal", "", id="temporal, all rules"),
        pytest.param("temporal", "{gte: 1}", id="temporal, some"),
        pytest.param("temporal_ordered", "a and b", id="expression"),
        pytest.param("temporal_ordered", "", id="ordered, all rules"),
    ],
)
def test_every_type_is_read(kind: str, condition: str) -> None:
    assert read(written(kind, condition)).type == kind


@pytest.mark.parametrize(
    ("timespan", "seconds"),
    [
        ("10s", 10),
        ("90m", 5_400),
        ("2h", 7_200),
        ("1d", 86_400),
        ("1w", 604_800),
        ("1M", 2_629_746),
    ],
)
def test_timespan(timespan: str, seconds: int) -> None:
    assert read(written("temporal", timespan=timespan)).timespan_s == seconds


@pytest.mark.parametrize(
    ("text", "line", "problem", "remedy"),
    [
        pytest.param(written("event_cont", "{gte: 1}"), 3, "unknown", '"event_count"', id="type"),
        pytest.param(written("temporal", timespan="5x"), 5, "cannot be read", "15m", id="timespan"),
        pytest.param(written("temporal", timespan="0s"), 5, "not within", "", id="timespan of none"),
        pytest.param(written("temporal", timespan="99w"), 5, "not within", "", id="too long"),
        pytest.param(written("temporal", timespan=""), 2, "missing", "", id="no timespan"),
        pytest.param(written("temporal", rules=""), 2, "names no rules", "ids", id="no rules"),
        pytest.param(written("temporal", rules="[a, a]"), 4, "twice", "", id="a rule twice"),
        pytest.param(written("temporal", rules="{a: b}"), 4, "not a list", "", id="rules no list"),
        pytest.param(written("event_count"), 2, "missing", "gte", id="no condition"),
        pytest.param(written("event_count", "{gte: x}"), 7, "no", "", id="limit is no number"),
        pytest.param(written("event_count", "{gte: 1.5}"), 7, "not a count", "whole", id="half"),
        pytest.param(written("event_count", "{gte: .inf}"), 7, "not a number", "", id="infinite"),
        pytest.param(written("event_count", "{gte: true}"), 7, "not a number", "", id="a bool"),
        pytest.param(written("event_count", "{}"), 7, "with nothing", "gte", id="no comparison"),
        pytest.param(written("event_count", "{gtee: 1}"), 7, "unknown", '"gt', id="operator"),
        pytest.param(
            written("event_count", "{gte: 1, field: U}"), 7, "nothing", "value_count", id="field"
        ),
        pytest.param(written("value_count", "{gte: 1}"), 7, "needs a", "name", id="field missing"),
        pytest.param(
            written("value_sum", "{gte: 1, field: [A, B]}"), 7, "no 2 fields", "one", id="two sums"
        ),
        pytest.param(
            written("value_percentile", "{gte: 1, field: A, percentile: 101}"), 7, "0 to 100", "",
            id="percentile",
        ),
        pytest.param(written("temporal", "{gte: 3}"), 7, "never hold", "at most 2", id="too many"),
        pytest.param(written("temporal", "a and c"), 7, '"c" is none', "", id="unknown in expr"),
        pytest.param(written("temporal", "a"), 7, "does not name b", "", id="unnamed in expression"),
        pytest.param(written("temporal", "a and (b"), 7, "missing", "", id="bracket"),
        pytest.param(written("temporal", "a b"), 7, "too many", "", id="no operator"),
        pytest.param(written("temporal", "a and"), 7, "too early", "", id="ends early"),
        pytest.param(written("event_count", "a and b"), 7, "no expression", "gte", id="expr type"),
        pytest.param(
            written("temporal", aliases="{ip: {z: src}}"), 7, "none of the rules", "", id="alias"
        ),
        pytest.param(written("temporal", aliases="{ip: x}"), 7, "no map", "", id="alias no map"),
        pytest.param(written("temporal", generate="maybe"), 7, "neither", "", id="generate"),
        pytest.param(written("temporal", groupby="[x]"), 7, "unknown key", "group-by", id="key"),
        pytest.param(written("temporal") + "level: hgh\n", 8, "unknown level", "high", id="level"),
        pytest.param(written("temporal") + "luytre: {scope: all}\n", 8, "scope", "", id="scope"),
        pytest.param(written("temporal") + "status: unsupported\n", 8, "not run", "", id="status"),
        pytest.param(written("temporal") + "tags: [x]\n", 8, "no tag", "namespace", id="tag"),
        pytest.param("title: t\ncorrelation: 3\n", 2, "not a map", "", id="correlation is no map"),
        pytest.param(written("temporal", "(" * 99), 7, "deeper", "", id="a bomb"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(text: str, line: int, problem: str, remedy: str) -> None:
    faults = refused(text)

    assert faults[0].line == line
    assert problem in faults[0].problem
    assert remedy in faults[0].remedy


def test_an_expression_binds_as_sigma_does() -> None:
    tree = parse_expression("a or not b and c", ("a", "b", "c"))

    assert tree == Either((Present(0), Every((Absent(Present(1)), Present(2)))))


def test_an_expression_names_the_rules_itself() -> None:
    assert read(written("temporal", "x and not y", rules="")).rules == ("x", "y")


def named(name: str, *rules: str, ours: str = "", aliases: str = "", **more: str) -> Correlation:
    text = (
        written("temporal", rules=f"[{', '.join(rules)}]", aliases=aliases, **more)
        + f"name: {name}\n"
    )
    return read(text + f"id: id-{name}\n" + ours)


def test_names_become_ids_and_those_below_come_first() -> None:
    resolved, faults = resolve(
        [named("top", "mid", "id-a"), named("mid", "a", "b")], [rule("a"), rule("b")]
    )

    assert not faults
    assert [(c.name, c.rules) for c in resolved] == [
        ("mid", ("id-a", "id-b")),
        ("top", ("id-mid", "id-a")),
    ]


def test_fields_are_handed_down_through_aliases() -> None:
    top = named("top", "mid", "a", aliases="{who: {mid: User}}", **{"group-by": "[who]"})
    mid = named("mid", "a", "b", aliases="{User: {b: Account}}", **{"group-by": "[Host]"})

    resolved, _ = resolve([top, mid], [rule("a"), rule("b")])

    assert resolved[0].carried == ("User",)
    assert resolved[0].fields_of("id-b") == ("Host", "Account")


@pytest.mark.parametrize("generate", ["true", "false"])
def test_what_only_serves_others_makes_no_alerts(generate: str) -> None:
    top, mid = named("top", "mid", "a", generate=generate), named("mid", "a", "b")

    resolved, _ = resolve([top, mid], [rule("a"), rule("b")])

    assert [c.alerts for c in resolved] == [generate == "true", True]


@pytest.mark.parametrize(
    ("correlations", "problems"),
    [
        pytest.param([named("c", "x", "a")], ["is no rule here"], id="unknown"),
        pytest.param([named("c", "twice", "a")], ["the name of 2 rules"], id="two of the name"),
        pytest.param([named("c", "a", "id-a")], ["mean the same"], id="one rule by two names"),
        pytest.param([named("c", "c", "a")], ["in a circle"], id="itself"),
        pytest.param(
            [named("c", "d", "a"), named("d", "c", "a")], ["in a circle"] * 2, id="each other"
        ),
        pytest.param(
            [named("c", "d", "a"), named("d", "x", "a")],
            ["is no rule", "has faults"],
            id="falls too",
        ),
        pytest.param(
            [named("c", "d", "a"), named("d", "a", "b", ours="luytre: {scope: province}\n")],
            ["across"],
            id="wide below",
        ),
    ],
)
def test_what_does_not_tie_up_is_a_fault(
    correlations: list[Correlation], problems: list[str]
) -> None:
    two = Rule(RuleCard("id-2", "twice", "low", "v1"), Sigma("twice"))
    _, faults = resolve(correlations, [rule("a"), rule("b"), rule("twice"), two])

    assert [str(fault.path) for fault in faults] == ["c.yml"] * len(problems)
    assert all(problem in fault.problem for problem, fault in zip(problems, faults, strict=True))
    assert all(fault.line == 4 for fault in faults)


@pytest.mark.data
def test_the_specifications_own_examples_are_read(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("sigma-specification")
    files = sorted(folder.glob("*/tests/schema/correlation/*.yml"))

    faults = [
        fault
        for file in files
        for read_document in read_yaml(file)[0]
        for fault in read_correlation(read_document)[1]
    ]

    assert files
    assert not faults
