"""Filters hide matches of the rules they name, in the events of their log source, and count them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from detections.hiding import Hidden
from detections.load import RuleSet, load_rules
from detections.match import Engine
from detections.plan import build_plan, decode_plan, encode_plan
from detections.reference import reference_hits
from luytre.core.batch import LogSource, Part
from luytre.core.clock import ManualClock
from luytre.core.metrics import HIDDEN
from tests.detections.building import NOW, PART, batch

FIRST, SECOND = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
EVENTS = [{"F": "x", "User": "adm_1"}, {"F": "x", "User": "bob"}, {"F": "x"}, {"F": "y"}]


def rule(number: str, **changes: Any) -> dict[str, Any]:
    return {
        "title": f"Rule {number}",
        "id": number,
        "name": f"name-{number[-1]}",
        "logsource": {"product": "linux", "service": "app"},
        "detection": {"s": {"F": "x"}, "condition": "s"},
        **changes,
    }


def hiding(rules: Any, **changes: Any) -> dict[str, Any]:
    return {
        "title": "Administrators",
        "id": "known administrators",
        "logsource": {"product": "linux"},
        "filter": {"rules": rules, "selection": {"User|startswith": "adm_"}, "condition": "selection"},
        **changes,
    }  # fmt: skip


def load(folder: Path, *documents: dict[str, Any]) -> RuleSet:
    (folder / "content.yml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return load_rules([folder], builtin=False)


def engine_of(loaded: RuleSet) -> Engine:
    assert [str(fault) for fault in loaded.faults] == []
    plan, faults = build_plan(loaded.rules, loaded.filters)
    assert not faults
    assert decode_plan(encode_plan(plan)) == plan
    return Engine(plan, ManualClock(NOW))


@pytest.mark.parametrize(
    ("rules", "hidden"),
    [
        pytest.param("any", {FIRST, SECOND}, id="any rule"),
        pytest.param([FIRST], {FIRST}, id="an id"),
        pytest.param(["name-2"], {SECOND}, id="a name"),
        pytest.param(FIRST, {FIRST}, id="one without list"),
        pytest.param([FIRST, "name-2"], {FIRST, SECOND}, id="both"),
    ],
)
def test_a_filter_hides_what_it_meets_of_the_rules_it_names(
    tmp_path: Path, rules: Any, hidden: set[str]
) -> None:
    loaded = load(tmp_path, rule(FIRST), hiding(rules), rule(SECOND))
    engine = engine_of(loaded)

    judged = engine.judged(batch(EVENTS))

    ids = [each.card.id for each in loaded.rules]
    assert {(row, ids[number]) for row, number, _ in judged.hidden} == {(0, id_) for id_ in hidden}
    assert {(row, ids[number]) for row, number in judged.hits} == {
        (row, id_) for row in (0, 1, 2) for id_ in ids if row or id_ not in hidden
    }
    found = {(ids[number], str(row)) for row, number in judged.hits}
    assert reference_hits(loaded.rules, batch(EVENTS), loaded.filters) == found
    assert "User" in engine.needed(PART)


def test_alerts_are_made_of_what_is_not_hidden_and_the_rest_is_counted(tmp_path: Path) -> None:
    engine = engine_of(load(tmp_path, rule(FIRST), hiding("any", id="a counted filter")))

    alerts = engine(batch(EVENTS))

    assert [alert.event_id for alert in alerts] == ["1", "2"]
    assert HIDDEN.labels("a counted filter")._value.get() == 1
    hidden = engine.judged(batch(EVENTS)).hidden
    assert hidden == [Hidden(0, 0, (0,))]
    assert [a.event_id for a in engine.alerts(batch(EVENTS), [h[:2] for h in hidden])] == ["0"]


def test_several_filters_of_one_rule_each_hide_theirs(tmp_path: Path) -> None:
    other = {"rules": [FIRST], "none": {"User": None}, "condition": "none"}
    loaded = load(tmp_path, rule(FIRST), hiding([FIRST]), hiding([FIRST], id="b", filter=other))

    judged = engine_of(loaded).judged(batch(EVENTS))

    assert judged.hits == [(1, 0)]
    assert judged.hidden == [Hidden(0, 0, (0,)), Hidden(2, 0, (1,))]


@pytest.mark.parametrize(
    ("logsource", "hides"),
    [
        pytest.param({"product": "linux"}, True, id="wider than the rule"),
        pytest.param({"category": "file_event"}, True, id="another side of the same events"),
        pytest.param({"product": "linux", "service": "sshd"}, False, id="other events"),
    ],
)
def test_a_filter_hides_only_in_events_of_its_log_source(
    tmp_path: Path,
    logsource: dict[str, str],
    hides: bool,  # noqa: FBT001
) -> None:
    part = Part("p", (LogSource("linux", None, "app"), LogSource("linux", "file_event", None)))
    loaded = load(tmp_path, rule(FIRST), hiding([FIRST], logsource=logsource))

    judged = engine_of(loaded).judged(batch(EVENTS[:1], part))

    assert bool(judged.hidden) is hides
    assert len(judged.hits) + len(judged.hidden) == 1
    assert (reference_hits(loaded.rules, batch(EVENTS[:1], part), loaded.filters) == set()) is hides


@pytest.mark.parametrize(
    ("searches", "condition", "hidden"),
    [
        pytest.param({"a": {"User": "bob"}, "b": {"F": "x"}}, "all of them", {1}, id="all of"),
        pytest.param({"a1": {"User": "bob"}, "a2": {"User": None}}, "1 of a*", {1, 2}, id="1 of"),
        pytest.param({"a": {"F": "x"}, "b": {"User": "bob"}}, "a and not b", {0, 2}, id="not"),
        pytest.param({"a": {"User|cased": "BOB"}}, "a", set(), id="cased"),
        pytest.param({"a": {"User|fieldref|neq": "F"}}, "a", {0, 1, 2}, id="fieldref"),
        pytest.param({"a": ["ADM_"]}, "a", {0}, id="keyword"),
        pytest.param({"a": {"@timestamp|hour": 0}}, "a", {0, 1, 2}, id="time"),
        pytest.param({"a": {"User": "bob"}, "b": {"User": None}}, ["a", "b"], {1, 2}, id="list"),
    ],
)
def test_a_filter_has_all_that_a_rule_has(
    tmp_path: Path, searches: dict[str, Any], condition: Any, hidden: set[int]
) -> None:
    written = {"rules": "any", **searches, "condition": condition}
    loaded = load(tmp_path, rule(FIRST), hiding("any", filter=written))

    judged = engine_of(loaded).judged(batch(EVENTS))

    assert {each.row for each in judged.hidden} == hidden
    assert reference_hits(loaded.rules, batch(EVENTS), loaded.filters) == {
        (FIRST, str(row)) for row in {0, 1, 2} - hidden
    }


def test_constants_of_a_part_are_seen_by_filters(tmp_path: Path) -> None:
    part = Part("p", (LogSource("linux", None, "app"),), {}, {"User": "adm_2"})
    loaded = load(tmp_path, rule(FIRST), hiding("any"))

    assert len(engine_of(loaded).judged(batch([{"F": "x"}], part)).hidden) == 1


def test_what_people_add_to_a_filter_is_kept(tmp_path: Path) -> None:
    filed = {"owner": "lan", "reason": "inventory scan", "expires": "2027-01-01"}
    loaded = load(tmp_path, rule(FIRST), hiding("any", luytre=filed, status="test"))

    assert loaded.filters[0].document.data["luytre"] == filed
    assert loaded.filters[0].title == "Administrators"
    assert not loaded.faults


SELECTION = {"User|startswith": "adm_"}


@pytest.mark.parametrize(
    ("changes", "line", "problem"),
    [
        pytest.param({"filter": ["x"]}, 15, "not a map", id="no map"),
        pytest.param({"filter": {"s": SELECTION, "condition": "s"}}, 15, '"rules"', id="no rules"),
        pytest.param(
            {"filter": {"rules": [], "s": SELECTION, "condition": "s"}}, 16, "list", id="no rule"
        ),
        pytest.param({"filter": {"rules": "any", "s": SELECTION}}, 15, "condition", id="condition"),
        pytest.param(
            {"filter": {"rules": "any", "condition": "s"}}, 15, "no search", id="searches"
        ),
        pytest.param(
            {"filter": {"rules": "any", "s": {"F|contain": "x"}, "condition": "s"}},
            18,
            "contain",
            id="modifier",
        ),
        pytest.param(
            {"filter": {"rules": "any", "s": SELECTION, "condition": "not s"}},
            19,
            "nearly everything",
            id="a condition that says what to keep",
        ),
        pytest.param(
            {"filter": {"rules": ["nobody"], "s": SELECTION, "condition": "s"}},
            17,
            '"nobody"',
            id="unknown rule",
        ),
        pytest.param(
            {
                "filter": {"rules": [FIRST], "s": SELECTION, "condition": "s"},
                "logsource": {"product": "windows"},
            },
            17,
            "is about linux",
            id="a rule of another product",
        ),
        pytest.param({"logsource": None}, 13, "not a map", id="no log source"),
        pytest.param({"title": 5}, 11, "title", id="title"),
    ],
)
def test_a_fault_names_its_line(
    tmp_path: Path, changes: dict[str, Any], line: int, problem: str
) -> None:
    first = {k: v for k, v in rule(FIRST).items() if k != "name"}
    loaded = load(tmp_path, first, hiding("any", **changes))

    assert len(loaded.rules) == 1
    assert any(f.line == line and problem in f.problem for f in loaded.faults), "\n".join(
        map(str, loaded.faults)
    )


def test_two_filters_cannot_share_an_id(tmp_path: Path) -> None:
    loaded = load(tmp_path, rule(FIRST), hiding("any"), hiding("any", title="Another"))

    assert [each.title for each in loaded.filters] == ["Administrators"]
    assert "is taken by" in loaded.faults[0].problem


def test_a_name_that_two_rules_have_is_no_reference(tmp_path: Path) -> None:
    rules = [rule(FIRST, name="twice"), rule(SECOND, name="twice")]

    loaded = load(tmp_path, *rules, hiding(["twice"]))

    assert "2 rules" in loaded.faults[0].problem


@pytest.mark.data
def test_the_filters_of_the_specification_are_read(shared_data: Any) -> None:
    files = sorted(shared_data("sigma-specification").rglob("tests/schema/filter/*.yml"))

    loaded = load_rules(files, builtin=False)

    assert len(loaded.filters) == len(files) == 2
    assert all("no rule has the id" in fault.problem for fault in loaded.faults)


@pytest.mark.parametrize(
    ("expires", "hidden"),
    [
        pytest.param(None, 1, id="never"),
        pytest.param(NOW + timedelta(microseconds=1), 1, id="just after the receipt"),
        pytest.param(NOW, 0, id="at the receipt"),
        pytest.param((NOW + timedelta(days=1)).date(), 1, id="the day after"),
        pytest.param(NOW.date(), 0, id="that day"),
    ],
)
def test_a_filter_hides_nothing_that_is_received_after_its_end(
    tmp_path: Path, expires: Any, hidden: int
) -> None:
    loaded = load(tmp_path, rule(FIRST), hiding([FIRST], expires=expires and str(expires)))
    events = batch(EVENTS)

    judged = engine_of(loaded).judged(events)

    assert len(judged.hidden) == hidden
    ids = events.events["event.id"].to_list()
    assert {(FIRST, ids[row]) for row, _ in judged.hits} == reference_hits(
        loaded.rules, events, loaded.filters
    )


def test_an_end_that_is_no_time_is_a_fault_at_its_line(tmp_path: Path) -> None:
    loaded = load(tmp_path, rule(FIRST), hiding([FIRST], expires="next week"))

    assert [(fault.line, fault.problem) for fault in loaded.faults] == [
        (22, '"expires" is no day or time')
    ]


def test_what_overrides_takes_the_place_of_what_has_its_id(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    mine = load(tmp_path / "mine", rule(FIRST, level="low"), hiding([FIRST], title="Mine"))
    load(tmp_path, rule(FIRST, level="high"), rule(SECOND), hiding([FIRST]))

    loaded = load_rules([tmp_path / "content.yml"], builtin=False, overrides=[tmp_path / "mine"])

    assert not loaded.faults
    assert [(r.card.id, r.card.level) for r in loaded.rules] == [(FIRST, "low"), (SECOND, "medium")]
    assert [each.title for each in loaded.filters] == ["Mine"]
    assert mine.rules[0].card.version == loaded.rules[0].card.version
