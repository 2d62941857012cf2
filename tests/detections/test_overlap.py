"""A rule inside another one is found, and nothing is called so that is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detections.atoms import Reading, compile_atom
from detections.overlap import Overlap, Subject, identical, implies, overlaps
from detections.parse import parse_rule
from detections.tree import And, Atom, Leaf, Node, Not, Or
from luytre.core.batch import LogSource
from tests.detections.building import LINUX, rule

NARROW = {"s": {"a|endswith": "/cmd.EXE", "b|contains": "-Enc"}, "condition": "s"}


def subject(name: str, detection: dict[str, Any], logsource: LogSource = LINUX) -> Subject:
    return Subject(name, logsource, parse_rule(rule(detection, name).sigma))


@pytest.mark.parametrize(
    ("wider", "same"),
    [
        pytest.param({"t": {"a|endswith": "CMD.exe"}, "condition": "t"}, False, id="fewer atoms"),
        pytest.param({"t": {"b|contains": ["x", "-e"]}, "condition": "t"}, False, id="or"),
        pytest.param(
            {"t": {"b|contains": "-enc"}, "u": {"a|endswith": "/cmd.exe"}, "condition": "u and t"},
            True,
            id="the same in another order and case",
        ),
        pytest.param(
            {"t": {"a|contains": "cmd"}, "u": {"c": 1}, "condition": "t or u"}, False, id="or more"
        ),
    ],
)
def test_a_rule_inside_another_is_found(wider: dict[str, Any], *, same: bool) -> None:
    mine, other = subject("mine", NARROW), subject("other", wider)

    assert list(overlaps([mine], [mine, other])) == [Overlap("mine", "other", same)]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"t": {"a|endswith": "/cmd.exe", "c": 1}, "condition": "t"}, id="asks more"),
        pytest.param({"t": {"a|startswith": "/cmd.exe"}, "condition": "t"}, id="elsewhere"),
        pytest.param({"t": {"b|contains|cased": "-Enc"}, "condition": "t"}, id="case counts"),
        pytest.param(
            {"t": {"a|endswith": "exe"}, "u": {"c": 1}, "condition": "t and not u"}, id="not"
        ),
    ],
)
def test_what_is_not_inside_is_not_found(other: dict[str, Any]) -> None:
    assert list(overlaps([subject("mine", NARROW)], [subject("other", other)])) == []


def test_a_rule_that_lies_inside_mine_is_found_from_mine() -> None:
    wide = subject("wide", {"t": {"a|endswith": "exe"}, "condition": "t"})

    found = list(overlaps([wide], [subject("narrow", NARROW)]))

    assert found == [Overlap("narrow", "wide", same=False)]


def test_another_log_source_is_no_overlap_but_a_wider_one_is() -> None:
    mine = subject("mine", NARROW)

    assert not list(overlaps([mine], [subject("o", NARROW, LogSource("windows"))]))
    assert list(overlaps([mine], [subject("o", NARROW, LogSource("linux"))])) == [
        Overlap("mine", "o", same=False)
    ]


def test_the_same_conditions_are_found_whatever_their_order() -> None:
    turned = {"x": {"b|contains": "-ENC", "a|endswith": "/cmd.exe"}, "condition": "1 of x"}
    other = {"s": {"a|endswith": "/cmd.exe"}, "condition": "s"}
    rules = [subject("1", NARROW), subject("2", other), subject("3", turned)]

    assert list(identical(rules)) == [Overlap("3", "1", same=True)]


atoms = st.builds(
    Atom,
    st.sampled_from(["a", "b"]),
    st.sampled_from(["equals", "contains", "startswith", "endswith"]),
    st.text("xyX", max_size=2),
    st.booleans(),
)
trees = st.recursive(
    st.builds(Leaf, atoms, st.just("s")),
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=5,
)
cells = st.one_of(st.none(), st.text("xyX", max_size=3))


def holds(node: Node, event: dict[str, str | None]) -> bool:
    match node:
        case And():
            return all(holds(part, event) for part in node.parts)
        case Or():
            return any(holds(part, event) for part in node.parts)
        case Not():
            return not holds(node.part, event)
        case Leaf():
            return compile_atom(node.atom)(Reading(event[str(node.atom.field)]))
    raise TypeError(node)


@given(trees, trees, st.lists(st.fixed_dictionaries({"a": cells, "b": cells}), max_size=20))
def test_what_is_called_inside_holds_wherever_the_other_does(
    left: Node, right: Node, events: list[dict[str, str | None]]
) -> None:
    found = overlaps([Subject("l", LINUX, left)], [Subject("r", LINUX, right)])
    for overlap in found:
        narrow, wide = (left, right) if overlap.rule == "l" else (right, left)
        for event in events:
            assert not holds(narrow, event) or holds(wide, event)
            assert not overlap.same or holds(narrow, event) == holds(wide, event)


@given(trees)
def test_every_tree_implies_itself(tree: Node) -> None:
    assert implies(tree, tree) or _has_case(tree)


def _has_case(tree: Node) -> bool:
    """Tell whether folding would be asked of ``implies``, which wants it done beforehand."""
    return "X" in repr(tree)
