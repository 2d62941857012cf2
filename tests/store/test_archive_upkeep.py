"""Upkeep merges, expires and clears, and loses nothing that should stay."""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, Schema
from deltalake.schema import Field, PrimitiveType

from luytre.core.clock import ManualClock
from luytre.core.organization import Scope
from luytre.store import archive_upkeep
from luytre.store.archive import Archive
from luytre.store.delta import CHECKPOINT_EVERY, FIELDS, Action, Table
from tests.store.conftest import NOON, PLACE, rows, stored_rows

EVERYTHING = Scope.everything()
Stored = Callable[[], list[int]]


def _fill(archive: Archive, batches: int, *, days: int = 1) -> None:
    """Append batches of ten rows, some days apart."""
    for number in range(batches):
        late = timedelta(days=number % days)
        start = archive.reached(PLACE)
        made = rows(start, start + 10).with_columns(pl.col("event.ingested") + late)
        archive.append(made, {PLACE: start + 10})


def _live(archive: Archive) -> list[str]:
    table = Table(archive._path)
    assert table.refresh()
    return [file.path for file in table.files()]


def test_small_files_become_one_for_each_partition(archive: Archive, stored: Stored) -> None:
    _fill(archive, 6, days=2)
    before = archive.scan(EVERYTHING).collect().sort("log.offset")

    assert archive.compact() == 4

    assert len(_live(archive)) == 2
    assert archive.scan(EVERYTHING).collect().sort("log.offset").equals(before)
    assert stored() == list(range(60))
    assert archive.reached(PLACE) == 60
    assert archive.compact() == 0


def test_merging_drops_repeated_events(archive: Archive, stored: Stored) -> None:
    _fill(archive, 1)
    archive.append(rows(10, 11).with_columns(pl.lit("events/0/3").alias("event.id")), {PLACE: 11})

    archive.compact()

    assert stored() == list(range(10))
    assert archive.count(EVERYTHING) == 10


def test_files_are_merged_as_far_as_memory_holds(
    archive: Archive, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_batch = rows(0, 10).drop("logsource").estimated_size()
    monkeypatch.setattr(archive_upkeep, "MERGED_BYTES_MAX", one_batch * 4)
    monkeypatch.setattr(archive_upkeep, "_LARGE", one_batch * 2)
    _fill(archive, 9)

    archive.compact()
    merged = _live(archive)
    archive.compact()

    assert 3 <= len(merged) <= 4
    assert stored() == list(range(90))


def _overtaken_by(archive: Archive, other: Callable[[Archive], object]) -> Archive:
    """Return an archive whose first commit of upkeep comes after another process's change."""

    class Overtaken(Table):
        overtaken = False

        def commit_upkeep(self, actions: Sequence[Action]) -> bool:
            if not self.overtaken:
                self.overtaken = True
                other(Archive(self.path))
            return super().commit_upkeep(actions)

    slow = Archive(archive._path)
    slow._table = Overtaken(archive._path)
    return slow


@pytest.mark.parametrize(
    ("theirs", "left"),
    [
        pytest.param(Archive.compact, 30, id="another merge"),
        pytest.param(lambda a: a.append(rows(30, 40), {PLACE: 40}), 40, id="an append"),
        pytest.param(lambda a: a.expire(1, ManualClock(NOON + timedelta(days=9))), 0, id="expiry"),
    ],
)
def test_a_merge_that_is_overtaken_doubles_nothing(
    archive: Archive, stored: Stored, theirs: Callable[[Archive], object], left: int
) -> None:
    _fill(archive, 3)

    _overtaken_by(archive, theirs).compact()

    assert stored() == list(range(left))


def test_an_expiry_that_is_overtaken_by_a_merge_still_expires(
    archive: Archive, stored: Stored
) -> None:
    _fill(archive, 3)

    slow = _overtaken_by(archive, Archive.compact)

    assert slow.expire(1, ManualClock(NOON + timedelta(days=9))) == 30
    assert stored() == []


def test_an_append_that_is_overtaken_by_a_merge_is_kept(archive: Archive, stored: Stored) -> None:
    _fill(archive, 3)
    slow = Archive(archive._path)
    slow.reached(PLACE)

    archive.compact()
    slow.append(rows(20, 40), {PLACE: 40})

    assert stored() == list(range(40))


@pytest.mark.parametrize(
    ("days_later", "expired"),
    [
        pytest.param(30, 0, id="the first day ended 29.5 days ago"),
        pytest.param(31, 10, id="the first day ended 30.5 days ago"),
        pytest.param(32, 20, id="two days are over"),
        pytest.param(99, 30, id="all are over"),
    ],
)
def test_days_expire_when_they_ended_long_ago(
    archive: Archive, days_later: int, expired: int
) -> None:
    _fill(archive, 3, days=3)
    clock = ManualClock(NOON + timedelta(days=days_later))

    assert archive.expire(30, clock) == expired
    assert archive.expire(30, clock) == 0
    assert archive.count(EVERYTHING) == 30 - expired
    assert archive.reached(PLACE) == 30


def test_vacuum_deletes_only_what_nothing_names(archive: Archive, stored: Stored) -> None:
    _fill(archive, 3)
    archive.compact()
    folder = (archive._path / _live(archive)[0]).parent
    orphan, young = folder / "orphan.parquet", folder / "young.parquet"
    orphan.write_bytes(b"left by a crash")
    young.write_bytes(b"about to be committed")
    os.utime(orphan, (1, 1))

    assert archive.vacuum() == 1

    assert not orphan.exists()
    assert young.exists()
    assert stored() == list(range(30))
    assert archive.reached(PLACE) == 30


def test_checkpoints_are_made_as_the_log_grows(archive: Archive, stored: Stored) -> None:
    for end in range(1, CHECKPOINT_EVERY + 3):
        archive.append(rows(end - 1, end), {PLACE: end})

    names = {path.name for path in (archive._path / "_delta_log").iterdir()}
    again = Archive(archive._path)
    assert f"{CHECKPOINT_EVERY:020}.checkpoint.parquet" in names
    assert again.reached(PLACE) == CHECKPOINT_EVERY + 2
    assert again.count(EVERYTHING) == CHECKPOINT_EVERY + 2


def _create(path: Path, fields: list[Field]) -> None:
    DeltaTable.create(path, Schema(fields), partition_by=["day", "logsource"])


def test_a_table_of_an_earlier_version_grows(archive: Archive) -> None:
    _create(archive._path, [field for field in FIELDS if field.name != "host.name"])

    archive.append(rows(0, 2, columns={"host.name": "db-1"}), {PLACE: 2})

    assert archive.scan(EVERYTHING).collect()["host.name"].to_list() == ["db-1"] * 2


def test_a_table_of_a_later_version_keeps_its_columns(archive: Archive, stored: Stored) -> None:
    later = Field("added.later", PrimitiveType("string"), nullable=True)
    _create(archive._path, [*FIELDS, later])

    _fill(archive, 2)
    archive.compact()

    assert "added.later" in stored_rows(archive).columns
    assert stored() == list(range(20))


def test_rows_from_before_a_column_was_added_are_read_and_merged(archive: Archive) -> None:
    _fill(archive, 1)
    table = DeltaTable(archive._path)
    table.alter.add_columns([Field("added.later", PrimitiveType("string"), nullable=True)])
    _fill(archive, 1)

    before = archive.count(EVERYTHING)
    archive.compact()

    assert before == archive.count(EVERYTHING) == 20
