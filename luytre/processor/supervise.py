"""The supervisor: one process for each part of the pipeline, restarted when it dies.

Children read their standard input to its end and then stop, so that they never outlive the
supervisor, however it died.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from luytre.core.clock import Clock

DRAIN_S = 30.0
RESTART_FIRST_S, RESTART_MAX_S = 0.5, 30.0
STEADY_S = 60.0
MORE_S = 2.0

log = get_logger("supervisor")


@dataclass(slots=True)
class Child:
    """One process, and how long to wait before it is started again."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    start_at_s: float = 0.0
    wait_s: float = RESTART_FIRST_S
    restarts: int = 0
    died_at: str = ""


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """How often a child died since the supervisor started, and when it did so last (UTC)."""

    restarts: int
    died_at: str


def read_status(path: Path) -> dict[str, ChildStatus]:
    """Return what the last supervisor said of its children; nothing if there was none."""
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, ChildStatus])


class Supervisor:
    """Keeps children running until it is stopped, then lets them drain for ``drain_s``.

    A child is ``program`` with the arguments of one of ``commands``, or of what ``more`` names
    while it runs: it is asked every two seconds. ``status`` is a file that says, for `luytre
    doctor`, how often each child died and when it did so last.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        clock: Clock,
        *,
        program: Sequence[str] = (sys.executable, "-m", "luytre"),
        drain_s: float = DRAIN_S,
        status: Path | None = None,
        more: Callable[[], Mapping[str, Sequence[str]]] = dict,
    ) -> None:
        self.children = [Child(name, command) for name, command in commands.items()]
        self._clock, self._program, self._drain_s = clock, program, drain_s
        self._status, self._more, self._asked_s = status, more, clock.monotonic_s()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Start everything, restart what dies, and in the end stop everything."""
        self._report()
        try:
            while not stopped():
                self._ask()
                for child in self.children:
                    self._tend(child)
                self._clock.sleep(0.1)
        finally:
            self._stop()

    def _ask(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._asked_s >= MORE_S:
            self._asked_s = now_s
            known = {child.name for child in self.children}
            new = [Child(n, command) for n, command in self._more().items() if n not in known]
            self.children += new
            if new:
                self._report()

    def _tend(self, child: Child) -> None:
        now_s = self._clock.monotonic_s()
        if child.process is None:
            if now_s >= child.start_at_s:
                self._start(child, now_s)
            return
        code = child.process.poll()
        if code is None:
            return
        _let_go(child.process)
        child.process = None
        child.restarts += 1
        if now_s - child.started_s > STEADY_S:
            child.wait_s = RESTART_FIRST_S
        child.start_at_s = now_s + child.wait_s
        log.error("process ended", name=child.name, code=code, again_in_s=child.wait_s)
        child.wait_s = min(child.wait_s * 2, RESTART_MAX_S)
        child.died_at = self._clock.now().isoformat()
        self._report()

    def _report(self) -> None:
        if self._status is None:
            return
        rows = {c.name: ChildStatus(c.restarts, c.died_at) for c in self.children}
        fresh = self._status.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(rows))
        fresh.replace(self._status)

    def _start(self, child: Child, now_s: float) -> None:
        child.process = subprocess.Popen(  # noqa: S603 - our own program and arguments
            [*self._program, *child.command],
            stdin=subprocess.PIPE,
        )
        child.started_s = now_s
        log.info("process started", name=child.name, pid=child.process.pid)

    def _stop(self) -> None:
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        deadline_s = self._clock.monotonic_s() + self._drain_s
        for process in running:
            try:
                process.wait(max(0.1, deadline_s - self._clock.monotonic_s()))
            except subprocess.TimeoutExpired:
                log.error("process did not drain in time", pid=process.pid)
                process.kill()
                process.wait()
            _let_go(process)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


class Stopped:
    """True once SIGTERM or SIGINT came, or (``with_parent``) once the parent process is gone.

    With ``drain_s`` the process then has so many seconds to finish what it holds; after that it
    ends as by kill -9, and what was not committed is done again by whoever takes over.
    """

    def __init__(self, *, with_parent: bool = False, drain_s: float | None = None) -> None:
        self._event = threading.Event()
        self._drain_s = drain_s
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        if with_parent:
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        # Not through sys.stdin: its lock, held by a daemon thread, aborts the interpreter's end.
        while os.read(sys.stdin.fileno(), 4096):
            continue
        self._stop()

    def _stop(self) -> None:
        if self._drain_s is not None and not self._event.is_set():
            threading.Thread(target=self._end, daemon=True).start()
        self._event.set()

    def _end(self) -> None:
        assert self._drain_s is not None
        time.sleep(self._drain_s)
        log.error("did not drain in time: ending as by kill -9", drain_s=self._drain_s)
        os._exit(128 + signal.SIGKILL)

    def __call__(self) -> bool:
        return self._event.is_set()
