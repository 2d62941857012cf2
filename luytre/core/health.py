"""Is this process well: what it says of itself, asked over HTTP at ``/healthz``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from luytre.core.clock import Clock

TURN_MAX_S = 90.0
"""A loop that is away for longer hangs; its longest turn is one flush of the archive."""


class Health:
    """Questions by name, each answered with a problem or nothing."""

    def __init__(self) -> None:
        self._questions: dict[str, Callable[[], str]] = {}

    def ask(self, name: str, question: Callable[[], str]) -> None:
        """Ask ``question`` from now on: it returns what is wrong, or nothing. Threads call it."""
        self._questions[name] = question

    def problems(self) -> Mapping[str, str]:
        """Ask everything; a question that fails is a problem too."""
        found = {name: _answer(question) for name, question in list(self._questions.items())}
        return {name: problem for name, problem in found.items() if problem}


def _answer(question: Callable[[], str]) -> str:
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, this process is not well
        return f"{type(error).__name__}: {error}"


HEALTH = Health()
"""Of this process."""


class Pulse:
    """Tells whether a loop comes round, and is not held up by what it writes to."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._held_up = clock, ""
        self._turned_s = clock.monotonic_s()

    def turned(self) -> None:
        """Say that a turn is done, with all that it had to write."""
        self._turned_s, self._held_up = self._clock.monotonic_s(), ""

    def held_up(self, reason: str) -> None:
        """Say that a turn cannot go on."""
        self._held_up = reason

    def problem(self) -> str:
        """Return what is wrong, or nothing."""
        if self._held_up:
            return self._held_up
        quiet_s = self._clock.monotonic_s() - self._turned_s
        return f"it did not come round for {quiet_s:.0f} s" if quiet_s > TURN_MAX_S else ""
