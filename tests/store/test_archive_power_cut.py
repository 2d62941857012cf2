"""What was acknowledged survives a power cut, and what it tears is found and mended."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from luytre.core.errors import NeighbourError
from luytre.core.organization import Scope
from luytre.store.archive import Archive
from tests.store.conftest import PLACE, rows, stored_rows

EVERYTHING = Scope.everything()
Stored = Callable[[], list[int]]


class _Disk:
    """Notes what was synced, and with which other files already there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.synced: list[tuple[Path, set[Path]]] = []
        self._fsync = os.fsync

    def fsync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.synced.append((path, set(self.root.rglob("*"))))
        self._fsync(descriptor)

    @property
    def durable(self) -> set[Path]:
        """Files that were synced, as was every directory on the way to them."""
        paths = {path for path, _ in self.synced}
        return {
            path
            for path in paths
            if all(up in paths for up in path.parents if up.is_relative_to(self.root))
        }


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Disk:
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to see which file is synced")
    disk = _Disk(tmp_path / "archive")
    monkeypatch.setattr(os, "fsync", disk.fsync)
    return disk


def _files_of(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def test_all_that_an_append_made_is_durable_when_it_returns(archive: Archive, disk: _Disk) -> None:
    archive.append(rows(0, 5), {PLACE: 5})
    assert _files_of(disk.root) <= disk.durable

    archive.append(rows(0, 9), {PLACE: 9})
    archive.compact()

    assert _files_of(disk.root) <= disk.durable


def test_data_is_durable_before_an_entry_names_it(archive: Archive, disk: _Disk) -> None:
    archive.append(rows(0, 5), {PLACE: 5})

    entry = disk.root / "_delta_log" / f"{1:020}.json"
    before = [path for path, present in disk.synced if entry not in present]
    data = next(path for path in _files_of(disk.root) if path.suffix == ".parquet")
    assert data in before
    assert data.parent in before


def test_a_checkpoint_and_its_pointer_are_durable(archive: Archive, disk: _Disk) -> None:
    archive.append(rows(0, 5), {PLACE: 5})
    archive.vacuum()

    log = disk.root / "_delta_log"
    assert {log / f"{1:020}.checkpoint.parquet", log / "_last_checkpoint"} <= disk.durable


def test_an_entry_of_another_writer_is_durable_before_ours_returns(
    archive: Archive, disk: _Disk
) -> None:
    archive.append(rows(0, 5), {PLACE: 5})
    disk.synced.clear()

    # The other died between its commit and its sync: our replay has nothing to add but to sync.
    Archive(archive._path).append(rows(0, 5), {PLACE: 5})

    assert disk.root / "_delta_log" / f"{1:020}.json" in {path for path, _ in disk.synced}


def _torn(content: bytes) -> list[bytes]:
    return [b"", content[: len(content) // 2], b"\x00" * len(content)]


@pytest.mark.parametrize(
    "how", [pytest.param(0, id="empty"), pytest.param(1, id="half"), pytest.param(2, id="zeros")]
)
def test_a_torn_entry_is_set_aside_and_its_rows_come_again(
    archive: Archive, stored: Stored, how: int
) -> None:
    archive.append(rows(0, 5), {PLACE: 5})
    archive.append(rows(5, 9), {PLACE: 9})
    entry = archive._path / "_delta_log" / f"{2:020}.json"
    entry.write_bytes(_torn(entry.read_bytes())[how])

    again = Archive(archive._path)
    faults = again.check()
    reached = again.reached(PLACE)
    again.append(rows(5, 12), {PLACE: 12})

    assert [(fault.path, "power cut" in fault.problem) for fault in faults] == [(entry, True)]
    assert faults[0].remedy
    assert reached == 5
    assert stored() == list(range(12))
    assert again.check() == []


@pytest.mark.parametrize(
    "how", [pytest.param(0, id="empty"), pytest.param(1, id="half"), pytest.param(2, id="zeros")]
)
def test_a_torn_checkpoint_is_set_aside(archive: Archive, stored: Stored, how: int) -> None:
    archive.append(rows(0, 5), {PLACE: 5})
    archive.vacuum()
    checkpoint = next((archive._path / "_delta_log").glob("*.checkpoint.parquet"))
    checkpoint.write_bytes(_torn(checkpoint.read_bytes())[how])

    again = Archive(archive._path)
    faults = again.check()
    again.append(rows(5, 9), {PLACE: 9})

    assert [fault.path for fault in faults] == [checkpoint]
    assert stored() == list(range(9))
    assert again.check() == []


def test_a_torn_pointer_to_the_checkpoint_harms_nothing(archive: Archive, stored: Stored) -> None:
    archive.append(rows(0, 5), {PLACE: 5})
    archive.vacuum()
    (archive._path / "_delta_log" / "_last_checkpoint").write_bytes(b"")

    Archive(archive._path).append(rows(5, 9), {PLACE: 9})

    assert stored() == list(range(9))


def test_a_torn_first_entry_is_set_aside_and_the_table_made_again(
    archive: Archive, stored: Stored
) -> None:
    archive._table.make_ready()
    (archive._path / "_delta_log" / f"{0:020}.json").write_bytes(b"")

    Archive(archive._path).append(rows(0, 5), {PLACE: 5})

    assert stored() == list(range(5))


def test_a_damaged_entry_below_whole_ones_is_never_set_aside(archive: Archive) -> None:
    archive.append(rows(0, 5), {PLACE: 5})
    archive.append(rows(5, 9), {PLACE: 9})
    entry = archive._path / "_delta_log" / f"{1:020}.json"
    entry.write_bytes(b"{")
    again = Archive(archive._path)

    faults = again.check()

    assert [(fault.path, fault.remedy) for fault in faults] == [(entry, "restore it from a backup")]
    assert again.mend() == []
    with pytest.raises(NeighbourError, match="archive"):
        again.append(rows(9, 12), {PLACE: 12})


@pytest.mark.parametrize("missing", [True, False])
def test_a_damaged_file_is_named_and_given_up_only_when_asked(
    archive: Archive, stored: Stored, *, missing: bool
) -> None:
    archive.append(rows(0, 5), {PLACE: 5})
    archive.append(rows(5, 9), {PLACE: 9})
    archive.reached(PLACE)
    file = archive._path / min(archive._table.files(), key=lambda file: file.rows).path
    if missing:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])

    faults = archive.check()
    assert archive.mend() == []

    assert [fault.path for fault in faults] == [file]
    assert "4 rows" in faults[0].remedy
    assert archive.forget_damaged() == 4
    assert archive.check() == []
    assert stored() == list(range(5))
    assert archive.reached(PLACE) == 9


def test_data_that_no_entry_names_is_no_data(archive: Archive, stored: Stored) -> None:
    """A crash between the data and the commit: the replay writes it again."""
    archive.append(rows(0, 5), {PLACE: 5})
    data = next(archive._path.rglob("*.parquet"))
    shutil.copy(data, data.with_name("left-by-a-crash.parquet"))

    again = Archive(archive._path)
    again.append(rows(0, 7), {PLACE: 7})

    assert stored() == list(range(7))
    assert again.check() == []


_WRITER = """
import sys
from pathlib import Path
from tests.store.conftest import PLACE, rows
from luytre.store.archive import Archive
archive = Archive(Path(sys.argv[1]))
while True:
    start = archive.reached(PLACE)
    archive.append(rows(max(start - 3, 0), start + 5), {PLACE: start + 5})
    print(start + 5, flush=True)
"""


@pytest.mark.proof
def test_killed_at_any_moment_nothing_acknowledged_is_lost_or_doubled(
    archive: Archive, stored: Stored
) -> None:
    dice = random.Random(7)
    acknowledged = 0
    for _kill in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(archive._path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _append in range(dice.randrange(1, 8)):
                acknowledged = int(writer.stdout.readline())
            time.sleep(dice.random() / 50)
            writer.kill()

        kept = stored()
        assert kept == list(range(len(kept)))
        assert len(kept) >= acknowledged
        assert archive.reached(PLACE) == len(kept)
    assert archive.check() == []


def test_a_full_disk_acknowledges_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.append(rows(0, 5), {PLACE: 5})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(NeighbourError, match="No space left"):
            archive.append(rows(5, 9), {PLACE: 9})

    archive.append(rows(5, 9), {PLACE: 9})
    assert archive.count(EVERYTHING) == 9
    assert stored_rows(archive).height == 9
