"""Where the content that should run comes from: a door for folders, and for bundles."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from detections.install import installed_paths
from detections.reviewed import reviewed_paths
from luytre.core.config import RulesConfig
from luytre.processor.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from luytre.core.config import Config


@dataclass(frozen=True, slots=True)
class Wanted:
    """The content that should run: what it is made of, and a digest that changes with any of it.

    ``rules`` are the settings whose ``paths`` name every file and folder of rules, filters, and
    correlations besides Luytre's own, the installed ones too.
    """

    digest: str
    rules: RulesConfig


class ContentSource(Protocol):
    """Says which content should run. It is asked every few seconds, from a thread of its own."""

    def wanted(self) -> Wanted:
        """Return it; cheaply if nothing changed. What it names stays readable until it changes.

        Raises ``LuytreError`` or ``OSError`` if that cannot be said now: what runs goes on.
        """


class FolderSource:
    """The rules' paths of the configuration, and the installed sets below the data folder.

    A change is seen by the names, sizes, and times of the files: 4,000 take 30 ms.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    def wanted(self) -> Wanted:
        """Return what the folders hold now."""
        rules = settings(self._config)
        digest = hashlib.sha256(rules.model_dump_json().encode())
        for path in (*rules.paths, *_beside(rules)):
            for line in _signatures(path):
                digest.update(line.encode(errors="surrogateescape"))
        return Wanted(digest.hexdigest(), rules)


def settings(config: Config) -> RulesConfig:
    """Return the rules' settings with the paths of the installed sets behind the configured.

    What went through review comes before all, and takes the place of what has the same id.
    """
    places = Places(config.data_dir)
    paths = (*config.rules.paths, *installed_paths(places.rules))
    overrides = (*reviewed_paths(places.review), *config.rules.overrides)
    return config.rules.model_copy(update={"paths": paths, "overrides": overrides})


def _beside(rules: RulesConfig) -> Iterator[Path]:
    yield from rules.overrides
    if rules.placeholders_file:
        yield rules.placeholders_file
    yield from (each for each in rules.mappings if isinstance(each, Path))


def _signatures(path: Path) -> Iterator[str]:
    """Yield a line for every file at or below a path, in one order."""
    if not path.is_dir():
        yield _signature(path)
    for folder, folders, names in os.walk(path):
        folders.sort()
        yield from map(_signature, _paths(folder, names))


def _paths(folder: str, names: Iterable[str]) -> Iterator[Path]:
    return (Path(folder, name) for name in sorted(names))


def _signature(path: Path) -> str:
    try:
        found = path.stat()
    except OSError as error:
        return f"{path} {error.errno}\n"
    return f"{path} {found.st_ino} {found.st_size} {found.st_mtime_ns}\n"
