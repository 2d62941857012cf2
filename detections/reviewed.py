"""Content that went through review: one folder, replaced whole, before everything else."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from luytre.core.disk import sync

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_POINTER, _SET = "active", "active@"


def reviewed_paths(folder: Path) -> list[Path]:
    """Return the folder that holds what is active; none if nothing ever was."""
    try:
        name = (folder / _POINTER).read_text(encoding="utf-8").strip()
    except OSError:
        return []
    there = folder / name
    return [there] if name.startswith(_SET) and "/" not in name and there.is_dir() else []


def write_reviewed(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Make these files what is active, in one rename; tell whether it was anything else."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    there = folder / f"{_SET}{digest.hexdigest()[:32]}"
    if reviewed_paths(folder) == [there]:
        return False
    if not there.exists():
        fresh = folder / f".{there.name}.{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name, content in files.items():
            _write(fresh / name, content)
        fresh.rename(there)
    pointer = folder / f".{_POINTER}.{os.getpid()}"
    _write(pointer, there.name.encode())
    pointer.replace(folder / _POINTER)
    sync(folder)
    for other in folder.glob(f"{_SET}*"):
        if other != there:
            shutil.rmtree(other, ignore_errors=True)
    return True


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
