"""One file at hand: opened once, known by what it is and not by its name."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ingest.shippers.generation import Now
from ingest.shippers.registry import FileRow
from luytre.core.config import FileInput
from luytre.core.log import get_logger

Identity = tuple[int, int]
"""Device and inode."""
NOBODY: Identity = (0, 0)
NEVER = (-2, -2)
_log = get_logger("ingest")


@dataclass(slots=True, eq=False)
class Followed:
    """A file that is followed; ``row`` is None until it is known what the file is.

    ``seen``, ``read`` and ``copied`` are its size and time of change when it was last looked at,
    read to its end, and found to be a copy of another file.
    """

    identity: Identity
    path: Path
    source: FileInput
    row: FileRow | None = None
    fd: int = -1
    lost: bool = False  # no pattern finds it any more: it was renamed or deleted
    problem: str = ""  # why it cannot be read now
    seen: tuple[int, int] = (-1, -1)
    read: tuple[int, int] = NEVER
    copied: tuple[int, int] = NEVER
    changed_s: float = 0.0
    unsettled: bool = True
    now: Now = field(default_factory=Now)

    def open(self) -> bool:
        """Open the file if it is not, and tell whether it is: another file is not opened."""
        if self.fd >= 0:
            return True
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if not self.problem:
                _log.warning("file cannot be opened", path=str(self.path), problem=str(error))
            self.problem = str(error)
            return False
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) != self.identity:
            os.close(fd)
            return False
        self.fd, self.problem = fd, ""
        return True

    def close(self) -> None:
        """Let go of the file."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def status_of(path: Path) -> os.stat_result | None:
    """Return what is known about a regular file, symbolic links followed; None if it is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None
