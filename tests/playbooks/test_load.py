import copy
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from luytre.core.yamlfile import Document
from playbooks.jsonfile import read_json
from playbooks.load import load_folder, load_playbook, read_playbook, to_json, to_yaml
from playbooks.rehearse import rehearse

HERE = Path(__file__).parent
EVERY_STEP = HERE / "every_step.yml"
EXAMPLE: dict[str, Any] = yaml.safe_load(EVERY_STEP.read_text())
LOOK = "action--00000000-0000-4000-8000-000000000021"
END = "end--00000000-0000-4000-8000-000000000019"
REFUSED = {
    "identity-object.json": (2, "type"),
    "changed-playbook.json": (31, "workflow"),
    "infinite_playbook.json": (91, "leads back to itself"),
    "invalid_email_playbook.json": (49, "is no e-mail address"),
    "invalid_playbook.json": (31, "is of type invalid"),
    "missing_step_playbook.json": (82, "no step is named"),
}


def changed(*place: str | int, value: Any) -> dict[str, Any]:
    result = copy.deepcopy(EXAMPLE)
    inner: Any = result
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return result


def test_a_playbook_of_every_step_has_nothing_to_remark() -> None:
    loaded, faults = load_playbook(EVERY_STEP)

    assert not faults
    assert loaded is not None
    assert not loaded.remarks
    assert {s.type for s in loaded.playbook.workflow.values()} == {
        "start", "end", "action", "playbook-action", "parallel", "if-condition",
        "while-condition", "switch-condition",
    }  # fmt: skip
    assert loaded.words("vi", LOOK)[0] == "Xem địa chỉ"
    assert loaded.words("en", LOOK)[0] == "Look at the address"


@pytest.mark.data
def test_published_playbooks_come_in_and_leave_equal(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("playbooks")
    paths = [path for part in ("oasis-cacao", "soarca") for path in (folder / part).rglob("*.json")]
    refused, walked = {}, {}
    for path in paths:
        loaded, faults = load_playbook(path)
        if loaded is None:
            refused[path.name] = faults
            continue
        again, _ = load_playbook(Path("x.yml"), to_yaml(loaded.document).encode())
        assert again is not None
        assert json.loads(to_json(again.document)) == json.loads(path.read_text())
        outcome = rehearse({loaded.playbook.id: again}, loaded.playbook.id, {})
        assert not outcome.problem
        walked[path.name] = len(outcome.lines)

    assert len(paths) == 13
    assert set(refused) == set(REFUSED)
    assert walked["locky-bart-mbc-examples.json"] == 9
    assert all(walked.values())
    for name, (line, problem) in REFUSED.items():
        assert any(f.line == line and problem in f.problem for f in refused[name])


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param(changed("workflow_start", value=LOOK[:-1] + "9"), "no step is named", id="unknown start"),
        pytest.param(changed("workflow", LOOK, "on_completion", value=END[:-1] + "8"), "no step is named", id="unknown step"),
        pytest.param(changed("workflow", LOOK, "on_completion", value=LOOK), "leads back to itself", id="a cycle of one"),
        pytest.param(changed("workflow", END, "on_completion", value="start--00000000-0000-4000-8000-000000000010"), "leads back to itself", id="a long cycle"),
        pytest.param(changed("workflow", LOOK, "commands", 0, "command", value="see __nobody__:value"), "no variable is named __nobody__", id="missing variable"),
        pytest.param(changed("workflow", LOOK, "out_args", value=["__nobody__"]), "no variable is named __nobody__", id="missing output"),
        pytest.param(changed("workflow", LOOK, "agent", value="group--00000000-0000-4000-8000-00000000000f"), "no agent is named", id="missing agent"),
        pytest.param(changed("workflow", LOOK, "commands", value=[]), "at least 1 item", id="no command"),
        pytest.param(changed("workflow", LOOK, "type", value="script"), "script", id="unknown kind of step"),
        pytest.param(changed("playbook_variables", "__left__", "value", value="three"), "is no integer", id="wrong type"),
        pytest.param(changed("playbook_variables", "__address__", "value", value="999.1.1.1"), "is no ipv4-addr", id="no address"),
        pytest.param(changed("playbook_variables", "left", value={"type": "string"}), "pattern", id="name without marks"),
        pytest.param(changed("id", value="playbook--1"), "no identifier", id="bad id"),
        pytest.param(changed("created", value="yesterday"), "is no time", id="bad time"),
        pytest.param(changed("valid_until", value="2026-13-45T08:00:00.000Z"), "is no time", id="no day of the calendar"),
        pytest.param(changed("priority", value=101), "less than or equal to 100", id="priority"),
        pytest.param(changed("priority", value="3"), "valid integer", id="a number as text"),
        pytest.param(changed("spec_version", value="cacao-1.1"), "cacao-2.0", id="older CACAO"),
        pytest.param(changed("workflow", "if-condition--00000000-0000-4000-8000-000000000012", "condition", value="__answer__:value MATCHES 'a+'"), "comparison", id="regular expression"),
        pytest.param(changed("playbook_extensions", "extension-definition--6f1c9d2e-4a0b-5c7e-9d33-1b5e0a7c2f48", "family", value="WP"), "family", id="slip in our extension"),
        pytest.param([], "not a mapping", id="a list"),
    ],
)  # fmt: skip
def test_refuses(document: Any, problem: str) -> None:
    loaded, faults = read_playbook(Document(Path("p.yml"), document))

    assert loaded is None
    assert any(problem in fault.problem for fault in faults), faults


def test_every_fault_is_told_at_once_with_its_line() -> None:
    text = EVERY_STEP.read_text()
    text = text.replace("priority: 3", "priority: 300").replace("severity: 70", "severity: x")

    _, faults = load_playbook(Path("p.yml"), text.encode())

    lines = text.splitlines()
    assert [lines[f.line - 1] for f in faults] == ["priority: 300", "severity: x"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        pytest.param("p.yml", b"a: &x [1]\nb: *x\n", "anchors", id="YAML alias"),
        pytest.param("p.yml", b"a: !!python/object:os.system {}\n", "tag", id="YAML tag"),
        pytest.param("p.yml", b"created: 2026-01-01\n", "date to YAML", id="YAML date"),
        pytest.param("p.yml", b"1: x\n", "no text", id="number as key"),
        pytest.param("p.yml", b"", "empty", id="nothing"),
        pytest.param("p.json", b"{" * 40, "deeper", id="deep JSON"),
        pytest.param("p.json", b"[" * 100_000, "deeper", id="very deep JSON"),
        pytest.param("p.json", b"[" + b"1," * 60_000 + b"1]", "nodes", id="wide JSON"),
        pytest.param("p.json", b'{"a": 1,\n"a": 2}', "there twice", id="doubled key"),
        pytest.param("p.json", b'{"a": NaN}', "no JSON number", id="NaN"),
        pytest.param("p.json", b'{"a": 1e999}', "not JSON", id="infinite"),
        pytest.param("p.json", b'{"a": "\\ud800"}', "surrogate", id="half a character"),
        pytest.param("p.json", b'{"a": }', "not JSON", id="broken JSON"),
        pytest.param("p.json", b"\xff", "not UTF-8", id="not UTF-8"),
        pytest.param("p.json", b" " * (1024 * 1024 + 1), "larger", id="large"),
    ],
)
def test_refuses_before_reading(name: str, content: bytes, problem: str) -> None:
    loaded, faults = load_playbook(Path(name), content)

    assert loaded is None
    assert any(problem in fault.problem for fault in faults), faults


def test_refuses_parallel_steps_that_multiply() -> None:
    """Eight steps of eight branches each would be sixteen million executions."""
    steps = [f"parallel--00000000-0000-4000-8000-{n:012}" for n in range(9)]
    workflow: dict[str, Any] = {
        step: {"type": "parallel", "next_steps": [way] * 8} for step, way in pairwise(steps)
    }
    workflow[steps[-1]] = {"type": "parallel", "next_steps": [END]}
    workflow[END] = {"type": "end"}
    document = {**EXAMPLE, "workflow": workflow, "workflow_start": steps[0]}

    loaded, faults = read_playbook(Document(Path("p.yml"), document))

    assert loaded is None
    assert "more than 10000 steps" in faults[0].problem


def test_the_same_id_twice_is_a_fault(tmp_path: Path) -> None:
    for name in ("a.yml", "b.yml"):
        (tmp_path / name).write_text(EVERY_STEP.read_text())

    found, faults = load_folder(tmp_path)

    assert len(found) == 1
    assert "has the id of" in faults[0].problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
@settings(max_examples=200)
def test_whatever_others_add_survives_yaml_and_json(extra: Any) -> None:
    document = {**EXAMPLE, "x_theirs": extra}
    loaded, faults = load_playbook(Path("p.json"), json.dumps(document).encode())
    assert loaded is not None, faults

    again, faults = load_playbook(Path("p.yml"), to_yaml(loaded.document).encode())

    assert again is not None, faults
    assert json.loads(to_json(again.document)) == document


@given(st.recursive(st.integers() | st.text("ab", max_size=2), lambda i: st.lists(i, max_size=3) | st.dictionaries(st.text('a"\\', max_size=3), i, max_size=3), max_leaves=10), st.integers(0, 2))  # fmt: skip
def test_every_json_value_has_the_line_it_stands_on(value: Any, indent: int) -> None:
    text = json.dumps({"x": value}, indent=indent)

    document, faults = read_json(Path("p.json"), text.encode())

    assert document is not None, faults
    places = _places({"x": value}, ())
    assert set(document.lines) == places
    assert document.line(("x",)) == 2


def _places(value: Any, place: tuple[str | int, ...]) -> set[tuple[str | int, ...]]:
    found = {place}
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        found |= _places(inner, (*place, key))
    return found


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        pytest.param({"command": "block-adress"}, 'did you mean "block-address"', id="unknown action"),
        pytest.param({"command": "block-address"}, "address: Field required", id="argument missing"),
        pytest.param({"command": "block-address", "arguments": {"address": "10.0.0.0/8"}}, "is no address", id="bad value"),
        pytest.param({"command": "block-address", "arguments": {"address": "__address__:value", "adress": "x"}}, "adress: Extra", id="unknown argument"),
        pytest.param({"command": "block-address", "arguments": {"address": "__nobody__:value"}}, "no variable is named", id="unknown variable"),
        pytest.param({"command": "wait", "arguments": {"minutes": "5"}}, "minutes", id="a number as text"),
        pytest.param({}, "names its action", id="no action"),
    ],
)  # fmt: skip
def test_refuses_what_an_action_would_refuse(command: dict[str, Any], problem: str) -> None:
    document = changed("workflow", LOOK, "commands", value=[{"type": "luytre", **command}])

    loaded, faults = read_playbook(Document(Path("p.yml"), document))

    assert loaded is None
    assert any(problem in str(fault) for fault in faults), faults


def test_what_a_variable_will_hold_is_checked_when_it_is_known() -> None:
    command = {
        "type": "luytre",
        "command": "block-address",
        "arguments": {"address": "__address__:value", "minutes": 60},
    }

    loaded, faults = read_playbook(
        Document(Path("p.yml"), changed("workflow", LOOK, "commands", value=[command]))
    )

    assert loaded is not None, faults
