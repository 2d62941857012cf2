"""Is this process well: what it says of itself, asked over HTTP at ``/healthz``."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from luytre.core.clock import Clock

TURN_MAX_S = 90.0
"""A loop that is away for longer hangs; its longest turn is one flush of the archive."""
ANSWER_MAX_S = 5.0
"""A question that takes longer is a problem itself: a broker that does not answer, a dead disk."""


class Health:
    """Questions by name, each answered with a problem or nothing."""

    def __init__(self, *, answer_max_s: float = ANSWER_MAX_S) -> None:
        self._questions: dict[str, _Question] = {}
        self._answer_max_s = answer_max_s

    def ask(self, name: str, question: Callable[[], str]) -> None:
        """Ask ``question`` from now on: it returns what is wrong, or nothing. Threads call it."""
        self._questions[name] = _Question(question)

    def problems(self) -> Mapping[str, str]:
        """Ask everything at once; a question that fails, or hangs, is a problem too."""
        asked = dict(self._questions)
        until_s = time.monotonic() + self._answer_max_s
        for question in asked.values():
            question.begin()
        found = {name: question.answer(until_s) for name, question in asked.items()}
        return {name: problem for name, problem in found.items() if problem}


class _Question:
    """One question. While it hangs it is not asked again: threads would pile up."""

    def __init__(self, question: Callable[[], str]) -> None:
        self._question, self._said = question, ""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._began_s = 0.0

    def begin(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._began_s = time.monotonic()
                self._thread = threading.Thread(target=self._run, name="health", daemon=True)
                self._thread.start()

    def answer(self, until_s: float) -> str:
        assert self._thread is not None
        self._thread.join(max(0.0, until_s - time.monotonic()))
        if self._thread.is_alive():
            return f"no answer for {time.monotonic() - self._began_s:.0f} s"
        return self._said

    def _run(self) -> None:
        try:
            self._said = self._question()
        except Exception as error:  # noqa: BLE001 - whatever is wrong, this process is not well
            self._said = f"{type(error).__name__}: {error}"


HEALTH = Health()
"""Of this process."""


class Pulse:
    """Tells whether a loop comes round, and is not held up by what it writes to."""

    def __init__(self, clock: Clock, *, turn_max_s: float = TURN_MAX_S) -> None:
        self._clock, self._turn_max_s, self._held_up = clock, turn_max_s, ""
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
        is_away = quiet_s > self._turn_max_s
        return f"it did not come round for {quiet_s:.0f} s" if is_away else ""
