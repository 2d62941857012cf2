"""The needed columns of one part, as Polars columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from luytre.core.cells import NULL, is_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.decode.layout import Cells, Derived, Layout

_NULLS = pl.Series([None], dtype=pl.String).new_from_index(0, 100_000)


def decode_part(layout: Layout, rows: Sequence[Any], needed: Sequence[str]) -> list[pl.Series]:
    """Return those of the needed columns that the part can have, constants included."""
    constants = layout.part.constants
    lookups = {
        column: names
        for column in needed
        if column not in constants and (names := layout.lookups(column))
    }
    derived = {
        column: rule
        for column, rule in layout.derived.items()
        if column in needed and column not in constants and layout.lookups(rule.column)
    }
    sources = {rule.column: layout.lookups(rule.column) for rule in derived.values()}
    found = _columns(layout, rows, lookups | sources)
    height = len(rows)
    series = [_series(c, found[c], height) for c in lookups if c not in derived]
    series += [_series(c, _derive(rule, found[rule.column]), height) for c, rule in derived.items()]
    series += [
        pl.Series(column, [constants[column]], pl.String).new_from_index(0, height)
        for column in needed
        if column in constants
    ]
    return series


def _series(name: str, cells: Cells, height: int) -> pl.Series:
    # A slice of nulls takes 2 us, building them 9: most columns of most parts are missing.
    if not cells and height <= len(_NULLS):
        return _NULLS.slice(0, height).alias(name)
    return pl.Series(name, cells or [None] * height, pl.String)


def _columns(
    layout: Layout, rows: Sequence[Any], lookups: dict[str, tuple[str, ...]]
) -> dict[str, Cells]:
    names = list(dict.fromkeys(name for group in lookups.values() for name in group))
    cells = dict(zip(names, layout.decode(rows, names), strict=True))
    return {column: _first(cells, group) for column, group in lookups.items()}


def _first(cells: dict[str, Cells], names: tuple[str, ...]) -> Cells:
    """Return, row by row, the first cell that is there among the names of one column."""
    column = cells[names[0]]
    for name in names[1:]:
        if not column or not cells[name]:
            column = column or cells[name]
        elif None in column:
            column = [a if a is not None else b for a, b in zip(column, cells[name], strict=True)]
    return column


def _derive(derived: Derived, cells: Cells) -> Cells:
    return [
        None if cell is None or cell == NULL or is_list(cell) else derived.compute(cell)
        for cell in cells
    ]
