"""A zip or folder of rules copied with care: only rules, licence, and readme, within limits."""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, NamedTuple

from luytre.core.errors import Fault, Refused
from luytre.core.yamlfile import BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENTRIES_MAX = 50_000
TOTAL_MAX = 256 * 2**20
RATIO_MAX = 200
"""A zip may grow so many times; rules shrink to a fifth."""
DEPTH_MAX = 12
ARCHIVE_MAX = 256 * 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NAME_MAX = 120
_RULES = (".yml", ".yaml")
_PAPERS = re.compile(r"(licen[sc]e|copying|readme)([._-].*)?", re.IGNORECASE)
_LICENCE = re.compile(r"(licen[sc]e|copying)([._-].*)?", re.IGNORECASE)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SKIPPED = frozenset({"deprecated", "unsupported", "tests", "rules-placeholder"})
"""What SigmaHQ's repository holds and does not mean to run."""
_DRL = re.compile(r"Detection Rule License.{0,40}?(\d\.\d)", re.IGNORECASE | re.DOTALL)


class _Entry(NamedTuple):
    name: str
    open: Callable[[], IO[bytes]]


@dataclass(slots=True)
class Unpacked:
    """What was copied; ``names`` are the source's own names of the files whose name changed."""

    sha256: str
    faults: list[Fault] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    licence: str = ""
    licence_file: str = ""


def unpack(source: Path, folder: Path) -> Unpacked:
    """Copy a set's files into the new ``folder``. Raises ``Refused`` for what is hostile."""
    if source.is_dir():
        return _copy(source, folder, _from_folder(source), None)
    if not source.is_file():
        raise Refused(f"{source} does not exist")
    if source.stat().st_size > ARCHIVE_MAX:
        raise Refused(f"{source} is larger than {ARCHIVE_MAX} bytes")
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            with zipfile.ZipFile(file) as archive:
                return _copy(source, folder, _from_zip(source, archive), digest)
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise Refused(f"{source} is not a zip that can be read: {error}") from error


def _from_zip(source: Path, archive: zipfile.ZipFile) -> Iterator[_Entry]:
    entries = archive.infolist()
    if len(entries) > ENTRIES_MAX:
        raise Refused(f"{source} has more than {ENTRIES_MAX} entries")
    size = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if size > TOTAL_MAX or size > RATIO_MAX * max(packed, 1024):
        raise Refused(f"{source} would grow to {size} bytes: a zip bomb is not unpacked")
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Refused(f"{source} holds a link or device: {entry.filename!r}")
        if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
            raise Refused(f"{source} is encrypted, or packed otherwise than zips are")
        if not entry.is_dir():
            yield _Entry(entry.filename, lambda entry=entry: archive.open(entry))  # type: ignore[misc]


def _from_folder(source: Path) -> Iterator[_Entry]:
    for number, path in enumerate(sorted(source.rglob("*"))):
        if number >= ENTRIES_MAX:
            raise Refused(f"{source} has more than {ENTRIES_MAX} entries")
        name = path.relative_to(source).as_posix()
        if path.is_symlink():
            raise Refused(f"{source} holds a link: {name!r}")
        if path.is_file():
            yield _Entry(name, lambda path=path: path.open("rb"))  # type: ignore[misc]


def _copy(source: Path, folder: Path, entries: Iterator[_Entry], digest: str | None) -> Unpacked:
    folder.mkdir(mode=0o755)
    unpacked = Unpacked(digest or "")
    tree = hashlib.sha256()
    total = 0
    taken: dict[str, bool] = {}
    for entry in entries:
        inside = _safe(source, entry.name)
        if not _wanted(inside):
            continue
        content = _read(source, entry, TOTAL_MAX - total)
        total += len(content)
        name = "/".join(_normal(part) for part in inside.parts)
        problem = _problem(name, content, taken)
        if problem:
            unpacked.faults.append(Fault(source / inside, 1, problem))
            continue
        tree.update(f"{entry.name}\n{len(content)}\n".encode(errors="replace") + content)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        unpacked.names[name] = inside.as_posix()
    unpacked.sha256 = digest or tree.hexdigest()
    _licence(unpacked, folder)
    return unpacked


def _safe(source: Path, name: str) -> PurePosixPath:
    """Return the path of an entry, if it is one that stays inside."""
    path = PurePosixPath(name)
    unsafe = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
    if unsafe or name[1:2] == ":" or not path.parts or len(path.parts) > DEPTH_MAX:
        raise Refused(f"{source} holds a path that is not allowed: {name[:200]!r}")
    return path


def _wanted(path: PurePosixPath) -> bool:
    if any(part.startswith(".") or part in _SKIPPED for part in path.parts):
        return False
    return path.suffix in _RULES or _PAPERS.fullmatch(path.name) is not None


def _normal(part: str) -> str:
    stem, dot, suffix = _UNSAFE.sub("_", part).rpartition(".")
    return f"{stem[:_NAME_MAX]}{dot}{suffix[:_NAME_MAX]}"


def _read(source: Path, entry: _Entry, left: int) -> bytes:
    with entry.open() as stream:
        # What a zip says of its sizes may be a lie.
        content = stream.read(min(left, BYTES_MAX) + 1)
    if len(content) > left:
        raise Refused(f"{source} holds more than {TOTAL_MAX} bytes")
    return content


def _problem(name: str, content: bytes, taken: dict[str, bool]) -> str:
    """Say why a file is left out, or note in ``taken`` its name (True) and its folders."""
    if len(content) > BYTES_MAX:
        return f"is larger than {BYTES_MAX} bytes"
    path = PurePosixPath(name.lower())
    folders = [str(folder) for folder in path.parents]
    if str(path) in taken or any(taken.get(folder) for folder in folders):
        return "another file has this name"
    taken.update(dict.fromkeys(folders, False))
    taken[str(path)] = True
    return ""


def _licence(unpacked: Unpacked, folder: Path) -> None:
    """Note the licence file nearest to the root, and the licence it is."""
    files = [name for name in unpacked.names if _LICENCE.fullmatch(PurePosixPath(name).name)]
    if not files:
        return
    unpacked.licence_file = min(files, key=lambda name: (name.count("/"), name))
    text = (folder / unpacked.licence_file).read_text(encoding="utf-8", errors="replace")
    known = _DRL.search(text)
    unpacked.licence = f"DRL-{known[1]}" if known else f"see {unpacked.licence_file}"
