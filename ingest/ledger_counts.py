"""What became of the sequences of a batch, by stream: columns in, counts out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from ingest.ledger_file import Counts
from luytre.core.batch import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.core.batch import Batch

_KEY = ("log.topic", "log.partition", "luytre.stream")


def batch_counts(batch: Batch) -> Iterator[tuple[TopicPartition, str, Counts]]:
    """Yield the counts of each stream of a batch: of its events, then of its rejects."""
    events = batch.events.group_by(_KEY).agg(
        pl.len(),
        pl.col("organization.id").last(),
        pl.col("event.ingested").max(),
        pl.col("@timestamp").min().alias("first"),
        pl.col("@timestamp").max().alias("last"),
    )
    for row in events.iter_rows(named=True):
        counts = Counts(
            organization=row["organization.id"] or "",
            events=row["len"],
            parts={batch.part.name: row["len"]},
            first_event_at=row["first"],
            last_event_at=row["last"],
            received_at=row["event.ingested"],
        )
        yield _place(row), row["luytre.stream"] or "", counts
    rejects = batch.rejects.group_by(_KEY).agg(
        pl.len(),
        pl.col("organization.id").last(),
        pl.col("event.ingested").max(),
        pl.col("luytre.hint").last(),
    )
    for row in rejects.iter_rows(named=True):
        counts = Counts(
            organization=row["organization.id"] or "",
            hint=row["luytre.hint"] or "",
            rejects=row["len"],
            received_at=row["event.ingested"],
        )
        yield _place(row), row["luytre.stream"] or "", counts


def _place(row: dict[str, object]) -> TopicPartition:
    return TopicPartition(str(row["log.topic"]), int(str(row["log.partition"])))
