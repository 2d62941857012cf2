"""Placeholders get the values of the deployment, and pySigma's pipelines change rules on the way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from detections.load import RuleSet, load_rules
from detections.mappings import NOTHING, Adaptation, read_adaptation
from detections.parse import parse_rule
from detections.plan import build_plan
from detections.plan_cache import load_or_build
from detections.reference import reference_hits
from detections.tree import UnsupportedRuleError
from luytre.core.batch import LogSource
from luytre.core.errors import ConfigurationError
from tests.detections.building import batch, engine
from tests.detections.conftest import RULE

VALUES: Mapping[str, list[str | int | float]] = {
    "Servers": ["srv*", "db-1"],
    "Port": [22],
    "Nobody": [],
}

OTHER: Mapping[str, list[str | int | float]] = {"Servers": ["other"]}
NONE: Mapping[str, list[str | int | float]] = {}


def load(folder: Path, adaptation: Adaptation, **changes: Any) -> RuleSet:
    rules = folder / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "rule.yml").write_text(yaml.safe_dump({**RULE, **changes}, sort_keys=False))
    return load_rules([rules], builtin=False, adaptation=adaptation)


def hits(loaded: RuleSet, *events: dict[str, Any]) -> set[int]:
    """Return the rows that match, by engine and reference alike."""
    assert [str(fault) for fault in loaded.faults] == []
    found = {row for row, _ in engine(*loaded.rules).hits(batch(events))}
    assert {int(row) for _, row in reference_hits(loaded.rules, batch(events))} == found
    return found


def pipeline(folder: Path, *transformations: Mapping[str, Any], **changes: Any) -> Path:
    file = folder / f"pipeline-{len(list(folder.glob('pipeline-*')))}.yml"
    file.write_text(yaml.safe_dump({"transformations": list(transformations), **changes}))
    return file


def mapped(folder: Path, *transformations: Mapping[str, Any], **changes: Any) -> Adaptation:
    return read_adaptation({}, [pipeline(folder, *transformations, **changes)])


@pytest.mark.parametrize(
    ("written", "value", "holds"),
    [
        pytest.param({"F|expand": "%Servers%"}, "SRV-7", True, id="a pattern"),
        pytest.param({"F|expand": "%Servers%"}, "db-12", False, id="a whole text"),
        pytest.param({"F|expand": "a%Servers%z"}, "adb-1z", True, id="within a text"),
        pytest.param({"F|expand": "%Port%"}, "22", True, id="a number"),
        pytest.param({"F|expand|contains": "%Servers%"}, "the db-1 here", True, id="contains"),
        pytest.param({"F|contains|expand": "%Servers%"}, "the db-1 here", True, id="the other way"),
        pytest.param({"F|expand|cased": "%Servers%"}, "DB-1", False, id="cased"),
        pytest.param({"F|cased|expand": "%Servers%"}, "DB-1", False, id="cased before"),
        pytest.param({"F|expand|base64": "%Port%"}, "MjI=", True, id="encoded"),
        pytest.param({"F|re|expand": "^%Servers%$"}, "srv.x", True, id="a regex has the pattern"),
        pytest.param({"F|re|expand": "^%Servers%$"}, "db+1", False, id="and its literals"),
        pytest.param({"F|expand|neq": "%Servers%"}, "other", True, id="neq"),
        pytest.param({"F|expand|all|contains": ["%Servers%", "x"]}, "db-1x", True, id="all of any"),
        pytest.param({"F": "%Servers%"}, "%servers%", True, id="no placeholder without expand"),
        pytest.param({"F|expand": r"\%Port%Port%"}, "%Port22", True, id="an escaped percent"),
        pytest.param({"F|expand": "%Port%%Servers%"}, "22db-1", True, id="two of them"),
    ],
)
def test_a_placeholder_stands_for_any_of_its_values(
    tmp_path: Path, written: dict[str, Any], value: str, *, holds: bool
) -> None:
    given = read_adaptation(VALUES, [])

    loaded = load(tmp_path, given, detection={"s": written, "condition": "s"})

    assert hits(loaded, {"F": value}) == ({0} if holds else set())


@pytest.mark.parametrize("written", ["%Other%", "%Nobody%", "%Servers%%Other%"])
@pytest.mark.parametrize("modifiers", ["expand", "re|expand"])
def test_a_placeholder_without_values_is_refused(
    tmp_path: Path, written: str, modifiers: str
) -> None:
    detection = {"s": {f"F|{modifiers}": written}, "condition": "s"}

    loaded = load(tmp_path, read_adaptation(VALUES, []), detection=detection)

    assert "has no values" in loaded.faults[0].problem
    assert "rules.placeholders" in loaded.faults[0].remedy


def test_values_that_multiply_are_refused(tmp_path: Path) -> None:
    many = read_adaptation({"Many": [str(n) for n in range(1000)]}, [])
    detection = {"s": {"F|expand": "%Many%%Many%%Many%"}, "condition": "s"}

    assert "expand" in load(tmp_path, many, detection=detection).faults[0].problem


def test_a_file_of_placeholders_yields_to_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "values.yml"
    file.write_text("Servers: [a]\nAdmins: [root, 0]\n")

    found = read_adaptation({"Servers": ["b"]}, [], file=file)

    assert found.placeholders == {"Servers": ("b",), "Admins": ("root", "0")}


MAP = {"id": "m", "type": "field_name_mapping", "mapping": {"F": "G", "H": ["I", "J"]}}


@pytest.mark.parametrize(
    ("transformation", "search", "event", "holds"),
    [
        pytest.param(MAP, {"F": "x"}, {"G": "X"}, True, id="a field"),
        pytest.param(MAP, {"F": "x"}, {"F": "x"}, False, id="the old name is gone"),
        pytest.param(MAP, {"H|startswith": "x"}, {"J": "xy"}, True, id="to several, which are or"),
        pytest.param(MAP, [{"F": "y"}, {"H": "x"}], {"I": "x"}, True, id="within lists of maps"),
        pytest.param(MAP, {"F|fieldref": "K"}, {"G": "x", "K": "x"}, True, id="a reference"),
        pytest.param(
            {"type": "field_name_prefix", "prefix": "win."},
            {"F": "x"},
            {"win.F": "x"},
            True,
            id="a prefix",
        ),
        pytest.param(
            {"type": "add_condition", "conditions": {"EventID": 4688}},
            {"F": "x"},
            {"F": "x"},
            False,
            id="a condition is added",
        ),
        pytest.param(
            {"type": "add_condition", "conditions": {"EventID": 4688}, "negated": True},
            {"F": "x"},
            {"F": "x", "EventID": 1},
            True,
            id="a condition is added, negated",
        ),
        pytest.param(
            {"type": "replace_string", "regex": "^x$", "replacement": "z"},
            {"F": "x"},
            {"F": "z"},
            True,
            id="a value",
        ),
        pytest.param(
            {"type": "wildcard_placeholders"},
            {"F|expand": "%Servers%-1"},
            {"F": "any-1"},
            True,
            id="a placeholder",
        ),
        pytest.param(
            {
                "type": "nest",
                "items": [{"type": "field_name_suffix", "suffix": ".keyword"}],
            },
            {"F": "x"},
            {"F.keyword": "x"},
            True,
            id="pipelines within",
        ),
    ],
)
def test_a_mapping_changes_what_rules_ask(
    tmp_path: Path,
    transformation: dict[str, Any],
    search: Any,
    event: dict[str, Any],
    *,
    holds: bool,
) -> None:
    detection = {"s": search, "condition": "s"}

    loaded = load(tmp_path, mapped(tmp_path, transformation), detection=detection)

    assert hits(loaded, event) == ({0} if holds else set())


def test_a_mapping_may_change_the_log_source_but_not_the_id(tmp_path: Path) -> None:
    change = {"type": "change_logsource", "product": "Windows", "service": "sysmon"}

    plain = load(tmp_path, NOTHING, id=None).rules[0]
    changed = load(tmp_path, mapped(tmp_path, change), id=None).rules[0]

    assert changed.logsource == LogSource("windows", None, "sysmon")
    assert changed.card.id == plain.card.id


def test_added_conditions_have_the_same_name_each_time(tmp_path: Path) -> None:
    added = {"type": "add_condition", "conditions": {"A": 1}}
    file = pipeline(tmp_path, added, {"type": "nest", "items": [added]})

    trees = {parse_rule(load(tmp_path, read_adaptation({}, [file])).rules[0].sigma) for _ in "ab"}

    assert len(trees) == 1


def test_mappings_go_in_the_order_of_their_priority(tmp_path: Path) -> None:
    late = pipeline(tmp_path, {"type": "field_name_prefix", "prefix": "late."}, priority=20)
    early = pipeline(tmp_path, {"type": "field_name_prefix", "prefix": "early."}, priority=10)

    loaded = load(tmp_path, read_adaptation({}, [late, early]))

    assert hits(loaded, {"late.early.F": "x"}) == {0}


def test_an_installed_pipeline_is_found_by_its_name(tmp_path: Path) -> None:
    # pySigma brings this one along for tests.
    installed = read_adaptation({}, ["dummy_test"])

    loaded = load(tmp_path, installed, detection={"s": {"fieldA": "x"}, "condition": "s"})

    assert hits(loaded, {"mappedA": "x"}) == {0}


def test_a_taxonomy_is_taken_if_a_mapping_knows_the_rule(tmp_path: Path) -> None:
    condition = [{"type": "logsource", "product": "linux"}]
    knows = mapped(tmp_path, {**MAP, "rule_conditions": condition})
    knows_not = mapped(
        tmp_path, {**MAP, "rule_conditions": [{"type": "logsource", "product": "macos"}]}
    )

    assert hits(load(tmp_path, knows, taxonomy="mine"), {"G": "x"}) == {0}
    for adaptation in (knows_not, NOTHING):
        assert (
            '"mine" is not known' in load(tmp_path, adaptation, taxonomy="mine").faults[0].problem
        )


@pytest.mark.parametrize(
    ("transformation", "problem"),
    [
        pytest.param({"type": "rule_failure", "message": "not here"}, "not here", id="failure"),
        pytest.param(
            {"type": "query_expression_placeholders", "expression": "{field} lookup {id}"},
            "another engine",
            id="a query of another engine",
        ),
        pytest.param({"type": "value_placeholders"}, "Servers", id="no such variable"),
        pytest.param(
            {"type": "file_placeholders", "path": "/etc/hosts"}, "disabled", id="reads other files"
        ),
        pytest.param({"type": "set_value", "value": None}, "", id="another value is fine"),
    ],
)
def test_what_a_mapping_refuses_or_makes_unusable_is_a_fault(
    tmp_path: Path, transformation: dict[str, Any], problem: str
) -> None:
    detection = {"s": {"F|expand": "%Servers%"}, "condition": "s"}

    loaded = load(tmp_path, mapped(tmp_path, transformation), detection=detection)

    assert [problem in fault.problem for fault in loaded.faults] == ([True] if problem else [])


def test_a_rule_of_which_a_mapping_leaves_nothing_is_refused(tmp_path: Path) -> None:
    loaded = load(tmp_path, mapped(tmp_path, {"type": "drop_detection_item"}))

    _, faults = build_plan(loaded.rules)

    assert faults
    with pytest.raises(UnsupportedRuleError):
        parse_rule(loaded.rules[0].sigma)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(None, "cannot be read", id="missing"),
        pytest.param("transformations: [{type: nonsense}]", "nonsense", id="unknown"),
        pytest.param("a: [", "no processing pipeline", id="no YAML"),
        pytest.param("- 1", "no processing pipeline", id="no map"),
    ],
)
def test_a_pipeline_that_cannot_be_used_stops_the_start(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    file = tmp_path / "pipeline.yml"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigurationError, match=problem) as caught:
        read_adaptation({}, [file, "no-such-pipeline"])

    assert len(caught.value.faults) == 2


@pytest.mark.parametrize("content", ["- a\n", "A: b\n", "A: [true]\n", "A: [[b]]\n", "A: [\n"])
def test_a_file_of_no_placeholders_stops_the_start(tmp_path: Path, content: str) -> None:
    file = tmp_path / "values.yml"
    file.write_text(content)

    with pytest.raises(ConfigurationError):
        read_adaptation({}, [], file=file)


def test_the_kept_plan_is_made_anew_for_other_values(tmp_path: Path) -> None:
    load(tmp_path, NOTHING, detection={"s": {"F|expand": "%Servers%"}, "condition": "s"})

    plans = [
        load_or_build(
            [tmp_path / "rules"],
            folder=tmp_path / "plans",
            builtin=False,
            adaptation=read_adaptation(values, []),
        )
        for values in (NONE, VALUES, OTHER, VALUES)
    ]

    assert [len(loaded.plan.rules) for loaded in plans] == [0, 1, 1, 1]
    assert plans[1].plan == plans[3].plan != plans[2].plan


def test_what_is_added_is_in_the_digest_of_the_rules(tmp_path: Path) -> None:
    plain, mapped_ = load(tmp_path, NOTHING), load(tmp_path, mapped(tmp_path, MAP))

    assert plain.digest != mapped_.digest


@pytest.mark.parametrize("key", ["F|cased|fieldref", "F|cased"])
def test_a_mapping_does_not_forget_that_case_counts(tmp_path: Path, key: str) -> None:
    changes: list[dict[str, Any]] = [
        MAP,
        {"type": "replace_string", "regex": "xY", "replacement": "G"},
    ]
    detection = {"s": {key: "xY"}, "condition": "s"}

    loaded = load(tmp_path, mapped(tmp_path, *changes), detection=detection)

    assert hits(loaded, {"G": "G", "xY": "G"}, {"G": "g", "xY": "G"}) == {0}
