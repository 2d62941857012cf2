"""A disk that is full stops an append, and is not made fuller by it."""

import os
import resource
from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from luytre.core.errors import NeighbourError
from luytre.store.archive import Archive
from tests.store.conftest import PLACE, rows

Stored = Callable[[], list[int]]


@pytest.mark.parametrize("days", [1, 2], ids=["its only file", "its second file"])
def test_an_append_that_the_disk_stops_leaves_no_file(
    archive: Archive, stored: Stored, days: int
) -> None:
    archive.append(rows(0, 1), {PLACE: 1})
    small, large = (
        rows(1, 1 + days // 2),
        rows(2, 3, columns={"host.name": os.urandom(10**6).hex()}),
    )
    later = large.with_columns(pl.col("event.ingested") + timedelta(days=1))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limit[1]))
    try:
        with pytest.raises(NeighbourError, match="File too large"):
            archive.append(pl.concat([small, later]), {PLACE: 3})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert stored() == [0]
    assert len(list(archive._path.rglob("*.parquet"))) == 1
