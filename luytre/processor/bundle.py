"""Content as one document: rules of many files, named by the digest of what is in it.

A bundle travels on the topic ``config``, which Kafka compacts: a message under the key
``bundle/<digest>`` holds it, one under ``active`` names the bundle that should run.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import zstandard

from luytre.core.config import RulesConfig
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = 1
BYTES_MAX = 256 * 2**20
ACTIVE_KEY, BUNDLE_KEY = b"active", b"bundle/"
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Nothing hidden, no way up: a name of a bundle becomes a path below its own folder.
_NAME = re.compile(
    r"(?:[A-Za-z0-9_+@ ()-][A-Za-z0-9._+@ ()-]*/)*[A-Za-z0-9_+@ ()-][A-Za-z0-9._+@ ()-]*"
)
_NAME_MAX = 240
_RULE_ENDINGS = (".yml", ".yaml")


class File(msgspec.Struct, frozen=True):
    """One file: where it lies below the bundle's folder, and its text."""

    name: str
    text: str


class Bundle(msgspec.Struct, frozen=True):
    """Rules, and the settings they run with. ``mappings`` are names, or files of the bundle."""

    version: int
    builtin: bool
    disabled: tuple[str, ...]
    levels: tuple[str, ...]
    placeholders: dict[str, tuple[str, ...]]
    mappings: tuple[str, ...]
    files: tuple[File, ...]
    overrides: int = 0


class Active(msgspec.Struct, frozen=True):
    """Which bundle should run, since when (UTC, ISO 8601), and who said so."""

    digest: str
    since: str
    by: str


def pack(rules: RulesConfig, placeholders: dict[str, tuple[str, ...]]) -> Bundle:
    """Return a bundle of everything that the settings name: rules, filters, mappings.

    ``placeholders`` are those of the settings and of their file. Raises ``Refused`` for a path that
    does not exist, or that no bundle may hold.
    """
    files: dict[str, str] = {}
    # The first folders are those that override, as the bundle says.
    for number, path in enumerate((*rules.overrides, *rules.paths)):
        for found in sorted(_below(path)):
            inner = found.relative_to(path).as_posix() if path.is_dir() else found.name
            files[_checked(f"rules-{number}/{inner}")] = _read(found)
    mappings: list[str] = []
    for number, each in enumerate(rules.mappings):
        name = each if isinstance(each, str) else _checked(f"mappings-{number}/{each.name}")
        mappings.append(name)
        if not isinstance(each, str):
            files[name] = _read(each)
    return Bundle(
        version=VERSION,
        builtin=rules.builtin,
        disabled=rules.disabled,
        levels=rules.levels,
        placeholders=placeholders,
        mappings=tuple(mappings),
        files=tuple(File(name, text) for name, text in sorted(files.items())),
        overrides=len(rules.overrides),
    )


def encode(bundle: Bundle) -> tuple[str, bytes]:
    """Return the digest of a bundle and the bytes that carry it."""
    plain = msgspec.json.encode(bundle, order="sorted")
    return hashlib.sha256(plain).hexdigest(), zstandard.compress(plain, 10)


def decode(digest: str, value: bytes) -> Bundle:
    """Return the bundle of some bytes. Raises ``Refused`` if they are not what was named."""
    try:
        plain = zstandard.ZstdDecompressor().decompress(
            value, max_output_size=BYTES_MAX, allow_extra_data=False
        )
        if len(plain) > BYTES_MAX or hashlib.sha256(plain).hexdigest() != digest:
            raise Refused(f"the bundle {digest[:12]} is damaged: its digest is another")
        bundle = msgspec.json.decode(plain, type=Bundle)
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise Refused(f"the bundle {digest[:12]} cannot be read: {error}") from None
    if bundle.version != VERSION:
        raise Refused(f"the bundle {digest[:12]} is of version {bundle.version}: update Luytre")
    return bundle


def decode_active(value: bytes) -> Active:
    """Return what should run. Raises ``Refused``."""
    try:
        active = msgspec.json.decode(value, type=Active)
    except msgspec.MsgspecError as error:
        raise Refused(f"the topic config names no bundle that can be read: {error}") from None
    if not _DIGEST.fullmatch(active.digest):
        raise Refused("the topic config names a bundle by what is no digest")
    return active


def unpack(bundle: Bundle, folder: Path) -> RulesConfig:
    """Write the files of a bundle to ``folder``, whole or not at all, and return its settings.

    A folder that is there already is the same bundle's, and stays. Raises ``Refused`` for names
    that a bundle may not hold.
    """
    names = [_checked(file.name) for file in bundle.files]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
        try:
            for file in bundle.files:
                path = fresh / file.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file.text)
            _move(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    numbered = {name.partition("/")[0] for name in names if name.startswith("rules-")}
    roots = sorted(numbered, key=_number)
    mappings = [folder / each if each in names else each for each in bundle.mappings]
    return RulesConfig.model_validate({
        "builtin": bundle.builtin,
        "paths": [folder / root for root in roots if _number(root) >= bundle.overrides],
        "overrides": [folder / root for root in roots if _number(root) < bundle.overrides],
        "disabled": bundle.disabled,
        "levels": bundle.levels,
        "placeholders": bundle.placeholders,
        "mappings": mappings,
    })  # fmt: skip


def _number(root: str) -> int:
    number = root.removeprefix("rules-")
    if not number.isdecimal():
        raise Refused(f"{root!r} is no name that a bundle may hold")
    return int(number)


def _move(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:
        # Another process of this machine was faster, with the same bundle.
        if not folder.exists():
            raise


def _below(path: Path) -> Iterable[Path]:
    if not path.exists():
        raise Refused(f"{path} does not exist")
    return _rules_in(path) if path.is_dir() else [path]


def _rules_in(path: Path) -> Iterator[Path]:
    yield from (each for each in path.rglob("*") if each.suffix in _RULE_ENDINGS and each.is_file())


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: {error}") from None


def _checked(name: str) -> str:
    if len(name) > _NAME_MAX or not _NAME.fullmatch(name):
        raise Refused(f"{name!r} is no name that a bundle may hold")
    return name
