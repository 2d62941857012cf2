"""What the tests of enrichment start from: a batch, and tables on disk."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from luytre.core.batch import Batch, LogSource, Part, TopicPartition
from luytre.core.ecs import ENVELOPE, TIME, empty_rejects

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def make_batch(
    columns: dict[str, Sequence[str | None]] | None = None,
    *,
    organizations: Sequence[str] | str = "000.01.12.H05",
    times: Sequence[datetime | None] | datetime | None = NOW,
    ids: Sequence[str] | None = None,
) -> Batch:
    """Return a batch with these columns; one event if none are given."""
    cells = columns or {}
    count = len(next(iter(cells.values()), [None]))
    names = ids or [hashlib.sha256(str(n).encode()).hexdigest() for n in range(count)]
    orgs = [organizations] * count if isinstance(organizations, str) else organizations
    moments = times if isinstance(times, Sequence) else [times] * count
    empty = {name: pl.Series(name, [None] * count, dtype=kind) for name, kind in ENVELOPE.items()}
    events = pl.DataFrame(empty).with_columns(
        pl.Series("event.id", names, pl.String),
        pl.Series("organization.id", orgs, pl.String),
        pl.Series("@timestamp", moments, TIME),
        pl.Series("event.ingested", [NOW] * count, TIME),
        *(pl.Series(name, values, pl.String) for name, values in cells.items()),
    )
    part = Part("test", (LogSource(product="linux"),))
    return Batch(part, events, empty_rejects(), {TopicPartition("events", 0): 7})


@pytest.fixture
def batch() -> Callable[..., Batch]:
    return make_batch


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return a function that writes a table and returns its path."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file
