"""What a log source gives for one event, and how a part's columns are found in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from luytre.core.batch import Part

Cells = list[str | None]
"""One column: a cell of ``luytre.core.cells`` per event, None where the field is missing.

An empty list is a column that is missing in every event.
"""


Decoder = Callable[[Sequence[Any], Sequence[str]], list[Cells]]
"""Turns the fields of many events and the names to look up into one column per name."""


class Unreadable(Exception):  # noqa: N818 - named for what happened to the data
    """This event becomes a reject; the text is the reason that the operator reads."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a message says about all of its events."""

    hint: str = "auto"
    path: str = ""
    host: str = ""
    ingested_us: int = 0


@dataclass(frozen=True, slots=True)
class Derived:
    """A column computed from the cells of another one."""

    column: str
    compute: Callable[[str], str | None]


@dataclass(frozen=True, eq=False)
class Layout:
    """How the events of one part are decoded.

    ``open``: any name may be a field of the event (JSON); otherwise only ``known`` columns exist.
    An open event is looked up by the log's own names, a closed one by our column names.
    ``never``: columns that such an open event cannot have unless its part maps a name to them.
    """

    part: Part
    decode: Decoder
    known: frozenset[str] = frozenset()
    open: bool = False
    never: frozenset[str] = frozenset()
    derived: Mapping[str, Derived] = field(default_factory=dict)

    @cached_property
    def natives(self) -> Mapping[str, tuple[str, ...]]:
        """The log's own names behind each column; the first that is there gives the cell."""
        found: dict[str, tuple[str, ...]] = {}
        for native, column in self.part.columns.items():
            found[column] = (*found.get(column, ()), native)
        return found

    def lookups(self, column: str) -> tuple[str, ...]:
        """Return the names under which ``column`` is looked up; none if the part cannot have it."""
        if not self.open:
            return (column,) if column in self.known else ()
        if column in self.natives:
            return self.natives[column]
        return () if column in self.part.columns or column in self.never else (column,)


class Row(NamedTuple):
    """One event as its log source read it.

    ``time`` is ISO 8601 text or microseconds since 1970 (UTC), None where there is none.
    """

    layout: Layout
    time: str | int | None
    fields: Any


Read = tuple[Layout, str | int | None, Any]
"""What a ``Row`` is; to build a plain tuple takes 0.2 us less, which the busiest readers save."""
