"""When steps begin and by when they must be over: CACAO's delay and timeout."""

import copy
from pathlib import Path
from typing import Any

import pytest

from luytre.core.config_playbooks import PlaybooksConfig
from luytre.core.errors import Refused
from luytre.core.yamlfile import Document
from playbooks.load import read_playbook
from tests.playbooks.case import House, action, manual, ours, playbook
from tests.playbooks.doing import HERE
from tests.playbooks.servers import web
from tests.playbooks.world import BLOCK, LAN, NAM, TELL, World

HOUR_MS = 3_600_000


def test_a_delayed_step_begins_at_its_time_and_asks_as_ever(house: House, world: World) -> None:
    loaded = playbook({**BLOCK, "delay": HOUR_MS}, {**manual("Look"), "delay": HOUR_MS})
    run = house.start(loaded, LAN)
    house.work()
    assert house.states(run) == ["waiting"]

    house.clock.advance(3601)
    house = house.restarted()
    house.work()
    assert house.states(run) == ["approval"]
    house.runs.approve(NAM, run, house.steps(run)[0].key, agree=True)
    house.work()
    assert house.states(run) == ["done", "waiting"]
    house.clock.advance(3601)
    house.work()

    assert house.states(run) == ["done", "asked"]
    assert world.blocked == 2


@pytest.mark.parametrize(
    ("command", "before"),
    [
        pytest.param(manual("Look"), "asked", id="a person has not done it"),
        pytest.param(BLOCK, "approval", id="nobody has agreed"),
        pytest.param(ours("wait", minutes=300), "waiting", id="it waits for longer"),
    ],
)
def test_a_step_that_is_not_over_in_its_time_goes_on_as_failed(
    house: House, world: World, command: dict[str, Any], before: str
) -> None:
    loaded = playbook({**command, "timeout": HOUR_MS, "on_failure": action(1)}, TELL)
    run = house.start(loaded, LAN)
    house.clock.advance(3599)
    house.work()
    assert house.states(run) == [before]

    house.clock.advance(2)
    house = house.restarted()
    house.work()

    assert house.states(run) == ["failed", "done"]
    assert house.steps(run)[0].result == f"ACTION_TIMEOUT: {action(0)} was not over in its time"
    assert world.blocked == 0
    with pytest.raises(Refused, match="is failed"):
        house.runs.approve(NAM, run, house.steps(run)[0].key, agree=True)


def test_without_a_way_on_it_stands_and_a_new_try_has_its_time_anew(house: House) -> None:
    run = house.start(playbook({**manual("Look"), "timeout": HOUR_MS}, TELL), LAN)
    house.clock.advance(3601)
    house.work()
    assert house.states(run) == ["failed"]
    key = house.steps(run)[0].key

    house.runs.decide(NAM, run, key, "again")
    house.clock.advance(3000)
    house.work()
    assert house.states(run) == ["asked"]
    house.runs.answer(LAN, run, key, {})
    house.work()

    assert house.states(run) == ["done", "done"]


def test_the_time_counts_after_the_delay_and_for_all_commands_of_a_step(house: House) -> None:
    loaded = playbook({**manual("One"), "timeout": HOUR_MS, "delay": HOUR_MS, "on_failure": action(1)}, manual("Lost"))  # fmt: skip
    document = copy.deepcopy(loaded.document.data)
    document["workflow"][action(0)]["commands"].append(manual("Two"))
    two, faults = read_playbook(Document(Path("two.yml"), document))
    assert two is not None, faults
    run = house.start(two, LAN)
    house.clock.advance(3600 + 1800)
    house.work()
    assert house.states(run) == ["asked"]
    house.runs.answer(LAN, run, house.steps(run)[0].key, {})
    house.clock.advance(1700)
    house.work()
    assert house.states(run) == ["done", "asked"]
    house.clock.advance(101)
    house.work()

    assert house.states(run) == ["done", "failed", "asked"]


def test_what_is_done_late_was_done(house: House, tmp_path: Path) -> None:
    def slow(*_request: Any) -> tuple[int, bytes]:
        house.clock.advance(10)
        return 200, b""

    with web(slow) as server:
        there = {"name": "duty", "url": f"{server.url}/duty", "networks": HERE}
        settings = PlaybooksConfig.model_validate({"channels": (there,)})
        house = House(tmp_path / "slow", settings)
        run = house.start(playbook({**TELL, "timeout": 5_000}, manual("Look")), LAN)
        house.work()

    assert house.states(run) == ["done", "asked"]
