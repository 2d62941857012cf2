"""The files of an export, each read as what it must be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luytre_verify.checkpoint import Key, Note, Unreadable, read_key, read_note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTRIES, DETAILS, KEY = "entries.ndjson", "details.tsv", "key.txt"
CHECKPOINTS, LATEST, ANCHORS = "checkpoints.ndjson", "checkpoint", "anchors.ndjson"
NUMBER_DIGITS_MAX = 18
FILES = (ENTRIES, DETAILS, KEY, CHECKPOINTS, LATEST, ANCHORS)


@dataclass(frozen=True, slots=True)
class AnchorCopy:
    """What the export says of an anchor: the entry that records it, and its checkpoint."""

    seq: int
    note: Note


class Export:
    """A folder that `luytre audit export` made."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir() or not any((folder / name).exists() for name in FILES):
            raise Unreadable(f"{folder} is no export: it has none of {', '.join(FILES)}")
        self.folder = folder

    def missing(self) -> list[str]:
        """Return the names of files that every export has and this one has not."""
        return [name for name in FILES if not (self.folder / name).is_file()]

    def entries(self) -> Iterator[bytes]:
        """Yield the bytes of each entry."""
        yield from self._lines(ENTRIES)

    def details(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the bytes of each detail; -1 for a line that is none."""
        for line in self._lines(DETAILS):
            number, tab, detail = line.partition(b"\t")
            is_number = tab and number.isdigit() and len(number) <= NUMBER_DIGITS_MAX
            yield (int(number) if is_number else -1), detail

    def key(self) -> Key | None:
        """Return the key that the export names, None if it names none."""
        try:
            return read_key((self.folder / KEY).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def checkpoints(self) -> Iterator[Note | None]:
        """Yield each checkpoint, the latest last; None for a line that is none."""
        for line in self._lines(CHECKPOINTS):
            yield _note(line)
        try:
            yield read_note((self.folder / LATEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            yield None

    def anchors(self) -> Iterator[AnchorCopy | None]:
        """Yield each anchor's copy; None for a line that is none."""
        for line in self._lines(ANCHORS):
            note = _note(line)
            try:
                seq = int(json.loads(line)["seq"])
            except (ValueError, KeyError, TypeError, RecursionError):
                seq = -1
            yield None if note is None or seq < 0 else AnchorCopy(seq, note)

    def _lines(self, name: str) -> Iterator[bytes]:
        path = self.folder / name
        if not path.is_file():
            return
        with path.open("rb") as stream:
            for line in stream:
                yield line.removesuffix(b"\n")


def _note(line: bytes) -> Note | None:
    try:
        return read_note(str(json.loads(line)["note"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
