"""An explanation names every atom of a rule and the value that it met."""

import pytest

from detections.explain import Selected, explain
from luytre.core.batch import Part
from tests.detections.building import LINUX, batch, rule

RULE = rule(
    {
        "s": {"Image|endswith": "/sh", "b|contains": ["x", "y"]},
        "f": {"c": None, "d|gt": 5},
        "condition": "s and not f",
    }
)


def test_every_atom_is_there_with_its_value() -> None:
    explained = explain(RULE, batch([{"Image": "/bin/sh", "b": ["1y", "2Y"], "d": "7"}]), 0)

    found = [(f.column, f.operation, f.value, f.held, f.negated) for f in explained.findings]
    assert found == [
        ("process.executable", "endswith", "/bin/sh", True, False),
        ("b", "contains", "1y, 2Y", False, False),
        ("b", "contains", "1y", True, False),
        ("c", "null", None, True, True),
        ("d", "gt", "7", True, True),
    ]
    assert not explained.holds


def test_reasons_are_what_the_rule_wanted_and_found() -> None:
    explained = explain(RULE, batch([{"Image": "/bin/sh", "b": "y", "c": 1}]), 0)

    assert explained.holds
    assert [(r.field, r.pattern, r.value) for r in explained.reasons()] == [
        ("Image", "/sh", "/bin/sh"),
        ("b", "y", "y"),
    ]


@pytest.mark.parametrize(
    ("event", "value"),
    [
        pytest.param({"Image": None}, "null", id="null"),
        pytest.param({}, None, id="missing"),
        pytest.param({"Image": "x" * 5_000}, "x" * 1_000, id="a long value is cut"),
    ],
)
def test_a_value_that_did_not_meet_is_shown(event: dict[str, str | None], value: str) -> None:
    explained = explain(RULE, batch([event]), 0)

    assert explained.findings[0].value == value


def test_a_constant_of_the_part_and_another_field_explain_too() -> None:
    part = Part("p", (LINUX,), {}, {"EventID": "7"})
    wanted = rule({"s": {"EventID": 7, "a|fieldref": "b"}, "condition": "s"})

    explained = explain(wanted, batch([{"a": "X", "b": "x"}], part), 0)

    assert [(f.column, f.value) for f in explained.findings] == [("EventID", "7"), ("a", "X")]
    assert explained.holds


@pytest.mark.parametrize(
    ("event", "verdict", "decides"),
    [
        pytest.param({"a": "1", "b": "y"}, True, ["1", "y", "f"], id="all of what holds"),
        pytest.param({"a": "1"}, False, ["x", "y"], id="a list of which none holds"),
        pytest.param({"b": "x"}, False, ["1"], id="the demand that fails"),
        pytest.param({"a": "1", "b": "x", "c": "f"}, False, ["f"], id="what must not hold"),
    ],
)
def test_what_the_verdict_rests_on_is_marked(
    event: dict[str, str], *, verdict: bool, decides: list[str]
) -> None:
    wanted = rule(
        {
            "s": {"a": "1"},
            "t": {"b": ["x", "y"]},
            "f": {"c": "f"},
            "condition": "s and 1 of t and not f",
        }
    )

    explained = explain(wanted, batch([event]), 0)

    assert explained.holds == verdict
    assert [f.pattern for f in explained.findings if f.decides] == decides


def test_each_search_has_a_verdict_of_its_own() -> None:
    wanted = rule({"s": {"a": ["1", "2"], "b|exists": True}, "k": ["no"], "condition": "s or k"})

    explained = explain(wanted, batch([{"a": "2", "b": "x"}]), 0)

    assert explained.selections == (Selected("s", held=True), Selected("k", held=False))
