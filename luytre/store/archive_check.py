"""What a power cut can do to a Delta table on a local disk: found, named, and mended."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING

from luytre.core.disk import sync
from luytre.core.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from luytre.store.archive_upkeep import DataFile

_ENTRY = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")
_POINTER = "_last_checkpoint"
_PARQUET = b"PAR1"
_SYNCED_BEHIND = 100
"""How many older entries a new process syncs: more than can still be on their way to the disk."""


class LogFiles:
    """The files of a table's log on disk."""

    def __init__(self, table: Path) -> None:
        self._table = table
        self._log = table / "_delta_log"

    def sync(self, synced: int, version: int) -> int:
        """Return ``version`` once every entry after ``synced`` up to it is on disk.

        Entries of other writers too: one that is durable must not stand on one that is not.
        """
        if version == synced:
            return version
        for number in range(max(synced + 1, version - _SYNCED_BEHIND, 0), version + 1):
            entry = self._log / f"{number:020}.json"
            if entry.exists():
                sync(entry)
        sync(self._log)
        return version

    def sync_checkpoint(self, version: int) -> None:
        """Return once a checkpoint and the file that points to it are on disk."""
        sync(self._log / f"{version:020}.checkpoint.parquet")
        sync(self._log / _POINTER)
        sync(self._log)

    def checkpointed(self) -> int:
        """Return the version of the newest checkpoint; 0 if there is none."""
        try:
            return int(json.loads((self._log / _POINTER).read_bytes())["version"])
        except (OSError, ValueError, KeyError):
            return 0

    def faults(self) -> list[Fault]:
        """Return the entries and checkpoints that are not whole."""
        return [
            Fault(path, 1, problem, "run mend: nothing acknowledged is in it")
            for path, problem in self._torn()
        ] + self._corrupt()

    def unreadable(self, problem: str) -> Fault:
        """Return the fault of a log in which every file is whole and which still cannot be read."""
        return Fault(self._log, 1, problem, "restore the table from a backup")

    def mend(self) -> list[Path]:
        """Move what is torn aside, and return where it was."""
        torn = [path for path, _ in self._torn()]
        moved = [path for path in torn if self._set_aside(path)]
        if any(_CHECKPOINT.fullmatch(path.name) for path in moved):
            # It names the checkpoint that is gone; without it the log is listed instead.
            (self._log / _POINTER).unlink(missing_ok=True)
        if moved:
            sync(self._log)
        return moved

    def _torn(self) -> list[tuple[Path, str]]:
        """Return the torn entries at the log's end, and every torn checkpoint."""
        found: list[tuple[Path, str]] = []
        for path in sorted(self._files(_ENTRY), reverse=True):
            if _whole_entry(path.read_bytes()):
                break
            found.append((path, "is a log entry that a power cut tore"))
        found += [
            (path, "is a checkpoint that a power cut tore")
            for path in self._files(_CHECKPOINT)
            if not _whole_parquet(path)
        ]
        return found

    def _corrupt(self) -> list[Fault]:
        """Return the entries that are not whole though whole ones follow."""
        torn = {path for path, _ in self._torn()}
        return [
            Fault(path, 1, "is a damaged log entry", "restore it from a backup")
            for path in sorted(self._files(_ENTRY))
            if path not in torn and not _whole_entry(path.read_bytes())
        ]

    def _files(self, kind: re.Pattern[str]) -> list[Path]:
        if not self._log.is_dir():
            return []
        return [path for path in self._log.iterdir() if kind.fullmatch(path.name)]

    def _set_aside(self, path: Path) -> bool:
        aside = path.with_name(f"{path.name}.torn-{uuid.uuid4().hex}")
        try:
            path.rename(aside)
        except FileNotFoundError:
            return False  # another process mends too
        if _ENTRY.fullmatch(path.name) and _whole_entry(aside.read_bytes()):
            # Another process had mended already, and this is what was committed since.
            aside.rename(path)
            return False
        return True


def _whole_entry(content: bytes) -> bool:
    """Tell whether an entry is lines of JSON objects, at least one."""
    try:
        return bool(content) and all(
            isinstance(json.loads(line), dict) for line in content.splitlines()
        )
    except ValueError:
        return False


def _whole_parquet(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(len(_PARQUET))
        stream.seek(max(path.stat().st_size - len(_PARQUET), 0))
        return head == stream.read() == _PARQUET


def damaged_files(table: Path, files: Sequence[DataFile]) -> list[Fault]:
    """Return the data files that are missing or not as long as the log says."""
    faults: list[Fault] = []
    for file in files:
        path = table / file.path
        remedy = f"restore it from a backup; forget_damaged gives up its {file.rows} rows"
        if not path.exists():
            faults.append(Fault(path, 1, "is missing", remedy))
        elif path.stat().st_size != file.size:
            faults.append(Fault(path, 1, f"should have {file.size} bytes", remedy))
    return faults
