"""The archive of all events: one Delta table that takes each row of the log once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from luytre.core.ecs import ARCHIVED
from luytre.core.errors import NeighbourError
from luytre.store.archive_check import damaged_files
from luytre.store.archive_rows import COLUMNS, new_rows, select, split
from luytre.store.archive_upkeep import expired, merge_plan, merged
from luytre.store.delta import Table, removal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from luytre.core.batch import Part, TopicPartition
    from luytre.core.clock import Clock
    from luytre.core.errors import Fault
    from luytre.core.organization import Scope
    from luytre.store.archive_upkeep import DataFile

RECEIPT = ("event.ingested", "log.partition", "log.offset", "event.dataset")
"""What tells when an event was received, and what it is of."""

ATTEMPTS = 20
"""How often a change is tried again because other writers were faster."""


class Archive:
    """One Delta table under ``path``, for any number of processes that append and read.

    Everything that returned is on disk. Raises ``NeighbourError`` when the disk or the table does
    not let it; ``check`` says what is wrong with the table and what mends it.
    """

    archive_columns: frozenset[str] = frozenset(ARCHIVED) - {"event.dataset"}
    """What must be decoded of an event for the archive."""

    def __init__(self, path: Path) -> None:
        self._table = Table(path)
        self._path = self._table.path

    def select(self, events: pl.DataFrame, part: Part) -> pl.DataFrame:
        """Return a batch's events as rows to append; what the batch lacks is null."""
        return select(events, part)

    def append(self, events: pl.DataFrame, reach: Mapping[TopicPartition, int]) -> None:
        """Append those rows that the table does not have, and remember how far it reaches.

        ``events`` are rows of ``select``; ``reach`` the next offset of each partition they come
        from. Rows below ``reached`` are left out, so a replay adds each row once. Raises
        ``ValueError`` for a row that ``reach`` does not cover.
        """
        for _attempt in range(ATTEMPTS):
            self._table.make_ready()
            reached = {place: self._reached(place) for place in reach}
            rows = new_rows(events, reach, reached)
            if rows.is_empty():
                break
            added = self._table.write_all(split(rows))
            ahead = {_app(place): end for place, end in reach.items() if end > reached[place]}
            if self._table.commit(added, ahead):
                break
        else:
            raise self._overtaken()
        self._table.settle()

    def reached(self, place: TopicPartition) -> int:
        """Return the next offset of a partition that the table wants; 0 if it has none of it."""
        return self._reached(place) if self._table.refresh() else 0

    def scan(
        self,
        scope: Scope,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        columns: Sequence[str] | None = None,
        where: pl.Expr | None = None,
    ) -> pl.LazyFrame:
        """Return the events a scope may see, each once, in no particular order.

        ``since`` is inclusive and ``until`` exclusive, on the event's time, or its receipt where it
        has none. ``where`` narrows before repeated events are looked for: a filter on the result
        gives the same but reads everything.
        """
        wanted = list(columns or COLUMNS)
        if not self._table.refresh():
            return pl.LazyFrame(schema=COLUMNS).select(wanted)
        events = self._table.rows()
        if scope.organizations is not None:
            events = events.filter(pl.col("organization.id").is_in(sorted(scope.organizations)))
        for bound, limit in ((pl.Expr.ge, since), (pl.Expr.lt, until)):
            if limit is not None:
                events = events.filter(_at(bound, limit))
        if where is not None:
            events = events.filter(where)
        return events.unique("event.id", keep="any").select(wanted)

    def received(
        self, scope: Scope, *, since: datetime | None = None, until: datetime | None = None
    ) -> pl.DataFrame:
        """Return how many rows were received when, in order: ``RECEIPT``, and ``len``.

        ``since`` is inclusive and ``until`` exclusive, both on the receipt. Events that two writers
        appended count twice here.
        """
        keys = list(RECEIPT)
        if not self._table.refresh():
            return pl.DataFrame(schema={**{key: COLUMNS[key] for key in keys}, "len": pl.UInt32})
        events = self._table.rows()
        if scope.organizations is not None:
            events = events.filter(pl.col("organization.id").is_in(sorted(scope.organizations)))
        for holds, limit in ((pl.Expr.ge, since), (pl.Expr.lt, until)):
            if limit is not None:
                events = events.filter(holds(pl.col(keys[0]), pl.lit(limit)))
        with self._table.named_errors():
            return events.group_by(keys).agg(pl.len()).collect(engine="streaming").sort(keys)

    def count(self, scope: Scope) -> int:
        """Return how many events a scope may see."""
        counted = self.scan(scope, columns=["event.id"]).select(pl.len())
        with self._table.named_errors():
            return int(counted.collect(engine="streaming").item())

    def compact(self) -> int:
        """Merge each partition's small files, each event once; return how many files are gone."""
        if not self._table.refresh():
            return 0
        gone = 0
        with self._table.named_errors():
            for values, files in merge_plan(self._path, self._table.files()):
                if not self._merge(values, files):
                    break  # another process looks after the same table
                gone += len(files) - 1
        self._table.settle()
        return gone

    def expire(self, days: float, clock: Clock) -> int:
        """Drop the days that ended ``days`` ago or longer; return how many rows they had.

        Their files stay on disk for a week more, until ``vacuum``.
        """
        for _attempt in range(ATTEMPTS):
            files = self._table.files() if self._table.refresh() else []
            old = expired(files, days, clock)
            if not old:
                return 0
            if self._table.commit_upkeep([removal(file, data_change=True) for file in old]):
                self._table.settle()
                return sum(file.rows for file in old)
        raise self._overtaken()

    def vacuum(self) -> int:
        """Delete files that no table version of the last week needs; return how many."""
        return self._table.vacuum() if self._table.refresh() else 0

    def check(self) -> list[Fault]:
        """Return what is wrong with the table, each with what mends it."""
        faults = self._table.log.faults()
        if faults:
            return faults
        try:
            return damaged_files(self._path, self._table.files() if self._table.refresh() else [])
        except NeighbourError as error:
            return [self._table.log.unreadable(str(error))]

    def mend(self) -> list[Path]:
        """Move entries and checkpoints that a power cut tore out of the log; return them.

        Every process does so before it first looks at the table. Nothing acknowledged is lost: an
        entry is whole on disk before ``append`` returns, and a checkpoint only repeats entries.
        Events of a torn entry are appended again by the replay.
        """
        return self._table.mend()

    def forget_damaged(self) -> int:
        """Drop the files that ``check`` finds missing or cut; return how many rows are lost."""
        files = self._table.files() if self._table.refresh() else []
        damaged = {fault.path for fault in damaged_files(self._path, files)}
        lost = [file for file in files if self._path / file.path in damaged]
        if lost and not self._table.commit_upkeep([removal(f, data_change=True) for f in lost]):
            raise self._overtaken()
        self._table.settle()
        return sum(file.rows for file in lost)

    def _reached(self, place: TopicPartition) -> int:
        return self._table.transaction_version(_app(place))

    def _merge(self, values: dict[str, str | None], files: Sequence[DataFile]) -> bool:
        rows = merged([self._path / file.path for file in files])
        dropped = sum(file.rows for file in files) != rows.height
        removals = [removal(file, data_change=dropped) for file in files]
        added = self._table.write(rows, values, data_change=dropped)
        return self._table.commit_upkeep([added, *removals]) and self._table.refresh()

    def _overtaken(self) -> NeighbourError:
        return NeighbourError(f"{self._path}: other processes kept changing it: try again")


def _app(place: TopicPartition) -> str:
    return f"luytre-detect/{place.topic}/{place.partition}"


def _at(holds: Callable[[pl.Expr, object], pl.Expr], limit: datetime) -> pl.Expr:
    """Return a condition on an event's time, or its receipt, that readers can skip files by."""
    event, receipt = pl.col("@timestamp"), pl.col("event.ingested")
    return holds(event, pl.lit(limit)) | (event.is_null() & holds(receipt, pl.lit(limit)))
