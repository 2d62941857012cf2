from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from luytre.audit.book import LogQuery
from luytre.core.errors import Forbidden, Refused
from luytre.core.health import Health
from luytre.core.organization import Scope
from playbooks import runner
from tests.playbooks.case import House, manual, ours, person, playbook
from tests.playbooks.servers import web
from tests.playbooks.world import BLOCK, ISOLATE, LAN, MAI, NAM, TELL, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_person_and_the_loop_take_turns_to_the_end(house: House, world: World) -> None:
    variables = {"__who__": {"type": "string"}}
    loaded = playbook(
        manual("Look", "__who__"), TELL, manual("Ask __who__:value"), playbook_variables=variables
    )
    run = house.start(loaded, LAN)
    assert house.states(run) == ["asked"]

    house.runs.answer(LAN, run, house.steps(run)[0].key, {"__who__": "Bình"})
    assert house.states(run) == ["done", "ready"]
    house.work()
    assert [path for _, path, _, _ in world.chat.requests] == ["/duty"]
    assert house.steps(run)[2].what == "Ask Bình"
    house.runs.answer(NAM, run, house.steps(run)[2].key, {}, note="asked by telephone")

    assert house.states(run) == ["done", "done", "done"]
    assert house.run(run.id).status == "done"


def test_everything_is_in_the_history_under_who_did_it(house: House) -> None:
    run = house.start(playbook(manual("Look"), BLOCK), LAN)
    house.runs.answer(NAM, run, house.steps(run)[0].key, {})
    house.runs.approve(MAI, run, house.steps(run)[1].key, agree=True, note="seen")
    house.work()

    entries = house.cases.book.find(
        LogQuery(subject=f"run:{run.id}", limit=100), Scope.everything()
    )
    did = [(e.entry["actor"]["user"], e.entry["action"]) for e in reversed(entries)]
    assert did[0] == ("lan", "run.start")
    assert ("nam", "run.answer") in did
    assert ("mai", "run.approve") in did
    assert [a for u, a in did if u == "luytre:respond"] == ["run.step"] * 3
    assert len({e.entry["change"] for e in entries}) == 1


def test_an_answer_must_be_whole_and_fit(house: House) -> None:
    variables = {"__n__": {"type": "integer"}}
    run = house.start(playbook(manual("Count", "__n__"), playbook_variables=variables), LAN)
    key = house.steps(run)[0].key

    for outputs in ({}, {"__n__": "many"}, {"__n__": "1", "__x__": "2"}):
        with pytest.raises(Refused):
            house.runs.answer(LAN, run, key, outputs)

    assert house.states(run) == ["asked"]


def test_an_approval_waits_for_days_and_over_restarts(house: House, world: World) -> None:
    run = house.start(playbook(BLOCK), LAN)
    for _ in range(5):
        house.clock.advance(2 * 86_400)
        house = house.restarted()
        house.work()
        assert house.states(run) == ["approval"]
    assert world.blocked == 0

    house.runs.approve(NAM, run, house.steps(run)[0].key, agree=True)
    house = house.restarted()
    house.work()

    assert house.states(run) == ["done"]
    assert world.blocked == 2


def test_what_cuts_people_off_needs_two_different_people(house: House, world: World) -> None:
    run = house.start(playbook(ISOLATE), LAN)
    key = house.steps(run)[0].key

    house.runs.approve(NAM, run, key, agree=True)
    with pytest.raises(Refused, match="answered already"):
        house.runs.approve(NAM, run, key, agree=True)
    house.work()
    assert house.states(run) == ["approval"]
    assert not world.edr.requests
    house.runs.approve(MAI, run, key, agree=True)
    house.work()

    assert house.states(run) == ["done"]
    assert len(world.edr.requests) == 1


def test_one_no_is_enough_and_a_new_round_asks_everybody_again(house: House, world: World) -> None:
    run = house.start(playbook(ISOLATE, manual("Look")), LAN)
    key = house.steps(run)[0].key
    house.runs.approve(NAM, run, key, agree=True)
    house.runs.approve(MAI, run, key, agree=False, note="that is the mail server")
    assert house.states(run) == ["refused"]

    house.runs.decide(LAN, run, key, "again")
    house.runs.approve(NAM, run, key, agree=True)
    assert house.states(run) == ["approval"]
    house.runs.decide(LAN, run, key, "skip", "done by hand")

    assert house.states(run) == ["skipped", "asked"]
    house.work()
    assert not world.edr.requests


@pytest.mark.parametrize(
    ("actor", "doing"),
    [
        pytest.param(person("aud", "auditor"), "start", id="auditors start nothing"),
        pytest.param(person("far", organizations=("so-y-te",)), "start", id="not for others"),
        pytest.param(person("aud", "auditor"), "approve", id="auditors agree to nothing"),
        pytest.param(
            person("far", organizations=("so-y-te",)), "approve", id="not for others' runs"
        ),
        pytest.param(person("loop", "service"), "approve", id="no loop agrees"),
        pytest.param(person("loop", "service"), "undo", id="no loop takes back"),
    ],
)
def test_who_may_not(house: House, actor: Any, doing: str) -> None:
    run = house.start(playbook(BLOCK), LAN)
    before = house.cases.book.size()

    if doing == "undo":
        house.runs.approve(NAM, run, house.steps(run)[0].key, agree=True)
        house.work()
    tries: dict[str, Callable[[], object]] = {
        "start": lambda: house.start(playbook(BLOCK), actor),
        "approve": lambda: house.runs.approve(actor, run, house.steps(run)[0].key, agree=True),
        "undo": lambda: house.runs.undo(actor, run),
    }
    with pytest.raises(Forbidden):
        tries[doing]()

    assert [r.id for r in house.runs.rows.runs(Scope.everything())] == [run.id]
    assert house.cases.book.size() >= before
    assert house.states(run) in (["approval"], ["done"])


def test_a_silent_counterpart_leaves_unknown_and_a_no_leaves_failed(
    world: World, tmp_path: Path
) -> None:
    for status, state in ((500, "unknown"), (404, "failed")):
        with web(lambda *_, status=status: (status, b"")) as edr:
            world.edr = edr
            house = House(tmp_path / state, world.settings())
            run = house.start(playbook(ISOLATE), LAN)
            for someone in (NAM, MAI):
                house.runs.approve(someone, run, house.steps(run)[0].key, agree=True)
            house.work()

            assert house.states(run) == [state]
            assert house.run(run.id).status == "running"
            assert len(edr.requests) == 1


def test_a_failure_goes_the_playbooks_own_way(house: House) -> None:
    failing = {
        **ours("block-address", address="203.0.113.9", firewall="none"),
        "on_failure": "end--00000000-0000-4000-8000-000000000002",
    }
    run = house.start(playbook(failing, manual("Never")), LAN)

    assert house.states(run) == ["failed"]
    assert house.run(run.id).status == "done"


def test_what_must_never_be_touched_fails_before_anybody_is_asked(
    world: World, tmp_path: Path
) -> None:
    house = House(tmp_path, world.settings(never_touch={"addresses": ["203.0.113.0/24"]}))

    run = house.start(playbook(BLOCK), LAN)

    assert house.states(run) == ["failed"]
    assert "must never be touched" in house.steps(run)[0].result
    with pytest.raises(Refused, match="would fail again"):
        house.runs.decide(LAN, run, house.steps(run)[0].key, "again")


def test_what_becomes_forbidden_while_it_waits_is_not_done(world: World, tmp_path: Path) -> None:
    house = House(tmp_path, world.settings())
    run = house.start(playbook(BLOCK), LAN)
    house.runs.approve(NAM, run, house.steps(run)[0].key, agree=True)
    house.settings = world.settings(never_touch={"addresses": ["203.0.113.9"]})
    house = house.restarted()
    house.work()

    assert house.states(run) == ["failed"]
    assert world.blocked == 0


def test_changes_are_taken_back_newest_first_and_once(house: House, world: World) -> None:
    run = house.start(playbook(BLOCK, ISOLATE, manual("Look")), LAN)
    house.runs.approve(NAM, run, house.steps(run)[0].key, agree=True)
    house.work()
    for someone in (NAM, MAI):
        house.runs.approve(someone, run, house.steps(run)[1].key, agree=True)
    house.work()
    assert [s.action for s in house.runs.undoable(run)] == ["block-address", "isolate-host"]

    keys = house.runs.undo(LAN, run)
    assert [house.runs.rows.step(run.id, k).action for k in keys] == [
        "release-host",
        "unblock-address",
    ]
    with pytest.raises(Refused, match="no change to take back"):
        house.runs.undo(LAN, run)
    for key in keys:
        house.runs.approve(NAM, run, key, agree=True)
    house.work()

    assert [s.state for s in house.steps(run) if s.undoes] == ["done", "done"]
    assert world.blocked == 0
    assert [body["action"] for _, _, _, body in world.edr.requests] == ["isolate", "release"]
    assert house.run(run.id).status == "running"


def test_an_ended_run_can_still_be_taken_back(house: House, world: World) -> None:
    run = house.start(playbook(BLOCK), LAN)
    house.runs.approve(NAM, run, house.steps(run)[0].key, agree=True)
    house.work()
    assert house.run(run.id).status == "done"

    key = house.runs.undo(LAN, run)[0]
    house.runs.approve(NAM, run, key, agree=True)
    house.work()

    assert world.blocked == 0


def test_a_wait_ends_at_its_time_over_restarts(house: House) -> None:
    run = house.start(playbook(ours("wait", minutes=90), manual("Look")), LAN)
    house.clock.advance(80 * 60)
    house = house.restarted()
    house.work()
    assert house.states(run) == ["waiting"]

    house.clock.advance(11 * 60)
    house = house.restarted()
    house.work()

    assert house.states(run) == ["done", "asked"]


def test_a_loop_that_cannot_write_says_so_until_it_can(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health()
    monkeypatch.setattr(runner, "HEALTH", health)
    house = house.restarted()
    runs = [house.start(playbook(ours("wait", minutes=90)), LAN) for _ in range(2)]
    house.work()
    house.clock.advance(91 * 60)
    away = house.folder / "away"
    (house.folder / "signer").rename(away)  # the disk with the key is not there

    house.runner.run(partial(next, iter([False, True])))
    assert list(health.problems()) == ["respond"]
    # The first change is made before the signature; none is made on top of it.
    assert sorted(state for run in runs for state in house.states(run)) == ["done", "waiting"]

    away.rename(house.folder / "signer")
    house.runner.run(partial(next, iter([False, True])))
    assert health.problems() == {}
    assert [house.states(run) for run in runs] == [["done"], ["done"]]


def test_people_are_reminded_and_somebody_else_is_told_when_it_takes_long(
    house: House, world: World
) -> None:
    run = house.start(playbook(BLOCK), LAN)
    for _ in range(10):
        house.clock.advance(30 * 60)
        house = house.restarted()
        house.work()

    told = [path for _, path, _, _ in world.chat.requests]
    assert told == ["/duty"] * 4 + ["/lead"] * 2
    assert all("203.0.113.9" not in str(body) for *_, body in world.chat.requests)
    assert house.states(run) == ["approval"]


def test_clocks_run_from_the_beginning_and_are_stopped(house: House) -> None:
    run = house.start(
        playbook(
            manual("Look"),
            ours("start-clock", clock="report-72h"),
            manual("Send"),
            ours("stop-clock", clock="report-72h"),
        ),
        LAN,
    )
    house.clock.advance(3600)
    house.runs.answer(LAN, run, house.steps(run)[0].key, {})
    house.work()
    assert house.clocks(run) == [("incident-report", False)]
    house.clock.advance(70 * 3600)
    house.runs.answer(LAN, run, house.steps(run)[2].key, {})
    house.work()

    assert house.clocks(run) == [("incident-report", True)]
    assert house.run(run.id).status == "done"


def test_a_stopped_run_does_nothing_more(house: House, world: World) -> None:
    run = house.start(playbook(BLOCK, TELL), LAN)
    house.runs.decide(NAM, run, house.steps(run)[0].key, "stop", "wrong alarm")
    house.work()

    assert house.run(run.id).status == "stopped"
    assert house.states(run) == ["skipped"]
    assert world.blocked == 0
    with pytest.raises(Refused):
        house.runs.approve(MAI, run, house.steps(run)[0].key, agree=True)


def test_a_run_keeps_the_playbook_it_began_with(house: House) -> None:
    run = house.start(playbook(manual("Old"), manual("Old too")), LAN)
    house.start(playbook(manual("New")), LAN)
    house = house.restarted()
    house.runs.answer(LAN, run, house.steps(run)[0].key, {})

    assert house.steps(run)[1].what == "Old too"


def test_an_action_that_breaks_leaves_its_step_unknown(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, world.settings(approvals={}))
    run = house.start(playbook(TELL), LAN)

    def breaks(*_given: Any) -> Any:
        raise ZeroDivisionError("no")

    monkeypatch.setattr(house.actions, "perform", breaks)
    house.work()

    assert house.states(run) == ["unknown"]
    assert "ZeroDivisionError" in house.steps(run)[0].result


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        pytest.param({"revoked": True}, "is revoked", id="revoked"),
        pytest.param({"valid_until": "2023-12-31T23:59:59.999Z"}, "was valid until", id="over"),
        pytest.param({"valid_from": "2099-01-01T00:00:00.000Z"}, "is valid from", id="to come"),
    ],
)
def test_a_playbook_that_does_not_hold_now_is_not_started(
    house: House, extra: dict[str, Any], problem: str
) -> None:
    with pytest.raises(Refused, match=problem):
        house.start(playbook(manual("Look"), **extra), LAN)

    assert not house.runs.rows.runs(Scope.everything())
