"""Answers for every event from one question per distinct combination of its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import polars as pl

from luytre.core.cells import scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Answer = tuple[str | None, ...]

ANSWERS_KEPT = 32_768
"""Answers that a table keeps from batch to batch: the same hosts and addresses come again."""


class Table(Protocol):
    """A loaded table: adds ``columns`` to events, reading ``needed``; rows and order stay."""

    @property
    def needed(self) -> frozenset[str]: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame: ...


def column(events: pl.DataFrame, name: str) -> pl.Series:
    """Return a column, or nulls where the events lack it: a missing column is a missing field."""
    if name in events.columns:
        return events[name]
    return pl.Series(name, [None], dtype=pl.String).new_from_index(0, events.height)


def look_up(
    events: pl.DataFrame,
    keys: Mapping[str, pl.Series],
    answer: Callable[..., Answer | None],
    columns: Sequence[str],
) -> pl.DataFrame:
    """Return ``events`` with ``columns``: what ``answer(*keys)`` says for each event's cells.

    ``answer`` is asked once per distinct combination of keys. No answer leaves nulls; a column of
    that name which the log brought along is replaced, so that content cannot claim to be a table.
    """
    asked = pl.DataFrame(dict(keys))
    distinct = asked.unique()
    nothing: Answer = (None,) * len(columns)
    # Python runs over distinct combinations: 5,000 of 50,000 events take about 5 ms.
    answers = [answer(*row) or nothing for row in distinct.iter_rows()]
    schema = dict.fromkeys(columns, pl.String)
    known = distinct.hstack(pl.DataFrame(answers, schema=schema, orient="row"))
    found = asked.join(
        known, on=list(keys), how="left", nulls_equal=True, maintain_order="left"
    ).select(columns)
    return events.with_columns(found.get_columns())


def nulls(events: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return ``events`` with ``columns`` missing everywhere."""
    return events.with_columns(pl.lit(None, pl.String).alias(name) for name in columns)


def known(text: str) -> str | None:
    """Return a table's text as a cell: empty is missing, structure marks are taken out."""
    return scalar(text) if text else None
