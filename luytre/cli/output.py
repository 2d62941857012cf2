"""What people see: tables and lines in which log content is only text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from luytre.core.log import escape_controls

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

PIPE_COLUMNS = 160
"""A pipe has no width of its own: tables are cut less than on the smallest terminal."""

LEVEL_STYLES = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "cyan",
    "informational": "dim",
}


def console() -> Console:
    """Return the console of a command's result."""
    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(highlight=False, markup=False, emoji=False, width=width)


def error_console() -> Console:
    """Return the console for progress and problems: standard error."""
    # Whoever reads a pipe wants each problem, with its file and line, on one line.
    wraps = sys.stderr.isatty()
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=not wraps)


def say(value: object, style: str = "") -> None:
    """Print one line of a command's result, however long, as plain text."""
    console().print(text(value, style), soft_wrap=True)


def complain(value: object) -> None:
    """Print one line about a problem on standard error, as plain text."""
    error_console().print(text(value))


def counted(count: int, what: str) -> str:
    """Return a number with its noun: "1 alert", "2,000 alerts"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def text(value: object, style: str = "") -> Text:
    """Return hostile text as plain text: no markup, no control characters."""
    return Text(escape_controls("" if value is None else str(value)), style=style)


def lines(values: Iterable[object]) -> Text:
    """Return several texts, one below the other."""
    return Text("\n").join(text(value) for value in values)


def level_text(level: str) -> Text:
    """Return a level in its colour."""
    return text(level, LEVEL_STYLES.get(level, ""))


def time_text(moment: datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return "-" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%SZ")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Text | str]]) -> Table:
    """Return a table whose cells are all plain text."""
    result = Table(
        title=title or None,
        title_justify="left",
        title_style="bold italic",
        header_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        result.add_column(column, overflow="fold")
    for row in rows:
        result.add_row(*(cell if isinstance(cell, Text) else text(cell) for cell in row))
    return result


def print_json(value: Any) -> None:
    """Print one JSON document on one line of standard output.

    What a terminal would obey or not show (C1, bidi controls) is escaped as JSON escapes it.
    """
    document = msgspec.json.encode(value).decode()
    if not document.isprintable():
        document = "".join(c if c.isprintable() else _escaped(c) for c in document)
    sys.stdout.buffer.write(document.encode() + b"\n")
    sys.stdout.buffer.flush()


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
