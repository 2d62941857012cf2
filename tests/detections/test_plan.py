"""A plan is plain data: every atom once, each rule's tree over them, faults with their place."""

from pathlib import Path

from detections.parse import parse_rule
from detections.plan import build_plan, decode_plan, encode_plan
from luytre.core.yamlfile import Document
from tests.detections.building import rule

FIRST = rule({"s": {"a": ["x", "y"], "b|re": "z"}, "condition": "s"}, "first")
SECOND = rule({"t": {"a": "y"}, "f": {"b": None}, "condition": "t and not f"}, "second")


def test_an_atom_of_two_rules_is_there_once() -> None:
    plan, faults = build_plan([FIRST, SECOND])

    assert [(atom.field, atom.pattern) for atom in plan.atoms] == [
        ("a", "x"),
        ("a", "y"),
        ("b", "z"),
        ("b", ""),
    ]
    assert not faults


def test_a_rule_gets_its_tree_back() -> None:
    plan, _ = build_plan([FIRST, SECOND])

    assert plan.condition(0) == parse_rule(FIRST.sigma)
    assert plan.condition(1) == parse_rule(SECOND.sigma)


def test_a_plan_survives_being_bytes() -> None:
    plan, _ = build_plan([FIRST, SECOND])

    read = decode_plan(encode_plan(plan))

    assert read == plan
    assert read.digest == plan.digest
    assert read.digest != build_plan([FIRST])[0].digest


def test_a_bad_rule_is_a_fault_and_stops_no_other() -> None:
    bad = rule({"s": {"a|re": "(?=x)"}, "condition": "s"}, "bad")
    document = Document(Path("rules/bad.yml"), {}, {("detection", "s"): 7})

    plan, faults = build_plan(
        [type(bad)(bad.card, bad.logsource, bad.sigma, bad.path, document), SECOND]
    )

    assert [planned.card.id for planned in plan.rules] == ["second"]
    assert [(fault.path.name, fault.line) for fault in faults] == [("bad.yml", 7)]
    assert "(?=x)" in faults[0].problem
