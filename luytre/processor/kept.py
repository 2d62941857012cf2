"""Keeps every version of the rules, filters and mappings that ran here, named by what alerts say.

An alert says by digest what it was judged with. Rules are edited, and sets of them updated: without
the text of that day nobody could show later why it fired.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

from detections.correlation_rules import read_correlation
from detections.load import load_rules
from luytre.core.clock import SystemClock
from luytre.core.database import STORAGE_ERRORS, open_database, transaction
from luytre.core.errors import LuytreError
from luytre.core.log import get_logger
from luytre.core.yamlfile import read_yaml
from luytre.processor.content import adaptation_of
from luytre.processor.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detections.correlation import Correlation
    from detections.plan import Plan
    from detections.plan_cache import Loaded
    from luytre.core.config import Config, RulesConfig
    from luytre.core.database import Connection

MIGRATIONS = [
    """
    CREATE TABLE files (sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, text BLOB NOT NULL) STRICT;
    CREATE TABLE versions (
        version TEXT PRIMARY KEY, file TEXT NOT NULL REFERENCES files (sha256)
    ) STRICT;
    CREATE TABLE plans (digest TEXT PRIMARY KEY, since TEXT NOT NULL, also TEXT NOT NULL) STRICT;
    """
]

log = get_logger("content")


class Also(msgspec.Struct, frozen=True):
    """What ran with the rules of a plan: the rest of what decides whether one of them alerts.

    ``filters`` and ``correlations`` are versions, ``rests_on`` those of the rules that each
    correlation (by version) looks at. ``mappings`` are names, or digests of files that are kept.
    """

    filters: tuple[str, ...] = ()
    correlations: tuple[str, ...] = ()
    rests_on: dict[str, tuple[str, ...]] = {}
    placeholders: dict[str, tuple[str, ...]] = {}
    mappings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file as it was."""

    name: str
    sha256: str
    text: bytes


class Kept:
    """The store of one installation, for all of its processes."""

    def __init__(self, path: Path) -> None:
        self._db: Connection = open_database(path, MIGRATIONS)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def knows(self, plan: str) -> bool:
        """Tell whether a plan, by its digest, is kept."""
        return self._db.execute("SELECT 1 FROM plans WHERE digest = ?", (plan,)).get is not None

    def add(self, plan: Plan, also: Also, mappings: Mapping[str, bytes]) -> int:
        """Keep a plan's texts; return how many files were new.

        A file that was edited since it was loaded is not what ran, and is not kept as such.
        """
        wanted = {**{r.card.version: r.card.path for r in plan.rules}, **_others(plan)}
        before: Any = self._db.execute("SELECT count(*) FROM files").get
        known = {str(v) for (v,) in self._db.execute("SELECT version FROM versions")}
        found = list(_read({v: Path(p) for v, p in wanted.items() if v not in known}))
        with transaction(self._db):
            for version, file in found:
                self._keep(file)
                self._db.execute(
                    "INSERT OR IGNORE INTO versions VALUES (?, ?)", (version, file.sha256)
                )
            for name, text in mappings.items():
                self._keep(KeptFile(name, _sha256(text), text))
            row = plan.digest, SystemClock().now().isoformat(), msgspec.json.encode(also).decode()
            self._db.execute("INSERT OR IGNORE INTO plans VALUES (?, ?, ?)", row)
        after: Any = self._db.execute("SELECT count(*) FROM files").get
        return int(after) - int(before)

    def _keep(self, file: KeptFile) -> None:
        packed = zstandard.compress(file.text, 9)
        self._db.execute(
            "INSERT OR IGNORE INTO files VALUES (?, ?, ?)", (file.sha256, file.name, packed)
        )

    def also(self, plan: str) -> Also | None:
        """Return what ran with a plan; None if it is not kept."""
        found: Any = self._db.execute("SELECT also FROM plans WHERE digest = ?", (plan,)).get
        return None if found is None else msgspec.json.decode(found, type=Also)

    def plan_of(self, correlation: str, at: datetime) -> str:
        """Return the plan in which a version of a correlation ran at a time, "" if none is kept.

        Alerts of correlations name their own rule's version only.
        """
        rows: Any = self._db.execute("SELECT digest, since, also FROM plans ORDER BY since")
        found = [
            (datetime.fromisoformat(since), digest)
            for digest, since, also in rows
            if correlation in msgspec.json.decode(also, type=Also).correlations
        ]
        before = [digest for since, digest in found if since <= at]
        return before[-1] if before else found[0][1] if found else ""

    def file(self, version: str) -> KeptFile | None:
        """Return the file that holds a version of a rule, filter or correlation, or a mapping."""
        row: Any = self._db.execute(
            "SELECT sha256, name, text FROM files WHERE sha256 ="
            " coalesce((SELECT file FROM versions WHERE version = ?), ?)",
            (version, version),
        ).fetchone()
        return None if row is None else KeptFile(row[1], row[0], zstandard.decompress(row[2]))


def keep(config: Config, rules: RulesConfig, loaded: Loaded) -> None:
    """Keep what is about to run. That it cannot be kept is no reason not to detect."""
    try:
        kept = Kept(Places(config.data_dir).kept)
        try:
            if kept.knows(loaded.plan.digest):
                return
            files = {
                each.name: each.read_bytes() for each in rules.mappings if isinstance(each, Path)
            }
            count = kept.add(loaded.plan, _also(loaded.plan, rules, files), files)
            log.info("content kept", plan=loaded.plan.digest[:12], new_files=count)
        finally:
            kept.close()
    except (LuytreError, OSError, *STORAGE_ERRORS) as error:
        log.error("the rules that run are not kept for later evidence", reason=str(error))


def _also(plan: Plan, rules: RulesConfig, files: Mapping[str, bytes]) -> Also:
    versions = {rule.card.id: rule.card.version for rule in plan.rules}
    versions |= {each.card.id: each.card.version for each in plan.correlations}
    return Also(
        filters=tuple(sorted({each.version for each in plan.filters})),
        correlations=tuple(sorted({each.card.version for each in plan.correlations})),
        rests_on={each.card.version: _under(each, versions) for each in plan.correlations},
        placeholders={name: tuple(v) for name, v in adaptation_of(rules).placeholders.items()},
        mappings=tuple(
            _sha256(files[each.name]) if isinstance(each, Path) else each for each in rules.mappings
        ),
    )


def _under(correlation: Correlation, versions: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted({versions[rule] for rule in correlation.rules if rule in versions}))


def _others(plan: Plan) -> dict[str, str]:
    """Return the paths of filters and correlations by version."""
    filters = {each.version: each.path for each in plan.filters}
    return {**filters, **{each.card.version: each.card.path for each in plan.correlations}}


def _read(wanted: Mapping[str, Path]) -> Iterator[tuple[str, KeptFile]]:
    """Yield the files of versions, as far as they still are what was loaded; each is read once."""
    of_path: dict[Path, set[str]] = {}
    for version, path in wanted.items():
        of_path.setdefault(path, set()).add(version)
    for path, versions in of_path.items():
        try:
            text = path.read_bytes()
        except OSError as error:
            log.warning("a rule that runs is not kept", path=str(path), reason=str(error))
            continue
        file = KeptFile(path.name, _sha256(text), text)
        # A file of several documents, or of a correlation, has versions of its own.
        there = {file.sha256} if versions == {file.sha256} else {file.sha256, *_versions(path)}
        yield from ((version, file) for version in versions & there)
        if versions - there:
            log.warning("a rule that runs is not kept", path=str(path), reason="it was edited")


def _versions(path: Path) -> set[str]:
    found = load_rules([path], builtin=False)
    versions = {rule.card.version for rule in found.rules}
    versions |= {each.version for each in found.filters}
    documents, _ = read_yaml(path)
    for document in documents:
        if isinstance(document.data, dict) and "correlation" in document.data:
            correlation, _ = read_correlation(document)
            versions |= {correlation.card.version} if correlation else set()
    return versions


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
