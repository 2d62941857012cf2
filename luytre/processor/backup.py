"""The data folder as one file and back: every byte checked, nothing while anything runs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

import zstandard

from luytre.core.disk import sync
from luytre.core.errors import Refused
from luytre.processor import slots

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from luytre.core.config import Config

MANIFEST = "manifest.json"
LEFT_OUT = ("cache",)
"""Made anew by itself."""
_LEFT_OUT_SUFFIXES = (".lock", ".sqlite-shm")
_BLOCK = 2**20
_NAMED = re.compile(r"luytre-\d{4}-\d{2}-\d{2}T\d{6}Z\.tar\.zst")


@dataclass(frozen=True, slots=True)
class Copied:
    """How much was written or read."""

    files: int
    size: int


def back_up(config: Config, target: Path) -> Copied:
    """Write the data folder to ``target`` (tar, zstd), with a digest of each file.

    The target appears whole or not at all. Raises ``Refused`` while a process works in the folder:
    its files belong together, and a shipper's state that is younger than the log hides what the
    log does not have.
    """
    _refuse_running(config)
    if target.exists():
        raise Refused(f"{target} exists: name another file")
    if target.resolve().is_relative_to(config.data_dir.resolve()):
        raise Refused(f"{target} lies in what is to be saved: name a place elsewhere")
    making = target.with_name(f"{target.name}.making")
    digests: dict[str, str] = {}
    size = 0
    with _opened(making, "x") as tar:
        for path in _files(config.data_dir):
            name = str(path.relative_to(config.data_dir))
            size += path.stat().st_size
            digests[name] = _add(tar, path, name)
        manifest = json.dumps({"files": digests}).encode()
        member = tarfile.TarInfo(MANIFEST)
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
    making.replace(target)
    sync(target.parent)
    return Copied(len(digests), size)


def bring_back(config: Config, source: Path) -> Copied:
    """Make the data folder from what ``back_up`` wrote; it must not exist yet, or be empty.

    The folder appears whole or not at all. Raises ``Refused`` if a file is missing, is another than
    was saved, or has a name that leads elsewhere.
    """
    folder = config.data_dir
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} holds something: move it away first")
    making = folder.with_name(f"{folder.name}.restoring")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True, mode=0o700)
    try:
        digests, manifest, size = _unpack(source, making)
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise Refused(f"{source} is no whole backup: {error}") from error
    wrong = sorted(name for name, digest in manifest.items() if digests.get(name) != digest)
    if wrong or digests.keys() != manifest.keys():
        raise Refused(f"{source} is damaged: {', '.join(wrong[:5]) or 'files that were not saved'}")
    if folder.exists():
        folder.rmdir()
    making.rename(folder)
    sync(folder.parent)
    return Copied(len(digests), size)


def _refuse_running(config: Config) -> None:
    running = sorted(slots.taken(config))
    if running:
        raise Refused(f"{', '.join(running)} work in {config.data_dir}: stop them first")
    if not config.data_dir.exists():
        raise Refused(f"{config.data_dir} does not exist: name its configuration with --config")


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        top = path.relative_to(folder).parts[0]
        if path.is_file() and top not in LEFT_OUT and not path.name.endswith(_LEFT_OUT_SUFFIXES):
            yield path


def _add(tar: tarfile.TarFile, path: Path, name: str) -> str:
    with path.open("rb") as stream:
        member = tar.gettarinfo(arcname=name, fileobj=stream)
        reader = _Digesting(stream)
        tar.addfile(member, cast("IO[bytes]", reader))
    return reader.hexdigest()


class _Digesting:
    """Reads a stream and keeps the digest of what was read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _unpack(source: Path, folder: Path) -> tuple[dict[str, str], dict[str, str], int]:
    """Write every file below ``folder``; return digests, the manifest's, and the bytes."""
    digests: dict[str, str] = {}
    manifest: dict[str, str] | None = None
    size = 0
    with _opened(source, "r") as tar:
        for found in tar:
            # Its name is without a leading slash, and refused if it leads elsewhere.
            member = tarfile.data_filter(found, str(folder))
            stream = tar.extractfile(member)
            if not member.isreg() or stream is None:
                raise ValueError(f"{member.name} is no file")
            if member.name == MANIFEST:
                manifest = json.load(stream)["files"]
                continue
            reader = _Digesting(stream)
            _write(folder / member.name, reader, member.mode)
            digests[member.name] = reader.hexdigest()
            size += member.size
    if manifest is None:
        raise ValueError("it has no end")
    return digests, manifest, size


def _write(path: Path, reader: _Digesting, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("xb") as stream:
        while data := reader.read(_BLOCK):
            stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    path.chmod(mode & 0o700)


def file_in(target: Path, now: datetime) -> Path:
    """Return the file to write: ``target``, or one named by the time if that is a folder."""
    return target / f"luytre-{now:%Y-%m-%dT%H%M%SZ}.tar.zst" if target.is_dir() else target


def forget_old(folder: Path, keep: int) -> int:
    """Delete all but the newest ``keep`` backups that ``file_in`` named; return how many went."""
    old = sorted(path for path in folder.iterdir() if _NAMED.fullmatch(path.name))[:-keep]
    for path in old:
        path.unlink()
    return len(old)


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[tarfile.TarFile]:
    packing = mode == "x"
    with path.open(f"{'w' if packing else mode}b") as file:
        if packing:
            path.chmod(0o600)
        packer = zstandard.ZstdCompressor() if packing else None
        stream = packer.stream_writer(file, closefd=False) if packer else _unpacked(file)
        with stream, tarfile.open(fileobj=stream, mode="w|" if packing else "r|") as tar:
            yield tar
        if packing:
            file.flush()
            os.fsync(file.fileno())


def _unpacked(file: IO[bytes]) -> zstandard.ZstdDecompressionReader:
    return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False)
