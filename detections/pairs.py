"""Rows at which the cells of two columns may go together, found for a whole batch at once."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from luytre.core.cells import MARK, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from detections.tree import Atom
    from detections.values import Cell

_NUL = "\0"
_MEETS: Mapping[str, Callable[[str, str], bool]] = {
    "equals": operator.eq,
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


def pair_rows(atom: Atom, lefts: Sequence[Cell], rights: Sequence[Cell]) -> Sequence[int]:
    """Return the rows at which a fieldref can hold, and maybe some more.

    No cells at all stand for missing ones, which no fieldref holds for. 0.2 us a row, where the
    exact look at one takes 3.
    """
    if not lefts or not rights:
        return ()
    some, others = _texts(lefts, cased=atom.cased), _texts(rights, cased=atom.cased)
    if some is None or others is None:
        return range(len(lefts))
    meets = _MEETS[atom.flags]
    return [row for row, pair in enumerate(zip(some, others, strict=True)) if meets(*pair)]


def _texts(cells: Sequence[Cell], *, cased: bool) -> Sequence[str] | None:
    """Return each cell's text, nothing if a cell has several or other than text."""
    plain = [cell if isinstance(cell, str) else "" for cell in cells]
    joined = _NUL.join(plain)
    if MARK in joined:
        return None
    texts = plain if cased else fold(joined).split(_NUL)
    return texts if len(texts) == len(cells) else None
