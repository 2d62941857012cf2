"""The compiled plan on disk, so that only the first start after a change parses the rules."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from detections.load import BUILTIN, SUFFIXES, RuleSet, load_rules
from detections.manifest import MANIFEST, set_licence
from detections.mappings import NOTHING
from detections.plan import Plan, build_plan, decode_plan, encode_plan
from luytre.core.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from detections.mappings import Adaptation
    from luytre.core.alert import Level, RuleCard

KEPT = 4
"""Plans kept in the folder: those of other settings and of the version before."""
_CHECKSUM_BYTES = 32
_PLAN = "plan-*.msgpack"
_READ = (*SUFFIXES, MANIFEST)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The plan of all valid rules, and why each other one is left out."""

    plan: Plan
    faults: tuple[Fault, ...]


class _File(msgspec.Struct, array_like=True):
    plan: Plan
    faults: list[tuple[str, int, str, str]]


def load_or_build(
    paths: Sequence[Path],
    *,
    folder: Path,
    builtin: bool = True,
    disabled: Iterable[str] = (),
    levels: Iterable[Level] = (),
    adaptation: Adaptation = NOTHING,
    overrides: Sequence[Path] = (),
) -> Loaded:
    """Return the plan of the rules in ``paths``, from ``folder`` if it was compiled before.

    The key is the content of every file that loading would read, the settings, and the programs
    that compile; a damaged file is no plan and is written anew. Rules and filters whose id is in
    ``disabled`` are left out, and if ``levels`` is not empty the rules of other levels.
    """
    disabled, levels = tuple(sorted(disabled)), tuple(sorted(levels))
    key = _key(
        [*overrides, *([BUILTIN] if builtin else []), *paths],
        (builtin, disabled, levels, adaptation.digest, len(overrides)),
    )
    place = folder / _PLAN.replace("*", key)
    loaded = _read(place)
    if loaded is None:
        found = load_rules(paths, builtin=builtin, adaptation=adaptation, overrides=overrides)
        loaded = _build(found, disabled, levels)
        _write(place, loaded)
    return loaded


def _build(loaded: RuleSet, disabled: tuple[str, ...], levels: tuple[Level, ...]) -> Loaded:
    def runs(card: RuleCard) -> bool:
        return card.id not in disabled and (not levels or card.level in levels)

    rules = [rule for rule in loaded.rules if runs(rule.card)]
    correlations = [each for each in loaded.correlations if runs(each.card)]
    filters = [each for each in loaded.filters if each.id not in disabled]
    plan, faults = build_plan(rules, filters, correlations)
    # As it comes from the file: a limit of 2 is 2.0 there, and the digest is another one.
    return Loaded(decode_plan(encode_plan(plan)), (*loaded.faults, *faults))


def _key(paths: Sequence[Path], settings: tuple[object, ...]) -> str:
    digest = hashlib.sha256(repr((sys.version, version("pysigma"), settings)).encode())
    digest.update(repr([(str(path), set_licence(path)) for path in paths]).encode())
    sources = sorted(Path(__file__).parent.glob("*.py"))
    for path in (*sources, *chain.from_iterable(map(_files, paths))):
        digest.update(repr(str(path)).encode())
        try:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            digest.update(repr(error.errno).encode())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    """Yield everything below a path that loading may look at, in one order."""
    if not path.is_dir():
        yield path
    for folder, folders, names in os.walk(path):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names) if name.endswith(_READ))


def _read(place: Path) -> Loaded | None:
    try:
        data = place.read_bytes()
        checksum, content = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
        if hashlib.sha256(content).digest() != checksum:
            return None
        file = msgspec.msgpack.decode(content, type=_File)
    except (OSError, msgspec.DecodeError):
        return None
    faults = (Fault(Path(path), line, what, remedy) for path, line, what, remedy in file.faults)
    return Loaded(file.plan, tuple(faults))


def _write(place: Path, loaded: Loaded) -> None:
    """Keep a plan. A disk that cannot is no reason not to detect: the next start parses again."""
    faults = [(str(f.path), f.line, f.problem, f.remedy) for f in loaded.faults]
    content = msgspec.msgpack.encode(_File(loaded.plan, faults))
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=".plan-")
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        Path(name).replace(place)
        _prune(place.parent)


def _prune(folder: Path) -> None:
    plans = sorted(folder.glob(_PLAN), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in plans[KEPT:]:
        path.unlink(missing_ok=True)
