"""Files that survive a power cut: written, and synced with the directories that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.core.disk import sync

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

ROW_GROUP_ROWS = 32_768
"""Rows a reader must hold at once per column, and can skip at once."""

PLAIN_BYTES = "luytre.plain_bytes"
"""The key in a file's footer that says how much memory its rows take."""


def make_directory(path: Path) -> None:
    """Make a directory, and those it lies in, so that none is lost with the power."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True, mode=0o700)
    sync(path.parent)


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a new file of zstd-compressed columns and return once all of it is on disk.

    What cannot be written whole is not left: on a full disk, each retry would take more of it.
    """
    make_directory(path.parent)
    metadata = {PLAIN_BYTES: str(frame.estimated_size())}
    try:
        frame.write_parquet(path, row_group_size=ROW_GROUP_ROWS, metadata=metadata)
        sync(path)
        sync(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
