"""Table files as people and feeds write them: bytes with a digest, CSV rows with their lines."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from luytre.core.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_BYTES_MAX = 512 * 2**20
FIELD_CHARS_MAX = 64 * 1024
NOTES_MAX = 20

Signature = tuple[int, int, int]
"""When, how large, and which: what tells a changed file from the same one."""


class UnusableError(Exception):
    """A table file that gives nothing at all; the text is the note. Never leaves this room."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """The bytes of one file, read at one moment."""

    path: Path
    data: bytes
    digest: str


@dataclass(slots=True)
class Notes:
    """What was wrong in one file: the first lines in full, the others as a number."""

    path: Path
    faults: list[str] = field(default_factory=list)
    skipped: int = 0

    def add(self, line: int, problem: str) -> None:
        """Note a line that is skipped."""
        self.skipped += 1
        if len(self.faults) < NOTES_MAX:
            self.faults.append(str(Fault(self.path, line, problem)))

    def all(self) -> list[str]:
        """Return the notes, and how many more there were."""
        more = self.skipped - len(self.faults)
        return [*self.faults, f"{self.path}: and {more} more bad lines"] if more else self.faults


def signature(path: Path) -> Signature:
    """Return what changes when the file does. Raises ``UnusableError`` if it is not there."""
    try:
        status = path.stat()
    except OSError as error:
        raise UnusableError(f"{path}: cannot be read: {error.strerror}") from error
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_file(path: Path) -> TableFile:
    """Return a file's bytes. Raises ``UnusableError``: it is missing, too big, or being written."""
    before = signature(path)
    if before[1] > FILE_BYTES_MAX:
        raise UnusableError(f"{path}: is larger than {FILE_BYTES_MAX} bytes")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnusableError(f"{path}: cannot be read: {error.strerror}") from error
    if signature(path) != before:
        raise UnusableError(f"{path}: is being written")
    return TableFile(path, data, hashlib.sha256(data).hexdigest())


Cells = tuple[int, list[str]]
"""A line's number and its cells."""


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One line of a CSV table: its cells by column, stripped; an absent cell is empty text."""

    line: int
    cells: dict[str, str]

    def get(self, column: str) -> str:
        return self.cells.get(column, "")


def csv_rows(file: TableFile, required: tuple[str, ...], notes: Notes) -> Iterator[CsvRow]:
    """Yield the rows of a CSV file; see ``csv_cells``."""
    header, rows = csv_cells(file, required, notes)
    for line, cells in rows:
        yield CsvRow(line, dict(zip(header, (cell.strip() for cell in cells), strict=False)))


def csv_cells(
    file: TableFile, required: tuple[str, ...], notes: Notes
) -> tuple[list[str], Iterator[Cells]]:
    """Return the header of a CSV file and its rows (RFC 4180; ";" between cells is read too).

    A row is one line. Blank lines and lines that start with "#" are skipped, bad ones noted. Raises
    ``UnusableError`` if the header lacks a required column.
    """
    lines = numbered_lines(file, notes)
    header_line, header_text = next(lines, (1, ""))
    delimiter = ";" if header_text.count(";") > header_text.count(",") else ","
    header = [cell.strip().lower() for cell in next(csv.reader([header_text], delimiter=delimiter))]
    missing = [column for column in required if column not in header]
    if missing:
        raise UnusableError(
            str(Fault(file.path, header_line, f"the header has no column {', '.join(missing)}"))
        )
    return header, _cells(lines, header, delimiter, notes)


def _cells(
    lines: Iterator[tuple[int, str]], header: list[str], delimiter: str, notes: Notes
) -> Iterator[Cells]:
    for line, text in lines:
        try:
            # One reader a line: an open quote spoils its line, not the rest of the file.
            (cells,) = csv.reader([text], delimiter=delimiter, strict=True)
        except csv.Error as error:
            notes.add(line, f"is not CSV: {error}")
            continue
        if len(cells) > len(header):
            notes.add(line, f"has {len(cells)} cells, the header {len(header)}")
            continue
        yield line, cells


def numbered_lines(file: TableFile, notes: Notes) -> Iterator[tuple[int, str]]:
    """Yield line number (from 1) and text of every line that says something and is UTF-8."""
    stream = io.TextIOWrapper(io.BytesIO(file.data), "utf-8-sig", errors="replace")
    for number, raw in enumerate(stream, 1):
        text = raw.strip()
        if not text or text.startswith("#"):
            continue
        if "\ufffd" in text:
            notes.add(number, "is not UTF-8")
        elif len(text) > FIELD_CHARS_MAX:
            notes.add(number, f"is longer than {FIELD_CHARS_MAX} characters")
        else:
            yield number, text
