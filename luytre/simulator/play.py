"""Writes a simulated folder's logs again, little by little, as if they were happening now."""

from __future__ import annotations

import shutil
from bisect import bisect_right
from typing import TYPE_CHECKING

from luytre.core.errors import Refused
from luytre.simulator.journal import read_timeline
from luytre.simulator.web import PORTAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from luytre.core.clock import Clock

TICK_S = 0.2
COPIED = ("luytre.yaml", "tables", "truth.ndjson")


class _Replay:
    """A log file that grows line by line."""

    def __init__(self, source: Path, target: Path, times_ms: list[int]) -> None:
        self._lines = source.read_bytes().splitlines(keepends=True)
        self._target = target
        self._times_ms = times_ms
        self._done = 0
        target.parent.mkdir(parents=True, exist_ok=True)

    def advance(self, elapsed_ms: float) -> int:
        """Append the lines that are due, in one write, and return how many they are."""
        due = bisect_right(self._times_ms, elapsed_ms)
        if due <= self._done:
            return 0
        with self._target.open("ab", buffering=0) as file:
            file.write(b"".join(self._lines[self._done : due]))
        written, self._done = due - self._done, due
        return written

    def rotate(self) -> None:
        """Rename the file as logrotate does; the next line starts a new one."""
        if self._target.exists():
            self._target.rename(self._target.with_name(f"{self._target.name}.1"))


def prepare(truth_folder: Path, target_folder: Path) -> None:
    """Copy settings, tables and truth, so that ``luytre run`` can start before the first line."""
    target_folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (truth_folder / name).is_dir():
            shutil.copytree(truth_folder / name, target_folder / name, dirs_exist_ok=True)
        else:
            shutil.copy2(truth_folder / name, target_folder / name)


def play(
    truth_folder: Path,
    target_folder: Path,
    speed: float,
    clock: Clock,
    stopped: Callable[[], bool],
) -> int:
    """Write the logs of ``truth_folder`` into ``target_folder`` at ``speed`` times their pace.

    Files have the same names there (``logs/portal/access.log``); half-way that one is renamed to
    ``access.log.1``. Returns the number of lines written: all of them unless ``stopped``.

    Raises:
        Refused: the target holds such logs already, or the source is no simulated folder.
    """
    try:
        timeline = read_timeline(truth_folder)
        replays = {f: _Replay(truth_folder / f, target_folder / f, t) for f, t in timeline.items()}
    except (OSError, ValueError) as error:
        raise Refused(f"{truth_folder} cannot be played: {error}") from error
    there = next((file for file in timeline if (target_folder / file).exists()), None)
    if there:
        raise Refused(f"{target_folder / there} is there already: choose a new folder")
    end_ms = max((times[-1] for times in timeline.values() if times), default=0)
    return _run(replays, end_ms, speed, clock, stopped)


def _run(
    replays: Mapping[str, _Replay],
    end_ms: int,
    speed: float,
    clock: Clock,
    stopped: Callable[[], bool],
) -> int:
    written, rotated, begun_s = 0, False, clock.monotonic_s()
    portal = replays.get(PORTAL)
    while not stopped():
        elapsed_ms = (clock.monotonic_s() - begun_s) * 1000 * speed
        if portal and not rotated and elapsed_ms >= end_ms / 2:
            # What was due before the rotation belongs to the old file, as with a real logrotate.
            written += portal.advance(end_ms / 2)
            portal.rotate()
            rotated = True
        written += sum(replay.advance(elapsed_ms) for replay in replays.values())
        if elapsed_ms >= end_ms:
            break
        clock.sleep(TICK_S)
    return written
