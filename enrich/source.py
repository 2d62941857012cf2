"""The files behind one table: read when they change, the last good version kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from enrich.files import Signature, TableFile, UnusableError, read_file, signature
from enrich.lookup import Table

DIGEST_CHARS = 12

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class _Good(Generic[Parsed]):
    """The last version of a file that could be used."""

    digest: str
    parsed: Parsed
    notes: Sequence[str]


@dataclass(slots=True)
class Source(Generic[Parsed]):
    """The files of one table, each with its last good version, and the table made of them."""

    name: str
    paths: Sequence[Path]
    parse: Callable[[TableFile], tuple[Parsed, list[str]]]
    assemble: Callable[[Sequence[Parsed]], Table]
    table: Table = field(init=False)
    _good: dict[Path, _Good[Parsed]] = field(default_factory=dict)
    _read: dict[Path, Signature] = field(default_factory=dict)
    _troubles: dict[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.table = self.assemble(())

    def refresh(self) -> bool:
        """Read changed files; tell whether the table is another one now."""
        changed = [self._refresh(path) for path in self.paths]
        if any(changed):
            good = [self._good[path].parsed for path in self.paths if path in self._good]
            self.table = self.assemble(good)
        return any(changed)

    def _refresh(self, path: Path) -> bool:
        old = self._good.get(path)
        seen = self._read.pop(path, None)
        try:
            found = signature(path)
            # A file caught while being written has no signature here and is read next time.
            file = None if found == seen else read_file(path)
            self._read[path] = found
            if file is None:
                return False
            if old is None or old.digest != file.digest:
                self._good[path] = _Good(file.digest, *self.parse(file))
        except UnusableError as error:
            kept = "; the last good version stays" if old else ""
            self._troubles[path] = f"{error}{kept}"
            return False
        self._troubles.pop(path, None)
        return self._good[path] is not old

    @property
    def version(self) -> str:
        """A digest of all files in use; empty if there are none."""
        digests = [self._good[path].digest for path in self.paths if path in self._good]
        if len(digests) > 1:
            digests = [hashlib.sha256("".join(digests).encode()).hexdigest()]
        return digests[0][:DIGEST_CHARS] if digests else ""

    @property
    def notes(self) -> list[str]:
        """What is wrong with the files, the unusable ones first."""
        troubles = [self._troubles[path] for path in self.paths if path in self._troubles]
        good = [self._good[path] for path in self.paths if path in self._good]
        return troubles + [note for version in good for note in version.notes]
