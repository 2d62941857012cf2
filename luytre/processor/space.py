"""How much room is left where durable state lies."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

FREE_WARNING, FREE_BAD = 0.15, 0.05
FREE_BAD_BYTES = 5 * 2**30
"""Large disks are not nearly full at 5 %."""


@dataclass(frozen=True, slots=True)
class Space:
    """The free bytes of the disk that a folder lies on, and their share of all."""

    folder: Path
    free: int
    share: float

    @property
    def is_nearly_full(self) -> bool:
        """Whether stores may soon refuse to write."""
        return self.share < FREE_BAD and self.free < FREE_BAD_BYTES

    @property
    def is_low(self) -> bool:
        """Whether somebody should see to it."""
        return self.share < FREE_WARNING

    def __str__(self) -> str:
        return f"{self.free / 2**30:.1f} GiB free ({self.share:.0%}) at {self.folder}"


def space(folder: Path) -> Space:
    """Return the space of a folder, or of the nearest one above it that is there."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    usage = shutil.disk_usage(there)
    return Space(there, usage.free, usage.free / usage.total)
