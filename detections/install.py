"""Rule sets of others, installed whole or not at all: verified, with licence and authors.

A set lies in a folder of its own; the file ``<name>.active`` beside says which folder counts. It
is replaced in one rename, so a reader sees the old set or the new one.
"""

from __future__ import annotations

import re
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from detections.load import RuleSet, load_rules
from detections.manifest import Manifest, write_manifest
from detections.unpacked import Unpacked, unpack
from luytre.core.disk import sync
from luytre.core.errors import Fault, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.clock import Clock

ACTIVE = ".active"
_NAME_MAX = 60
_FOLDER = re.compile(r"[a-z0-9._-]+@[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Installed:
    """Where a set lies now, how many of its rules will run, and what was left out."""

    path: Path
    rules: int
    faults: tuple[Fault, ...]


def install(source: Path, target: Path, *, clock: Clock) -> Installed:
    """Install a zip or a folder of rules below ``target``, in place of a set of the same name.

    Rules with faults are left out and returned. Raises ``Refused`` for what is no such set, tries
    to leave its folder, is larger than the limits of ``detections.unpacked``, or has no good rule.
    """
    name = _name(source)
    target.mkdir(parents=True, exist_ok=True)
    folder = target / f"{name}@{secrets.token_hex(8)}"
    try:
        unpacked = unpack(source, folder)
        kept = _keep_good(source, load_rules([folder], builtin=False))
        faults = tuple(_as_in_source(fault, folder, source, unpacked) for fault in kept.faults)
        write_manifest(folder, _manifest(name, source, clock, unpacked, kept, faults))
        _activate(target, name, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _forget_others(target, name, folder)
    return Installed(folder, len(kept.rules), (*unpacked.faults, *faults))


def installed_paths(target: Path) -> list[Path]:
    """Return the folders of the sets that count, by name."""
    found = []
    for pointer in sorted(target.glob(f"*{ACTIVE}")):
        folder = pointer.read_text(encoding="utf-8").strip()
        if _FOLDER.fullmatch(folder) and (target / folder).is_dir():
            found.append(target / folder)
    return found


def _name(source: Path) -> str:
    stem = source.resolve().name.lower().removesuffix(".zip")
    name = re.sub(r"[^a-z0-9._-]+", "-", stem)[:_NAME_MAX].strip(".-_")
    if not name:
        raise Refused(f"{source} has no name that a rule set could have")
    return name


def _keep_good(source: Path, loaded: RuleSet) -> RuleSet:
    """Delete the files that hold a fault; a good rule in such a file is left out with it."""
    bad = {fault.path for fault in loaded.faults}
    rules = tuple(rule for rule in loaded.rules if rule.path not in bad)
    if not rules:
        first = f": {loaded.faults[0].problem}" if loaded.faults else ""
        raise Refused(f"{source} holds no rule that can be used{first}")
    others = [
        rule.document.fault((), "is left out with its file's other rule")
        for rule in loaded.rules
        if rule.path in bad
    ]
    for path in bad:
        path.unlink()
    return RuleSet(rules, (*loaded.faults, *others), loaded.digest)


def _as_in_source(fault: Fault, folder: Path, source: Path, unpacked: Unpacked) -> Fault:
    inside = fault.path.relative_to(folder).as_posix()
    return replace(fault, path=source / unpacked.names.get(inside, inside))


def _manifest(
    name: str,
    source: Path,
    clock: Clock,
    unpacked: Unpacked,
    kept: RuleSet,
    faults: Sequence[Fault],
) -> Manifest:
    return Manifest(
        name=name,
        source=source.name,
        sha256=unpacked.sha256,
        installed_at=clock.now().isoformat(),
        rules=len(kept.rules),
        licence=unpacked.licence,
        licence_file=unpacked.licence_file,
        authors=tuple(sorted({rule.card.author for rule in kept.rules} - {""})),
        refused=tuple(str(fault) for fault in (*unpacked.faults, *faults)),
    )


def _activate(target: Path, name: str, folder: Path) -> None:
    """Make ``folder`` the one that counts, once all of it is on disk."""
    fresh = target / f".{folder.name}"
    fresh.write_text(folder.name + "\n", encoding="utf-8")
    for path in (folder, *folder.rglob("*"), fresh, target):
        sync(path)
    fresh.replace(target / f"{name}{ACTIVE}")
    sync(target)


def _forget_others(target: Path, name: str, folder: Path) -> None:
    for other in target.glob(f"{name}@*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
