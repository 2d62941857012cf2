from pathlib import Path

import msgspec
import pytest

from playbooks.load import Loaded, load_folder
from playbooks.machine import Due, Machine, State
from playbooks.rehearse import rehearse

HERE = Path(__file__).parent
EVERY_STEP = "playbook--00000000-0000-4000-8000-000000000001"
PLAYBOOKS: dict[str, Loaded] = {p.playbook.id: p for p in load_folder(HERE)[0]}
GIVEN = {"__address__": "192.0.2.7"}


def what(due: Due) -> str:
    step = due.playbook.playbook.workflow[due.step]
    return f"{step.name}: {due.command.command}"


def play(answers: dict[str, dict[str, str]], *, restart: bool = False) -> tuple[list[str], State]:
    machine = Machine(PLAYBOOKS)
    state = machine.begin(EVERY_STEP, GIVEN)
    done = []
    while found := machine.due(state):
        due = found[0]
        name = due.playbook.playbook.workflow[due.step].name
        done.append(name)
        outputs = answers.get(name, {})
        if name == "Clean one":
            outputs = {"__left__": str(int(due.values["__left__"] or 0) - 1)}
        machine.finish(state, due, outputs=outputs)
        if restart:
            machine = Machine(PLAYBOOKS)
            state = msgspec.json.decode(msgspec.json.encode(state), type=State)
    return done, state


@pytest.mark.parametrize("restart", [False, True])
def test_every_step_is_walked_in_order(*, restart: bool) -> None:
    names, state = play({"Look at the address": {"__answer__": "bad"}}, restart=restart)

    assert names == [
        "Look at the address", "Keep the logs", "Keep the logs", "Clean one", "Clean one",
        "Clean one", "Ask the mail server", "Tell them",
    ]  # fmt: skip
    assert state.ended
    assert not state.problem


def test_an_answer_that_is_not_bad_skips_the_loop() -> None:
    names, _ = play({"Look at the address": {"__answer__": "fine"}})

    assert "Clean one" not in names


def test_two_branches_are_due_at_once_with_keys_of_their_own() -> None:
    machine = Machine(PLAYBOOKS)
    state = machine.begin(EVERY_STEP, GIVEN)

    due = machine.due(state)

    assert [what(d) for d in due] == [
        "Look at the address: Look up __address__:value", "Keep the logs: Save the log",
    ]  # fmt: skip
    assert len({d.key for d in due}) == 2
    assert [d.key for d in machine.due(state)] == [d.key for d in due]


def test_keys_never_repeat_within_a_run() -> None:
    machine = Machine(PLAYBOOKS)
    state = machine.begin(EVERY_STEP, GIVEN)
    keys = []
    while found := machine.due(state):
        due = found[0]
        keys.append(due.key)
        left = int(due.values.get("__left__") or 0) - 1
        machine.finish(state, due, outputs={"__answer__": "bad", "__left__": str(left)})

    assert len(keys) == len(set(keys)) == 8


def test_a_failure_takes_the_way_of_on_failure() -> None:
    machine = Machine(PLAYBOOKS)
    state = machine.begin(EVERY_STEP, GIVEN)
    keep = machine.due(state)[1]

    assert machine.may_fail(state, keep)
    machine.finish(state, keep, failed=True)

    assert [what(d) for d in machine.due(state)] == [
        "Look at the address: Look up __address__:value"
    ]


def test_a_loop_that_never_ends_is_stopped() -> None:
    machine = Machine(PLAYBOOKS)
    state = machine.begin(EVERY_STEP, GIVEN)
    turns = 0
    while not state.problem and not state.ended:
        for due in machine.due(state):
            turns += 1
            machine.finish(state, due, outputs={"__answer__": "bad"})

    assert "turned 1000 times" in state.problem
    assert turns < 1010


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param({"__nobody__": "1"}, "no external variable", id="unknown"),
        pytest.param({"__limit__": "9"}, "no external variable", id="not external"),
        pytest.param({"__address__": "$(id)"}, "is no ipv4-addr", id="another type"),
    ],
)
def test_refuses_values(given: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Machine(PLAYBOOKS).begin(EVERY_STEP, given)


def test_an_unknown_inner_playbook_is_a_problem_that_is_told() -> None:
    alone = {EVERY_STEP: PLAYBOOKS[EVERY_STEP]}

    assert "nobody has it" in rehearse(alone, EVERY_STEP, GIVEN).problem


def test_a_rehearsal_takes_the_way_that_does_most_and_loops_once() -> None:
    outcome = rehearse(PLAYBOOKS, EVERY_STEP, GIVEN, "vi")

    assert not outcome.problem
    assert [line.name for line in outcome.lines] == [
        "Xem địa chỉ", "Keep the logs", "Keep the logs", "Clean one", "Ask the mail server",
        "Tell them",
    ]  # fmt: skip
    assert outcome.lines[0].what == "Tra cứu 192.0.2.7"
    assert outcome.lines[-1].what == "Tell them of 192.0.2.7"
