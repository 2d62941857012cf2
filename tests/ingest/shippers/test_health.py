"""What a shipper says at /healthz is true: bad while a fresh event would not get through."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from ingest.memory import MemoryLog
from ingest.shippers import ship
from ingest.shippers.outbox import TAKE_MAX_S
from ingest.shippers.ship import Shipper
from luytre.core.clock import ManualClock
from luytre.core.config import FileInput, HttpInput, ShipConfig, SyslogInput
from luytre.core.errors import NeighbourError
from luytre.core.health import TURN_MAX_S, Health

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch) -> Health:
    found = Health()
    monkeypatch.setattr(ship, "HEALTH", found)
    return found


class SlowLog(MemoryLog):
    """Takes nothing before it is let go, or fails then."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.go = threading.Event(), threading.Event()
        self.fails = False

    def flush(self) -> None:
        self.is_asked.set()
        assert self.go.wait(20)
        if self.fails:
            raise NeighbourError("disk full")
        super().flush()


def shipper(folder: Path, clock: ManualClock, log: MemoryLog, **inputs: object) -> Shipper:
    files = (FileInput(paths=(str(folder / "*.log"),)),)
    settings = ShipConfig.model_validate({"name": "office", "files": files, **inputs})
    return Shipper(settings, "org", log, folder / "state", clock)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def slow(tmp_path: Path, clock: ManualClock, health: Health) -> Iterator[tuple[SlowLog, Shipper]]:
    (tmp_path / "a.log").write_text("one line\n")
    log = SlowLog()
    found = shipper(tmp_path, clock, log)
    yield log, found
    log.go.set()
    found.close()


def test_a_shipper_that_comes_round_is_well_and_one_that_hangs_is_not(
    tmp_path: Path, clock: ManualClock, health: Health
) -> None:
    found = shipper(tmp_path, clock, MemoryLog())
    found.pass_once()
    assert health.problems() == {}

    clock.advance(TURN_MAX_S + 1)
    assert list(health.problems()) == ["ship"]

    found.pass_once()
    assert health.problems() == {}
    found.close()


def test_a_log_that_takes_nothing_is_told_while_it_does_not(
    slow: tuple[SlowLog, Shipper], clock: ManualClock, health: Health
) -> None:
    log, found = slow
    thread = threading.Thread(target=found.pass_once)
    thread.start()
    assert log.is_asked.wait(20)
    assert health.problems() == {}
    clock.advance(TAKE_MAX_S + 1)

    assert health.problems() == {"ship log": "the log has taken nothing for 31 s"}

    log.go.set()
    thread.join()
    assert health.problems() == {}


def test_a_log_that_failed_is_told(slow: tuple[SlowLog, Shipper], health: Health) -> None:
    log, found = slow
    log.fails = True
    log.go.set()
    with pytest.raises(NeighbourError):
        found.pass_once()

    assert health.problems() == {"ship log": "disk full"}


def test_a_file_that_cannot_be_read_is_told_until_it_is_gone(
    tmp_path: Path, clock: ManualClock, health: Health
) -> None:
    path = tmp_path / "a.log"
    path.symlink_to("/proc/self/mem")  # it opens, and says EIO to whoever reads
    found = shipper(tmp_path, clock, MemoryLog())
    clock.advance(2.5)
    found.pass_once()
    assert "Input/output error" in health.problems()["ship files"]

    path.unlink()
    path.write_text("one line\n")
    clock.advance(2.5)

    assert found.pass_once() == 1
    assert health.problems() == {}
    found.close()


def test_a_listener_that_does_not_listen_is_told(
    tmp_path: Path, clock: ManualClock, health: Health
) -> None:
    syslog = (SyslogInput(listen="127.0.0.1:0", protocol="tcp"),)
    http = (HttpInput(listen="127.0.0.1:0"),)
    found = shipper(tmp_path, clock, MemoryLog(), syslog=syslog, http=http)
    assert "syslog tcp 127.0.0.1:0: nobody listens" in health.problems()["ship listeners"]
    assert "http 127.0.0.1:0: nobody listens" in health.problems()["ship listeners"]

    found.start()
    assert health.problems() == {}
    for _, host, port in found.addresses():
        socket.create_connection((host, port)).close()
    found.close()
