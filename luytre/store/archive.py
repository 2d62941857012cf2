"""The archive of all events: one Delta table that takes each row of the log once.

Delta's writer neither syncs local files nor refuses an application transaction that goes back.
So the files are ours: they are written and synced first, then the log entry that names them is
committed without touching other entries, then the entry is synced. A commit of the same partition
by somebody else since our look at the table makes ours fail, and the rows are chosen again.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import Field, PrimitiveType
from deltalake.transaction import AddAction, RemoveAction

from luytre.core.ecs import ARCHIVED
from luytre.core.errors import NeighbourError
from luytre.store.archive_check import LogFiles, damaged_files
from luytre.store.archive_rows import (
    COLUMNS,
    PARTITIONS,
    directory,
    new_rows,
    select,
    split,
    statistics,
)
from luytre.store.archive_upkeep import DataFile, expired, merge_plan, merged
from luytre.store.durable import make_directory, sync, write_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from luytre.core.batch import Part, TopicPartition
    from luytre.core.clock import Clock
    from luytre.core.errors import Fault
    from luytre.core.organization import Scope

ATTEMPTS = 20
CHECKPOINT_EVERY = 50
"""Log entries that a reader must read one by one at the most."""

VACUUM_HOURS = 7 * 24
"""How long a file stays that no reader should need any more."""

_UPKEEP = "luytre-archive/upkeep"
_DELTA_TYPES = {
    pl.String: "string",
    pl.Binary: "binary",
    pl.Int32: "integer",
    pl.Int64: "long",
    pl.Date: "date",
    pl.Datetime: "timestamp",
}
_FIELDS = [
    Field(name, PrimitiveType(_DELTA_TYPES[kind.base_type()]), nullable=True)
    for name, kind in COLUMNS.items()
]
_CONFIGURATION = {
    # Statistics on every column would make listing the files slower than reading them.
    "delta.dataSkippingNumIndexedCols": "3",
    "delta.checkpointInterval": str(CHECKPOINT_EVERY),
}
# Checkpoints and the clearing of old entries are done by ours, which syncs them.
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class Archive:
    """One Delta table under ``path``, for any number of processes that append and read.

    Everything that returned is on disk. Raises ``NeighbourError`` when the disk or the table does
    not let it; ``check`` says what is wrong with the table and what mends it.
    """

    archive_columns: frozenset[str] = frozenset(ARCHIVED) - {"event.dataset"}
    """What must be decoded of an event for the archive."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._log = LogFiles(self._path)
        self._table: DeltaTable | None = None
        self._synced = -1

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
            table = self._ready()
            reached = {place: _reached(table, place) for place in reach}
            rows = new_rows(events, reach, reached)
            if rows.is_empty():
                break
            added = [self._write(frame, values) for values, frame in split(rows)]
            ahead = {_app(at): end for at, end in reach.items() if end > reached[at]}
            if self._commit(table, added, ahead):
                break
        else:
            raise NeighbourError(f"{self._path}: other writers won {ATTEMPTS} times in a row")
        self._settle()

    def reached(self, place: TopicPartition) -> int:
        """Return the next offset of a partition that the table wants; 0 if it has none of it."""
        table = self._open()
        return 0 if table is None else _reached(table, place)

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
        table = self._open()
        wanted = list(columns or COLUMNS)
        if table is None:
            return pl.LazyFrame(schema=COLUMNS).select(wanted)
        events = pl.scan_delta(table)
        if scope.organizations is not None:
            events = events.filter(pl.col("organization.id").is_in(sorted(scope.organizations)))
        for bound, limit in ((pl.Expr.ge, since), (pl.Expr.lt, until)):
            if limit is not None:
                events = events.filter(_at(bound, limit))
        if where is not None:
            events = events.filter(where)
        return events.unique("event.id", keep="any").select(wanted)

    def count(self, scope: Scope) -> int:
        """Return how many events a scope may see."""
        counted = (
            self.scan(scope, columns=["event.id"]).select(pl.len()).collect(engine="streaming")
        )
        return int(counted.item())

    def compact(self) -> int:
        """Merge each partition's small files, each event once; return how many files are gone."""
        gone = 0
        table = self._open()
        for values, files in merge_plan(self._path, _files(table) if table else []):
            table = self._ready()
            rows = merged([self._path / file.path for file in files])
            dropped = sum(file.rows for file in files) != rows.height
            removed = [_removed(file, data_change=dropped) for file in files]
            added = self._write(rows, values, data_change=dropped)
            if not self._commit_upkeep(table, [added, *removed]):
                break  # another process merges the same table
            gone += len(files) - 1
        self._settle()
        return gone

    def expire(self, days: float, clock: Clock) -> int:
        """Drop the days that ended ``days`` ago or longer; return how many rows they had.

        Their files stay on disk for ``VACUUM_HOURS`` more, until ``vacuum``.
        """
        for _attempt in range(ATTEMPTS):
            table = self._open()
            old = expired(_files(table) if table else [], days, clock)
            if table is None or not old:
                return 0
            if self._commit_upkeep(table, [_removed(file, data_change=True) for file in old]):
                self._settle()
                return sum(file.rows for file in old)
        raise NeighbourError(f"{self._path}: other writers won {ATTEMPTS} times in a row")

    def vacuum(self) -> int:
        """Delete files that no table version of the last week needs; return how many."""
        table = self._open()
        if table is None:
            return 0
        with self._named_errors():
            deleted = table.vacuum(VACUUM_HOURS, dry_run=False, full=True)
            self._settle(checkpoint_every=1)
            table.cleanup_metadata()
        return len(deleted)

    def check(self) -> list[Fault]:
        """Return what is wrong with the table, each with what mends it."""
        faults = self._log.faults()
        if faults:
            return faults
        try:
            table = self._open()
        except NeighbourError as error:
            return [self._log.unreadable(str(error))]
        return damaged_files(self._path, _files(table) if table else [])

    def mend(self) -> list[Path]:
        """Move entries and checkpoints that a power cut tore out of the log; return them.

        Every process does so before it first looks at the table. Nothing acknowledged is lost: an
        entry is whole on disk before ``append`` returns, and a checkpoint only repeats entries.
        Events of a torn entry are appended again by the replay.
        """
        self._table = None
        return self._log.mend()

    def forget_damaged(self) -> int:
        """Drop the files that ``check`` finds missing or cut; return how many rows are lost."""
        table = self._ready()
        damaged = {fault.path for fault in damaged_files(self._path, _files(table))}
        lost = [file for file in _files(table) if self._path / file.path in damaged]
        if lost and not self._commit_upkeep(table, [_removed(f, data_change=True) for f in lost]):
            raise NeighbourError(f"{self._path}: another process keeps the table: try again")
        self._settle()
        return sum(file.rows for file in lost)

    def _open(self) -> DeltaTable | None:
        """Return the table as it is now; None if there is none yet."""
        with self._named_errors():
            try:
                if self._table is None:
                    # delta-rs takes an empty entry for an empty commit, and goes on after it.
                    self._log.mend()
                    self._table = DeltaTable(self._path)
                else:
                    self._table.update_incremental()
            except TableNotFoundError:
                return None
        return self._table

    def _ready(self) -> DeltaTable:
        """Return the table as it is now, made or grown to our columns if need be."""
        table = self._open() or self._create()
        with self._named_errors():
            known = {field.name for field in table.schema().fields}
            fields = [field for field in _FIELDS if field.name not in known]
            if fields:
                table.alter.add_columns(fields, post_commithook_properties=_NO_HOOKS)
                table.update_incremental()
        return table

    def _create(self) -> DeltaTable:
        make_directory(self._path)
        with self._named_errors():
            try:
                self._table = DeltaTable.create(
                    self._path,
                    Schema(_FIELDS),
                    partition_by=list(PARTITIONS),
                    configuration=_CONFIGURATION,
                )
            except DeltaError:
                # Another process was faster, or the reason repeats itself here.
                self._table = DeltaTable(self._path)
        sync(self._path)
        return self._table

    def _write(
        self, rows: pl.DataFrame, values: dict[str, str | None], *, data_change: bool = True
    ) -> AddAction:
        """Write and sync a file of one partition, and return the action that adds it."""
        relative = f"{directory(values)}/{uuid.uuid4().hex}.parquet"
        path = self._path / relative
        with self._named_errors():
            write_parquet(rows, path)
            size = path.stat().st_size
        return AddAction(relative, size, values, _now_ms(), data_change, statistics(rows))

    def _commit(
        self, table: DeltaTable, actions: Sequence[AddAction | RemoveAction], reach: dict[str, int]
    ) -> bool:
        """Commit actions on the table as ``table`` saw it; False if others changed it in the way.

        A failed commit leaves its files for ``vacuum``: an error does not prove that the entry is
        not there, and deleting files that an entry names would lose events.
        """
        transactions = [Transaction(app, version) for app, version in reach.items()]
        with self._named_errors():
            try:
                table.create_write_transaction(
                    list(actions),
                    "append",
                    table.schema(),
                    list(PARTITIONS),
                    commit_properties=CommitProperties(app_transactions=transactions),
                    post_commithook_properties=_NO_HOOKS,
                )
            except CommitFailedError:
                return False
        return True

    def _commit_upkeep(
        self, table: DeltaTable, actions: Sequence[AddAction | RemoveAction]
    ) -> bool:
        # Two commits that remove the same file do not conflict by themselves (delta-rs 1.6): both
        # would add their merged copy. Naming one application, they do.
        return self._commit(
            table, actions, {_UPKEEP: (table.transaction_version(_UPKEEP) or 0) + 1}
        )

    def _settle(self, checkpoint_every: int = CHECKPOINT_EVERY) -> None:
        """Return once every entry of the log up to now is on disk."""
        table = self._open()
        if table is None:
            return
        with self._named_errors():
            version = table.version()
            self._synced = self._log.sync(self._synced, version)
            if version - self._log.checkpointed() >= checkpoint_every:
                table.create_checkpoint()
                self._log.sync_checkpoint(version)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
            first_line = str(error).partition("\n")[0]
            raise NeighbourError(f"{self._path}: {first_line}") from error


def _app(place: TopicPartition) -> str:
    return f"luytre-detect/{place.topic}/{place.partition}"


def _reached(table: DeltaTable, place: TopicPartition) -> int:
    return table.transaction_version(_app(place)) or 0


def _at(holds: Callable[[pl.Expr, object], pl.Expr], limit: datetime) -> pl.Expr:
    """Return a condition on an event's time, or its receipt, that readers can skip files by."""
    event, receipt = pl.col("@timestamp"), pl.col("event.ingested")
    return holds(event, pl.lit(limit)) | (event.is_null() & holds(receipt, pl.lit(limit)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _files(table: DeltaTable) -> list[DataFile]:
    """Return the files of the table."""
    listed = pl.DataFrame(table.get_add_actions(flatten=True))
    return [
        DataFile(path, size, rows, {"day": None if day is None else str(day), "logsource": name})
        for path, size, rows, day, name in listed.select(
            "path", "size_bytes", "num_records", "partition.day", "partition.logsource"
        ).iter_rows()
    ]


def _removed(file: DataFile, *, data_change: bool) -> RemoveAction:
    return RemoveAction(file.path, data_change, _now_ms(), file.size, file.values)
