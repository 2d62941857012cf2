"""The estimate of a rule's cost names what brings it about."""

from typing import Any

import pytest

from detections.costs import estimate
from detections.parse import parse_rule
from tests.detections.building import rule


@pytest.mark.parametrize(
    ("detection", "grade"),
    [
        pytest.param({"s": {"a|contains": "mimikatz"}}, "cheap", id="a rare literal"),
        pytest.param({"s": {"a|endswith": "/cmd"}}, "fair", id="a shorter one"),
        pytest.param({"s": {"a|contains": "-"}}, "dear", id="one that is everywhere"),
        pytest.param({"s": {"a|contains": "é"}}, "cheap", id="not ASCII is rare"),
        pytest.param({"s": {"a|re": "[a-z]+"}}, "dear", id="a regex without literal"),
        pytest.param({"s": {"a|re": "^mimikatz [a-z]+"}}, "cheap", id="a regex with one"),
        pytest.param({"s": {"a|re": "[a-z]+", "b": "mimikatz.exe"}}, "cheap", id="and: the best"),
        pytest.param({"s": [{"a|re": "[a-z]+"}, {"b": "mimikatz.exe"}]}, "dear", id="or: the worst"),
        pytest.param({"s": ["mimikatz"]}, "cheap", id="a keyword"),
        pytest.param({"s": ["\\"]}, "dear", id="a keyword that cannot be looked for"),
        pytest.param({"s": {"a|fieldref": "b"}}, "every event", id="fieldref"),
        pytest.param({"s": {"a|neq": "x"}}, "every event", id="only not"),
        pytest.param({"s": {"EventID": 4688}}, "fair", id="a number"),
    ],
)  # fmt: skip
def test_grades(detection: dict[str, Any], grade: str) -> None:
    tree = parse_rule(rule({**detection, "condition": "s"}).sigma)

    assert estimate("r", tree).grade == grade


def test_what_a_rule_is_made_of_is_counted() -> None:
    tree = parse_rule(
        rule(
            {
                "s": {"a|contains": ["abcdefgh", "abcdefgh", "xyzxyzxy"], "b|re": "[0-9]+"},
                "k": ["keyword1"],
                "f": {"c|cidr": "10.0.0.0/8"},
                "condition": "s and k and not f",
            }
        ).sigma
    )

    cost = estimate("r", tree)

    assert (cost.atoms, cost.fields, cost.regexes, cost.keywords) == (5, 3, 1, 1)
    assert cost.triggers == ("(keyword): *keyword1*",)
    assert cost.tested == ()


def test_the_commonest_triggers_are_named_first() -> None:
    values = ["*longlonglong", "ab*", "cd"]
    cost = estimate("r", parse_rule(rule({"s": {"a": values}, "condition": "s"}).sigma))

    assert cost.triggers == ("a: ab*", "a: cd", "a: *longlonglong")


def test_a_test_that_runs_on_every_value_is_named() -> None:
    cost = estimate("r", parse_rule(rule({"s": {"a|re": "[0-9]+"}, "condition": "s"}).sigma))

    assert cost.tested == ("a regex",)
