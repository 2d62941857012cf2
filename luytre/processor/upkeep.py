"""Retention and compaction: what keeps disks from filling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from luytre.core.health import HEALTH, Pulse
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from luytre.core.clock import Clock

FIRST_SHARE = 0.1
"""Of a task's period passes before its first turn: an office's machine is on for hours only."""

TURN_MAX_S = 3600.0
"""A task that takes longer hangs: compacting a full day's events takes minutes."""

Task = tuple[str, float, Callable[[], object]]
"""A name, how often in seconds, and what to do."""

log = get_logger("upkeep")


class Upkeep:
    """Does each task when it is due; an error ends the process: it is restarted."""

    def __init__(self, tasks: Sequence[Task], clock: Clock) -> None:
        self._tasks, self._clock = tasks, clock
        start_s = clock.monotonic_s()
        self._pulse = Pulse(clock, turn_max_s=TURN_MAX_S)
        HEALTH.ask("upkeep", self._pulse.problem)
        self._due_s = {name: start_s + every_s * FIRST_SHARE for name, every_s, _ in tasks}

    def run(self, stopped: Callable[[], bool]) -> None:
        """Run until stopped."""
        while not stopped():
            for name, every_s, do in self._tasks:
                if self._clock.monotonic_s() >= self._due_s[name]:
                    self._due_s[name] = self._clock.monotonic_s() + every_s
                    log.info("done", task=name, result=str(do()))
                    self._pulse.turned()
            self._pulse.turned()
            self._clock.sleep(0.2)

    def once(self) -> None:
        """Do every task now."""
        for name, _, do in self._tasks:
            log.info("done", task=name, result=str(do()))
