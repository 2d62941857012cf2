"""One Delta table on a local disk: what is committed is whole, synced, and committed once.

Delta's writer neither syncs local files (object_store 0.13 can, delta-rs 1.6 does not ask it to)
nor refuses an application transaction that goes back. So the files are ours: they are written and
synced first, then the log entry that names them is committed, then the entry is synced. An entry
appears whole or not at all (it is written aside and linked), but until its sync a power cut may
tear it: nobody was told of it by then.
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

from luytre.core.disk import sync
from luytre.core.errors import NeighbourError
from luytre.store.archive_check import LogFiles
from luytre.store.archive_rows import COLUMNS, PARTITIONS, directory, statistics
from luytre.store.archive_upkeep import DataFile
from luytre.store.durable import make_directory, write_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

Action = AddAction | RemoveAction
"""A file that a commit adds or removes."""

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
FIELDS = [
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


class Table:
    """The archive's table as one process last saw it; ``refresh`` looks again.

    Any number of processes may write. Raises ``NeighbourError`` when the disk or the table does
    not let it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.log = LogFiles(self.path)
        self._delta: DeltaTable | None = None
        self._synced = -1

    def refresh(self) -> bool:
        """Look at the table as it is now; False if there is none yet."""
        with self.named_errors():
            try:
                if self._delta is None:
                    # delta-rs takes an empty entry for an empty commit, and goes on after it.
                    self.log.mend()
                    self._delta = DeltaTable(self.path)
                else:
                    self._delta.update_incremental()
            except TableNotFoundError:
                return False
        return True

    def make_ready(self) -> None:
        """Look at the table as it is now, made or grown to our columns if need be."""
        if not self.refresh():
            self._create()
        with self.named_errors():
            known = {field.name for field in self._seen.schema().fields}
            missing = [field for field in FIELDS if field.name not in known]
            if missing:
                self._seen.alter.add_columns(missing, post_commithook_properties=_NO_HOOKS)
                self._seen.update_incremental()

    def transaction_version(self, app: str) -> int:
        """Return the number that an application committed last; 0 if it never did."""
        return self._seen.transaction_version(app) or 0

    def rows(self) -> pl.LazyFrame:
        """Return every row."""
        return pl.scan_delta(self._seen)

    def files(self) -> list[DataFile]:
        """Return the files that hold the rows."""
        listed = pl.DataFrame(self._seen.get_add_actions(flatten=True)).select(
            "path", "size_bytes", "num_records", *(f"partition.{name}" for name in PARTITIONS)
        )
        return [
            DataFile(path, size, rows, {"day": day and str(day), "logsource": family})
            for path, size, rows, day, family in listed.iter_rows()
        ]

    def write(
        self, rows: pl.DataFrame, values: dict[str, str | None], *, data_change: bool = True
    ) -> Action:
        """Write and sync a file of one partition, and return the action that adds it."""
        relative = f"{directory(values)}/{uuid.uuid4().hex}.parquet"
        with self.named_errors():
            write_parquet(rows, self.path / relative)
            size = (self.path / relative).stat().st_size
        return AddAction(relative, size, values, _now_ms(), data_change, statistics(rows))

    def write_all(
        self, parts: Iterable[tuple[dict[str, str | None], pl.DataFrame]]
    ) -> list[Action]:
        """Write and sync a file of each partition; if one cannot be written, none is left."""
        added: list[Action] = []
        try:
            for values, rows in parts:
                added.append(self.write(rows, values))
        except BaseException:
            # No commit was tried, so no entry can name them.
            for action in added:
                (self.path / action.path).unlink(missing_ok=True)
            raise
        return added

    def commit(self, actions: Sequence[Action], versions: Mapping[str, int]) -> bool:
        """Commit actions on what we saw; False if another commit got in their way since.

        ``versions`` are application transactions: a commit of the same application is always in
        the way. A failed commit leaves its files for ``vacuum``: an error does not prove that the
        entry is not there, and deleting files that an entry names would lose events.
        """
        transactions = [Transaction(app, version) for app, version in versions.items()]
        with self.named_errors():
            try:
                self._seen.create_write_transaction(
                    list(actions),
                    "append",
                    self._seen.schema(),
                    list(PARTITIONS),
                    commit_properties=CommitProperties(app_transactions=transactions),
                    post_commithook_properties=_NO_HOOKS,
                )
            except CommitFailedError:
                return False
        return True

    def commit_upkeep(self, actions: Sequence[Action]) -> bool:
        """Commit a change of files that are there already."""
        # Two commits that remove the same file do not conflict by themselves (delta-rs 1.6): both
        # would add their merged copy. Naming one application, they do.
        return self.commit(actions, {_UPKEEP: self.transaction_version(_UPKEEP) + 1})

    def settle(self, checkpoint_every: int = CHECKPOINT_EVERY) -> None:
        """Return once every entry of the log up to now is on disk."""
        if not self.refresh():
            return
        with self.named_errors():
            version = self._seen.version()
            self._synced = self.log.sync(self._synced, version)
            if version - self.log.checkpointed() >= checkpoint_every:
                self._seen.create_checkpoint()
                self.log.sync_checkpoint(version)

    def vacuum(self) -> int:
        """Delete files and entries that nothing of the last ``VACUUM_HOURS`` needs."""
        with self.named_errors():
            deleted = self._seen.vacuum(VACUUM_HOURS, dry_run=False, full=True)
            self.settle(checkpoint_every=1)
            self._seen.cleanup_metadata()
        return len(deleted)

    def mend(self) -> list[Path]:
        """Move what a power cut tore out of the log, and forget what we saw."""
        self._delta = None
        with self.named_errors():
            return self.log.mend()

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Turn what the disk or the table does to the body into ``NeighbourError``."""
        try:
            yield
        except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
            first_line = str(error).partition("\n")[0]
            raise NeighbourError(f"{self.path}: {first_line}") from error

    @property
    def _seen(self) -> DeltaTable:
        if self._delta is None:
            raise LookupError("look at the table first")
        return self._delta

    def _create(self) -> None:
        with self.named_errors():
            make_directory(self.path)
            try:
                self._delta = DeltaTable.create(
                    self.path,
                    Schema(FIELDS),
                    partition_by=list(PARTITIONS),
                    configuration=_CONFIGURATION,
                )
            except DeltaError:
                # Another process was faster, or the reason repeats itself here.
                self._delta = DeltaTable(self.path)
            sync(self.path)


def removal(file: DataFile, *, data_change: bool) -> Action:
    """Return the action that removes a file; ``data_change``: its rows are not elsewhere."""
    return RemoveAction(file.path, data_change, _now_ms(), file.size, file.values)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
