"""What tests of the archive share."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from luytre.core.batch import LogSource, Part, TopicPartition
from luytre.core.ecs import ENVELOPE
from luytre.store.archive import Archive
from luytre.store.archive_rows import select
from luytre.store.delta import Table

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = TopicPartition("events", 0)
PART = Part("windows/security/4688", (LogSource("windows", "process_creation"),))


def events(
    first: int,
    end: int,
    *,
    place: TopicPartition = PLACE,
    columns: Mapping[str, object] | None = None,
) -> pl.DataFrame:
    """Return one event for each offset from ``first`` to before ``end``."""
    offsets = range(first, end)
    times = [NOON + timedelta(seconds=offset) for offset in offsets]
    frame = pl.DataFrame(
        {
            "event.id": [f"{place.topic}/{place.partition}/{offset}" for offset in offsets],
            "@timestamp": times,
            "event.ingested": times,
            "organization.id": ["health"] * len(offsets),
            "event.original": [b"raw %d" % offset for offset in offsets],
            "luytre.stream": ["ship/1"] * len(offsets),
            "luytre.sequence": offsets,
            "log.topic": [place.topic] * len(offsets),
            "log.partition": [place.partition] * len(offsets),
            "log.offset": offsets,
        },
        schema=ENVELOPE,
        strict=False,
    )
    return frame.with_columns(pl.lit(value).alias(name) for name, value in (columns or {}).items())


def rows(
    first: int,
    end: int,
    *,
    place: TopicPartition = PLACE,
    columns: Mapping[str, object] | None = None,
) -> pl.DataFrame:
    """Return those events as rows of the archive."""
    return select(events(first, end, place=place, columns=columns), PART)


def stored_rows(archive: Archive) -> pl.DataFrame:
    """Return every row that the table holds, repeated events too."""
    table = Table(archive._path)
    assert table.refresh()
    return table.rows().collect()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


@pytest.fixture
def stored(archive: Archive) -> Callable[[], list[int]]:
    """Return a function that reads the offsets of every stored row, repeated ones too."""

    def read() -> list[int]:
        return sorted(stored_rows(archive)["log.offset"])

    return read
