"""Tasks are done when they are due, early after a start, and an error ends the process."""

from datetime import timedelta

import pytest

from luytre.core.clock import ManualClock
from luytre.core.errors import NeighbourError
from luytre.processor.upkeep import Upkeep


def test_every_task_has_its_own_period() -> None:
    clock = ManualClock()
    done: list[str] = []
    start = clock.now()
    tasks = [("often", 100.0, lambda: done.append("often"))]
    tasks.append(("seldom", 1000.0, lambda: done.append("seldom")))

    Upkeep(tasks, clock).run(lambda: clock.now() - start > timedelta(seconds=1050))

    assert done.count("often") == 11
    assert done.count("seldom") == 1


def test_the_first_turn_comes_early() -> None:
    clock = ManualClock()
    done: list[float] = []
    work = Upkeep([("seldom", 3600.0, lambda: done.append(clock.monotonic_s()))], clock)

    work.run(lambda: bool(done))

    assert 360 <= done[0] < 361


def test_once_does_everything_now() -> None:
    done: list[str] = []
    tasks = [(name, 3600.0, lambda name=name: done.append(name)) for name in ("a", "b")]

    Upkeep(tasks, ManualClock()).once()

    assert done == ["a", "b"]


def test_an_error_is_not_swallowed() -> None:
    def fail() -> None:
        raise NeighbourError("the disk is full")

    with pytest.raises(NeighbourError, match="full"):
        Upkeep([("fails", 10.0, fail)], ManualClock()).run(lambda: False)
