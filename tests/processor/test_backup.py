"""A backup holds every byte and comes back whole or not at all."""

import io
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from luytre.core.clock import SystemClock
from luytre.core.config import Config
from luytre.core.errors import Refused
from luytre.processor import slots
from luytre.processor.backup import MANIFEST, Copied, back_up, bring_back, file_in, forget_old

FILES = {
    "alerts.sqlite": bytes(range(256)) * 5000,
    "alerts.sqlite-wal": b"not yet in it",
    "archive/day=2026-11-23/Tệp.parquet": b"\x00" * 3_000_000,
    "archive/_delta_log/0.json": b"{}",
    "empty": b"",
}
LEFT_OUT = {"cache/plans/x": b"a cache", "run.lock": b"", "alerts.sqlite-shm": b"shared"}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    for name, content in {**FILES, **LEFT_OUT}.items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Config(data_dir=tmp_path / "data")


@pytest.fixture
def saved(config: Config, tmp_path: Path) -> Path:
    back_up(config, tmp_path / "saved")
    return tmp_path / "saved"


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def pack(path: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(data), kind, "/etc/passwd"
            tar.addfile(member, io.BytesIO(data))
    path.write_bytes(zstandard.compress(packed.getvalue()))
    return path


def test_every_byte_comes_back(saved: Path, tmp_path: Path) -> None:
    elsewhere = Config(data_dir=tmp_path / "new" / "data")

    copied = bring_back(elsewhere, saved)

    assert content(elsewhere.data_dir) == FILES
    assert copied == Copied(len(FILES), sum(map(len, FILES.values())))
    assert saved.stat().st_mode & 0o077 == 0


def test_nothing_is_saved_while_anything_runs(config: Config, tmp_path: Path) -> None:
    with slots.alone(config, "shipper", SystemClock()), pytest.raises(Refused, match="shipper"):
        back_up(config, tmp_path / "saved")

    assert not (tmp_path / "saved").exists()


def test_nothing_is_written_over(config: Config, saved: Path) -> None:
    with pytest.raises(Refused, match="exists"):
        back_up(config, saved)
    with pytest.raises(Refused, match="holds something"):
        bring_back(config, saved)
    with pytest.raises(Refused, match="lies in"):
        back_up(config, config.data_dir / "saved")


@pytest.mark.parametrize("cut", [1, 20, 100, 1000])
def test_a_backup_that_is_cut_short_is_refused(saved: Path, tmp_path: Path, cut: int) -> None:
    saved.write_bytes(saved.read_bytes()[:-cut])
    elsewhere = Config(data_dir=tmp_path / "new")

    with pytest.raises(Refused, match="no whole backup"):
        bring_back(elsewhere, saved)
    assert not elsewhere.data_dir.exists()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"empty": b"not empty"}, id="another content"),
        pytest.param({"more": b"x"}, id="one that was not saved"),
    ],
)
def test_a_backup_whose_files_are_others_is_refused(
    saved: Path, tmp_path: Path, change: dict[str, bytes]
) -> None:
    with tarfile.open(
        fileobj=io.BytesIO(zstandard.ZstdDecompressor().stream_reader(saved.read_bytes()).read())
    ) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar if m.isreg()}  # type: ignore[union-attr]
    elsewhere = Config(data_dir=tmp_path / "new")

    with pytest.raises(Refused, match="damaged"):
        bring_back(elsewhere, pack(saved, {**members, **change}))
    assert not elsewhere.data_dir.exists()


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped-luytre", "a/../../escaped"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    packed = pack(tmp_path / "hostile", {name: b"x", MANIFEST: b'{"files": {}}'})

    with pytest.raises(Refused):
        bring_back(Config(data_dir=tmp_path / "new" / "data"), packed)
    assert not (tmp_path / "escaped").exists()
    assert not Path("/tmp/escaped-luytre").exists()
    assert not (tmp_path / "new" / "escaped").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_nothing_but_files_comes_back(tmp_path: Path, kind: bytes) -> None:
    packed = pack(tmp_path / "hostile", {"link": b""}, kind)

    with pytest.raises(Refused, match="no whole backup"):
        bring_back(Config(data_dir=tmp_path / "new"), packed)
    assert not (tmp_path / "new").exists()


def test_in_a_folder_the_time_names_it_and_only_old_ones_of_ours_go(tmp_path: Path) -> None:
    start = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
    (tmp_path / "luytre-by-hand.tar.zst").touch()
    (tmp_path / "notes.txt").touch()
    for day in range(5):
        file_in(tmp_path, start + timedelta(days=day)).touch()

    assert forget_old(tmp_path, 2) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "luytre-2026-11-28T023000Z.tar.zst",
        "luytre-2026-11-29T023000Z.tar.zst",
        "luytre-by-hand.tar.zst",
        "notes.txt",
    ]
    assert file_in(tmp_path / "named", start) == tmp_path / "named"
