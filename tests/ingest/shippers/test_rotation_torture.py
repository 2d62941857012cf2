"""Random lives of log files against a model: every whole line is shipped exactly once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.ingest.shippers.yard import Yard

ROTATIONS = 3
MEMORY = Path("/dev/shm")


class Rotation(RuleBasedStateMachine):
    """A writer, logrotate and a shipper that may die take turns."""

    patterns: tuple[str, ...] = ("app.log",)

    def __init__(self) -> None:
        super().__init__()
        # Two hundred lives in memory take seconds; on a disk that syncs, minutes.
        place = MEMORY if MEMORY.is_dir() else None
        self.home = Path(tempfile.mkdtemp(dir=place))
        self.yard = Yard(self.home, self.patterns)
        self.log = self.yard.folder / "app.log"
        self.whole: list[str] = []
        self.partial = ""
        self.partials: set[str] = set()
        self.number = 0
        self.seen = False  # the shipper holds every file open and knows what it is
        self.gone = False  # a file was deleted since: only the running shipper can read it

    def teardown(self) -> None:
        for _ in range(3):
            self.yard.ship()
            self.yard.clock.advance(10)
        self.check()
        self.yard.shipper.close()
        shutil.rmtree(self.home)

    def check(self) -> None:
        sent = {(s.stream, s.seq): s for s in self.yard.sent()}
        counts = Counter(s.raw.decode() for s in sent.values() if s.raw != b"#header")
        assert not [raw for raw in self.whole if counts.pop(raw, 0) != 1]
        assert set(counts) <= self.partials

    def old(self, number: int) -> Path:
        return self.yard.folder / f"app.log.{number}"

    @rule(lines=st.integers(1, 4), header=st.booleans(), width=st.sampled_from([1, 40, 300]))
    def write(self, lines: int, width: int, *, header: bool) -> None:
        if not self.log.exists() or self.log.stat().st_size == 0:
            self.seen = False
            self.partial = ""
            if header:
                self.yard.append("app.log", "#header\n")
        text = self.partial
        new = []
        for _ in range(lines):
            self.number += 1
            new.append(f"{self.number}:" + "é" * width)
        self.yard.append("app.log", "\n".join(new) + "\n")
        self.whole += [text + new[0], *new[1:]]
        self.partial = ""

    @precondition(lambda self: self.log.exists() and self.log.stat().st_size > 0)
    @rule()
    def write_half_a_line(self) -> None:
        self.number += 1
        half = f"half{self.number}"
        self.yard.append("app.log", half)
        self.partial += half
        self.partials.add(self.partial)

    @rule()
    def ship(self) -> None:
        self.yard.ship()
        self.seen, self.gone = True, False

    @precondition(lambda self: not self.gone)
    @rule()
    def restart(self) -> None:
        self.yard.restart()
        self.seen = False

    @rule()
    def die(self) -> None:
        self.yard.die_after_flush()
        self.seen = self.gone = False

    def shift(self) -> None:
        for number in range(ROTATIONS, 0, -1):
            if self.old(number).exists():
                self.old(number).rename(self.old(number + 1))
        self.gone = self.gone or self.old(ROTATIONS + 1).exists()
        self.old(ROTATIONS + 1).unlink(missing_ok=True)

    @precondition(lambda self: self.seen and self.log.exists())
    @rule()
    def rotate_by_rename(self) -> None:
        self.shift()
        self.log.rename(self.old(1))
        self.partial = ""

    @precondition(lambda self: self.seen and self.log.exists())
    @rule()
    def rotate_by_copy(self) -> None:
        self.shift()
        shutil.copyfile(self.log, self.old(1))
        os.truncate(self.log, 0)
        self.partial = ""
        self.seen = False

    @precondition(lambda self: self.seen and self.log.exists())
    @rule()
    def delete(self) -> None:
        self.log.unlink()
        self.partial = ""
        self.gone = True

    @precondition(lambda self: self.seen and self.old(2).exists())
    @rule()
    def compress(self) -> None:
        self.gone = True
        self.old(2).rename(self.yard.folder / f"app.log.{self.number}.gz")


class RotationAllNames(Rotation):
    """The pattern finds the rotated files too."""

    patterns = ("app.log*",)


@pytest.mark.parametrize("machine", [Rotation, RotationAllNames])
def test_every_whole_line_is_shipped_exactly_once(machine: type[Rotation]) -> None:
    lives = int(os.environ.get("LUYTRE_ROTATION_LIVES", "100"))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=lives,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
