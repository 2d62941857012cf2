"""A rule's condition becomes a tree that says the same, or the rule is refused."""

import re
from typing import Any

import pytest

from detections.parse import parse_rule
from detections.tree import (
    And,
    Atom,
    Leaf,
    Node,
    Not,
    Or,
    UnsupportedRuleError,
    escaped,
    unescaped,
)
from tests.detections.building import rule


def tree(selection: Any, condition: Any = "s", **others: Any) -> Node:
    return parse_rule(rule({"s": selection, **others, "condition": condition}).sigma)


def leaf(value: str, field: str | None = "a", operation: Any = "equals", name: str = "s") -> Leaf:
    return Leaf(Atom(field, operation, value), name)


@pytest.mark.parametrize(
    ("item", "atom"),
    [
        pytest.param({"a": "x"}, Atom("a", "equals", "x"), id="equals"),
        pytest.param({"a": "x*"}, Atom("a", "startswith", "x"), id="a star behind"),
        pytest.param({"a|startswith": "x"}, Atom("a", "startswith", "x"), id="startswith"),
        pytest.param({"a": "*x"}, Atom("a", "endswith", "x"), id="a star in front"),
        pytest.param({"a": "**x*"}, Atom("a", "contains", "x"), id="stars on both sides"),
        pytest.param({"a": "*"}, Atom("a", "like", "*"), id="only a star"),
        pytest.param({"a": r"x\*?y"}, Atom("a", "like", r"x\*?y"), id="wildcards"),
        pytest.param({"a|cased": "X"}, Atom("a", "equals", "X", cased=True), id="cased"),
        pytest.param({"a": 4688}, Atom("a", "number", "4688"), id="a number"),
        pytest.param({"a": 1.0}, Atom("a", "number", "1"), id="a whole float"),
        pytest.param({"a|gte": 5}, Atom("a", "gte", "5"), id="a comparison"),
        pytest.param({"a": True}, Atom("a", "boolean", "true"), id="a boolean"),
        pytest.param({"a": None}, Atom("a", "null"), id="null"),
        pytest.param({"a|exists": False}, Atom("a", "exists", "false"), id="exists"),
        pytest.param(
            {"a|re|i|s": "x.*"}, Atom("a", "regex", "x.*", cased=True, flags="is"), id="a regex"
        ),
        pytest.param({"a|cidr": "10.0.0.0/8"}, Atom("a", "cidr", "10.0.0.0/8"), id="a network"),
        pytest.param(
            {"a|fieldref|endswith": "b"},
            Atom("a", "fieldref", "b", flags="endswith"),
            id="a reference",
        ),
        pytest.param(["x"], Atom(None, "contains", "x"), id="a keyword"),
        pytest.param([5], Atom(None, "number", "5"), id="a number as keyword"),
    ],
)
def test_an_item_is_an_atom(item: Any, atom: Atom) -> None:
    assert tree(item) == Leaf(atom, "s")


def test_maps_are_and_and_their_lists_or() -> None:
    found = tree([{"a": "1", "b": ["2", "3"]}, {"a": "4"}])

    inner = And((leaf("1"), Or((leaf("2", "b"), leaf("3", "b")))))
    assert found == Or((inner, leaf("4")))


def test_every_leaf_knows_its_selection() -> None:
    found = tree({"a": "1"}, "s and not 1 of f_*", f_1={"a": "2"}, f_2={"a": "3"})

    filters = Or((leaf("2", name="f_1"), leaf("3", name="f_2")))
    assert found == And((leaf("1"), Not(filters)))


def test_windash_is_or_even_within_all() -> None:
    found = tree({"a|windash|contains|all": ["-x", "y"]})

    dashes = tuple(leaf(f"{dash}x", operation="contains") for dash in "-/\u2013\u2014\u2015")
    assert found == And((Or(dashes), leaf("y", operation="contains")))


@pytest.mark.parametrize(
    ("selection", "condition", "problem"),
    [
        pytest.param({"a|expand": "%x%"}, "s", "%x%", id="a placeholder"),
        pytest.param({"a": "x"}, "s and t", '"t"', id="an unknown name"),
        pytest.param({"a": "x"}, "s and 1 of t*", '"t*"', id="an unknown pattern"),
        pytest.param({"a": "x"}, "s and", "no Sigma", id="no condition"),
        pytest.param({"|hour": 3}, "s", "keyword", id="a part of a time as keyword"),
        pytest.param([True], "s", "keyword", id="a boolean as keyword"),
    ],
)
def test_what_cannot_be_said_exactly_is_refused(
    selection: Any, condition: str, problem: str
) -> None:
    with pytest.raises(UnsupportedRuleError, match=re.escape(problem)):
        tree(selection, condition)


@pytest.mark.parametrize("text", ["", "a", "*", "?", "\\", "\\*", "a\\\\*?b", "*\\"])
def test_an_escaped_text_has_no_wildcards(text: str) -> None:
    assert unescaped(escaped(text)) == [text]
