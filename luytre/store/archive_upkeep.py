"""What the archive's upkeep decides: which files to merge, which days are over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from luytre.store.archive_rows import DAY, PARTITIONS
from luytre.store.durable import PLAIN_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from luytre.core.clock import Clock

MERGED_BYTES_MAX = 256 * 2**20
"""Bytes of rows in memory that one merge holds; a hostile event compresses a thousand times."""

_LARGE = MERGED_BYTES_MAX // 2


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of the table: its path below the table, its bytes, its rows, its partition."""

    path: str
    size: int
    rows: int
    values: dict[str, str | None]


def merge_plan(
    table: Path, files: Sequence[DataFile]
) -> Iterator[tuple[dict[str, str | None], list[DataFile]]]:
    """Yield which files of a partition to merge into one, as many as memory holds."""
    partitions: dict[tuple[str | None, ...], list[DataFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        partitions.setdefault(tuple(file.values[name] for name in PARTITIONS), []).append(file)
    for group in partitions.values():
        for part in _bins(table, group) if len(group) > 1 else ():
            yield part[0].values, part


def _bins(table: Path, files: Sequence[DataFile]) -> Iterator[list[DataFile]]:
    """Yield groups of two or more files; one that is large already stays as it is."""
    part: list[DataFile] = []
    held = 0
    for file in files:
        plain = int(pl.read_parquet_metadata(table / file.path).get(PLAIN_BYTES, _LARGE))
        if plain >= _LARGE:
            continue
        if held + plain > MERGED_BYTES_MAX:
            yield part
            part, held = [], 0
        part.append(file)
        held += plain
    if len(part) > 1:
        yield part


def merged(paths: Sequence[Path]) -> pl.DataFrame:
    """Return the rows of files, each event once, those of one organisation together by time."""
    # A later version's columns are kept: files need not have the same ones.
    frames = [pl.read_parquet(path, hive_partitioning=False) for path in paths]
    rows = pl.concat(frames, how="diagonal")
    ordered = rows.sort("organization.id", "event.ingested", "log.offset")
    return ordered.unique("event.id", keep="first", maintain_order=True)


def expired(files: Sequence[DataFile], days: float, clock: Clock) -> list[DataFile]:
    """Return the files of days that ended ``days`` ago or longer."""
    last = (clock.now() - timedelta(days=days)).date()
    return [
        file
        for file in files
        if (day := file.values[DAY]) is not None and date.fromisoformat(day) < last
    ]
