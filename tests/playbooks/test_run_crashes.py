from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.case import House, manual, playbook
from tests.playbooks.world import BLOCK, LAN, NAM, TELL, World


class Dies(BaseException):
    """The process ends here, as kill -9 would end it."""


def die_in(house: House, monkey: pytest.MonkeyPatch, *, after: bool) -> None:
    """Let the process die right before or right after an action is done."""
    perform = house.actions.perform

    def dying(*given: Any) -> Any:
        if after:
            perform(*given)
        raise Dies

    monkey.setattr(house.actions, "perform", dying)


@pytest.mark.parametrize("after", [False, True], ids=["before the deed", "after the deed"])
def test_a_crash_leaves_what_may_not_be_repeated_unknown(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    house = House(tmp_path, world.settings(approvals={}))
    run = house.start(playbook(TELL, manual("Look")), LAN)
    die_in(house, monkeypatch, after=after)
    with pytest.raises(Dies):
        house.work()

    house = house.restarted()
    house.work()
    assert house.states(run) == ["unknown"]
    assert len(world.chat.requests) == after

    house.runs.decide(LAN, run, house.steps(run)[0].key, "happened" if after else "again")
    house.work()
    assert house.states(run) == ["done", "asked"]
    assert len(world.chat.requests) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before the deed", "after the deed"])
def test_a_crash_repeats_what_may_be_repeated(
    house: House, world: World, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    run = house.start(playbook(BLOCK), LAN)
    house.runs.approve(NAM, run, house.steps(run)[0].key, agree=True)
    die_in(house, monkeypatch, after=after)
    with pytest.raises(Dies):
        house.work()

    house = house.restarted()
    house.work()

    assert house.states(run) == ["done"]
    assert world.blocked == 2
