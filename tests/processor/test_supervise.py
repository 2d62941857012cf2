"""Children are restarted when they die, later each time, and drain when asked to stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from luytre.core.clock import SystemClock
from luytre.processor.supervise import RESTART_FIRST_S, Stopped, Supervisor, read_status

PYTHON = (sys.executable, "-I", "-S", "-c")
NOTE = "import sys, os; open(sys.argv[1], 'a').write(str(os.getpid()) + chr(10))\n"
UNTIL_PARENT_ENDS = NOTE + "sys.stdin.read()\n"
DRAINS = (
    NOTE + "import signal, time\n"
    "def drain(*_):\n    open(sys.argv[1], 'a').write('drained'); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, drain)\n"
    "open(sys.argv[1], 'a').write('ready ')\n"
    "time.sleep(60)\n"
)
STUBBORN = DRAINS.replace("drain)", "signal.SIG_IGN)")


def supervisor(code: str, *files: Path, drain_s: float = 10) -> Supervisor:
    commands = {path.name: [code, str(path)] for path in files}
    return Supervisor(commands, SystemClock(), program=PYTHON, drain_s=drain_s)


def until(holds: Callable[[], bool]) -> Callable[[], bool]:
    give_up_s = time.monotonic() + 20

    def stopped() -> bool:
        assert time.monotonic() < give_up_s, "it did not happen"
        return holds()

    return stopped


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_dies_is_started_again_and_its_neighbour_is_left_alone(tmp_path: Path) -> None:
    victim, neighbour = tmp_path / "victim", tmp_path / "neighbour"
    watched = supervisor(UNTIL_PARENT_ENDS, victim, neighbour)
    killed: list[int] = []

    def again() -> bool:
        if lines(victim) and lines(neighbour) and not killed:
            killed.append(int(lines(victim)[0]))
            os.kill(killed[0], signal.SIGKILL)
        return len(lines(victim)) > 1

    watched.run(until(again))

    assert [child.restarts for child in watched.children] == [1, 0]
    assert len(lines(neighbour)) == 1


def test_what_dies_at_once_waits_longer_each_time(tmp_path: Path) -> None:
    watched = supervisor(NOTE, tmp_path / "child")
    started_s = time.monotonic()

    watched.run(until(lambda: len(lines(tmp_path / "child")) > 2))

    assert time.monotonic() - started_s > 3 * RESTART_FIRST_S
    assert watched.children[0].wait_s >= 4 * RESTART_FIRST_S


def test_children_may_drain(tmp_path: Path) -> None:
    ready = until(lambda: "ready " in lines(tmp_path / "child"))

    supervisor(DRAINS, tmp_path / "child").run(ready)

    assert lines(tmp_path / "child")[1:] == ["ready drained"]


def test_who_does_not_drain_in_time_is_killed(tmp_path: Path) -> None:
    ready = until(lambda: "ready " in lines(tmp_path / "child"))
    started_s = time.monotonic()

    supervisor(STUBBORN, tmp_path / "child", drain_s=0.2).run(ready)

    assert not is_alive(int(lines(tmp_path / "child")[0]))
    assert time.monotonic() - started_s < 10


def test_children_end_even_if_the_supervisor_fails(tmp_path: Path) -> None:
    def fail() -> bool:
        if lines(tmp_path / "child"):
            raise RuntimeError("a bug")
        return False

    with pytest.raises(RuntimeError, match="a bug"):
        supervisor(UNTIL_PARENT_ENDS, tmp_path / "child").run(until(fail))

    assert not is_alive(int(lines(tmp_path / "child")[0]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop(number: signal.Signals) -> None:
    former = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        stopped = Stopped()
        before = stopped()
        signal.raise_signal(number)

        assert (before, stopped()) == (False, True)
    finally:
        for n, handler in former.items():
            signal.signal(n, handler)


@pytest.mark.parametrize(
    ("works_s", "code"),
    [
        pytest.param(0.2, 0, id="who drains in time ends by itself"),
        pytest.param(30, 128 + signal.SIGKILL, id="who does not ends as by kill -9"),
    ],
)
def test_who_is_told_to_stop_has_some_time_to_drain(works_s: float, code: int) -> None:
    script = (
        "import time; from luytre.processor.supervise import Stopped\n"
        "stopped = Stopped(drain_s=1.0); print('ready', flush=True)\n"
        f"while not stopped(): time.sleep(0.01)\ntime.sleep({works_s})"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.terminate()

    assert process.wait(20) == code
    process.stdout.close()


def test_the_doctor_can_read_how_often_a_child_died(tmp_path: Path) -> None:
    status = tmp_path / "supervisor.json"
    clock = SystemClock()
    until_s = clock.monotonic_s() + 3
    program = (sys.executable, "-c", "raise SystemExit(1)")

    Supervisor({"mortal": []}, clock, program=program, status=status).run(
        lambda: clock.monotonic_s() > until_s or read_restarts(status) >= 2
    )

    assert read_status(status)["mortal"].restarts >= 2
    assert read_status(status)["mortal"].died_at
    assert read_status(tmp_path / "none.json") == {}


def read_restarts(status: Path) -> int:
    return read_status(status)["mortal"].restarts
