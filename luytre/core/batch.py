"""The one thing that flows through the house: a batch of events of one kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import polars as pl

DATA_ERRORS = (
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
    pl.exceptions.PolarsError,
)
"""What an event that we did not think of could provoke. No fuzzing has, so far."""


class TopicPartition(NamedTuple):
    """A place in the log."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class LogSource:
    """What Sigma calls a log source: the triple that decides which rules apply.

    Source: Sigma specification 2.1, section "Log Source".
    """

    product: str | None = None
    category: str | None = None
    service: str | None = None

    def __str__(self) -> str:
        return "/".join(part or "*" for part in (self.product, self.category, self.service))

    def covers(self, other: LogSource) -> bool:
        """Tell whether a rule written for this log source applies to events of ``other``.

        A part that the rule leaves open (None) matches anything.
        """
        mine = (self.product, self.category, self.service)
        theirs = (other.product, other.category, other.service)
        return all(m is None or m == t for m, t in zip(mine, theirs, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Events alike enough to share their columns and their rules.

    ``name`` is the identity ("windows/security/4688", "linux/sshd"); two parts of one name are one.
    ``logsources`` are all Sigma log sources these events belong to (Sysmon 12 belongs to several),
    the most specific first. ``columns`` maps the names that the log itself and Sigma's rules use
    to our columns ("CommandLine" -> "process.command_line"; two names may share one column, as
    Image and NewProcessName do for Security 4688); a name it lacks is a column under its own name.
    ``constants`` are columns whose cell is the same in every event of the part ("EventID": "4688").
    """

    name: str
    logsources: tuple[LogSource, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    def column(self, native: str) -> str:
        """Return the column that holds the field which the log or a rule calls ``native``."""
        return self.columns.get(native, native)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


Column = Sequence[str | None] | Sequence[bytes]
"""The cells of one column, None where the field is missing; bytes for ``event.original``."""


class Rows(Protocol):
    """Events as a decoder has them: lists of cells, and a frame as soon as somebody asks for it.

    To make a frame of a few events costs more than to decode them, and who only matches rules
    needs it for the events that hit.
    """

    @property
    def height(self) -> int:
        """How many events there are."""

    def cells(self, column: str) -> Column | None:
        """Return a column, empty if all its cells are missing; None if only the frame has it."""

    def frame(self) -> pl.DataFrame:
        """Return all columns, always the same frame."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one part, what could not be read, and how far they reach in the log.

    ``events`` has one row per event, flat ECS names as columns ("source.ip"), the columns of
    ``luytre.core.ecs.ENVELOPE`` always, those of ``PROVENANCE`` if they come from the intake, and
    otherwise only String cells in the encoding of ``luytre.core.cells``. ``rejects`` has the
    columns of ``luytre.core.ecs.REJECTS``. ``offsets`` is the next offset to read, so
    committing it means "all of this is stored".
    """

    part: Part
    rows: pl.DataFrame | Rows
    rejects: pl.DataFrame
    offsets: Mapping[TopicPartition, int]

    @property
    def events(self) -> pl.DataFrame:
        """The events as a frame, made when it is first asked for."""
        return self.rows if isinstance(self.rows, pl.DataFrame) else self.rows.frame()

    @property
    def height(self) -> int:
        """How many events there are."""
        return self.rows.height

    @property
    def logsource(self) -> LogSource:
        """The most specific Sigma log source of these events."""
        return self.part.logsources[0]

    def cells(self, column: str) -> Column | None:
        """Return a column, empty if all its cells are missing; None if only the frame has it."""
        return None if isinstance(self.rows, pl.DataFrame) else self.rows.cells(column)

    def with_events(self, events: pl.DataFrame) -> Batch:
        """Return the same batch carrying other events; the offsets never change on the way."""
        return replace(self, rows=events)

    def with_columns(self, events: pl.DataFrame, changed: frozenset[str]) -> Batch:
        """Return the same events with other columns: only those of ``changed`` are other ones."""
        kept = self.rows
        return replace(
            self, rows=events if isinstance(kept, pl.DataFrame) else _Widened(kept, events, changed)
        )


class _Widened:
    """Rows with some columns that only their frame has."""

    def __init__(self, rows: Rows, events: pl.DataFrame, changed: frozenset[str]) -> None:
        self._rows, self._events, self._changed = rows, events, changed

    @property
    def height(self) -> int:
        return self._rows.height

    def cells(self, column: str) -> Column | None:
        return None if column in self._changed else self._rows.cells(column)

    def frame(self) -> pl.DataFrame:
        return self._events


Stage = Callable[[Batch], Batch]
"""Anything that takes a batch and gives one back: an enricher, a mapping."""

Needed = Callable[[Part], frozenset[str]]
"""Which columns of a part somebody will read: the rules, the enrichment, the archive."""
