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
LEVEL_STYLES = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "cyan",
    "informational": "dim",
}


def console() -> Console:
    """Return the console of a command's result."""
    # What is piped has no width of its own: cut less than on the smallest terminal.
    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(highlight=False, markup=False, emoji=False, width=width)


def error_console() -> Console:
    """Return the console for progress and problems: standard error."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


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
    result = Table(title=title or None, title_justify="left", header_style="bold", box=None)
    for column in columns:
        result.add_column(column, overflow="fold")
    for row in rows:
        result.add_row(*(cell if isinstance(cell, Text) else text(cell) for cell in row))
    return result


def print_json(value: Any) -> None:
    """Print one JSON document on one line of standard output."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()
