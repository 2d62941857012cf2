"""The archive's columns, its partitions, and how a batch becomes its rows."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from luytre.core.ecs import ARCHIVED, ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from luytre.core.batch import Part, TopicPartition

FAMILY = "logsource"
"""Says which log source, coarsely: the first two segments of the part's name."""

DAY = "day"
"""Says when the log took the event (UTC)."""

ROWS: dict[str, pl.DataType] = {
    **ENVELOPE,
    **{name: pl.String() for name in ARCHIVED},
    FAMILY: pl.String(),
}
"""What ``select`` gives and ``append`` takes."""

PARTITIONS = (DAY, FAMILY)
COLUMNS: dict[str, pl.DataType] = {**ROWS, DAY: pl.Date()}
"""Every column of the table."""

OTHER = "other"
"""The family of parts whose name may not become a directory's."""

_FAMILY_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_FAMILY_SEGMENTS = 2
_NO_DAY = "__HIVE_DEFAULT_PARTITION__"  # how Hive, Spark and Polars spell a null partition
_TIMES = ("@timestamp", "event.ingested")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def family(part: Part) -> str:
    """Return the partition of a part's events; a name that no directory should have is other."""
    name = ".".join(part.name.split("/")[:_FAMILY_SEGMENTS])
    return name if _FAMILY_NAME.fullmatch(name) else OTHER


def select(events: pl.DataFrame, part: Part) -> pl.DataFrame:
    """Return a batch's events as rows of the archive; what the batch lacks is null."""
    fixed = {**part.constants, "event.dataset": part.name, FAMILY: family(part)}
    return events.select(
        pl.col(name).cast(kind)
        if name in events.columns and name not in ("event.dataset", FAMILY)
        else pl.lit(fixed.get(name), kind).alias(name)
        for name, kind in ROWS.items()
    )


def new_rows(
    events: pl.DataFrame,
    reach: Mapping[TopicPartition, int],
    reached: Mapping[TopicPartition, int],
) -> pl.DataFrame:
    """Return the rows that the table does not have yet, with their day.

    Raises ``ValueError`` for a row that ``reach`` does not cover: appended now, it would be
    appended again by the batch that does cover it.
    """
    places = pl.DataFrame(
        [(place.topic, place.partition, end, reached[place]) for place, end in reach.items()],
        schema={
            "log.topic": pl.String,
            "log.partition": pl.Int32,
            "end": pl.Int64,
            "reached": pl.Int64,
        },
        orient="row",
    )
    placed = events.join(
        places, on=["log.topic", "log.partition"], how="left", maintain_order="left"
    )
    beyond = placed.filter(~(pl.col("log.offset") < pl.col("end")).fill_null(value=False))
    if beyond.height:
        raise ValueError(f"{beyond.height} rows are beyond the offsets that they come with")
    return placed.filter(pl.col("log.offset") >= pl.col("reached")).select(
        *ROWS, pl.col("event.ingested").dt.date().alias(DAY)
    )


def split(rows: pl.DataFrame) -> list[tuple[dict[str, str | None], pl.DataFrame]]:
    """Return the rows of each partition with the partition's values as Delta writes them."""
    found = []
    for (day, name), frame in rows.partition_by(*PARTITIONS, as_dict=True).items():
        if not _FAMILY_NAME.fullmatch(str(name)):
            raise ValueError(f"not a family of log sources: {name!r}")
        values = {DAY: None if day is None else str(day), FAMILY: str(name)}
        found.append((values, frame.drop(PARTITIONS)))
    return found


def directory(values: Mapping[str, str | None]) -> str:
    """Return where a partition's files lie, relative to the table."""
    return f"{DAY}={values[DAY] or _NO_DAY}/{FAMILY}={values[FAMILY]}"


def statistics(rows: pl.DataFrame) -> str:
    """Return a file's Delta statistics: how many rows, and the bounds of its times.

    Source: Delta's PROTOCOL.md, "Per-file Statistics"; a timestamp's bounds have milliseconds, so
    the upper one is rounded up.
    """
    lowest: dict[str, str] = {}
    highest: dict[str, str] = {}
    for name in _TIMES:
        low, high = rows.select(
            low=pl.col(name).to_physical().min(), high=pl.col(name).to_physical().max()
        ).row(0)
        if low is not None and low >= 0 and high < _LAST_US:
            lowest[name] = _milliseconds(low // 1000)
            highest[name] = _milliseconds(-(-high // 1000))
    nulls = {name: rows[name].null_count() for name in _TIMES}
    return json.dumps(
        {
            "numRecords": rows.height,
            "minValues": lowest,
            "maxValues": highest,
            "nullCount": nulls,
        }
    )


def _milliseconds(since_1970_ms: int) -> str:
    time = _EPOCH + timedelta(milliseconds=since_1970_ms)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
