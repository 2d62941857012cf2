"""From fields to columns of cells: flat texts, and dotted paths into decoded JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from luytre.core.cells import MARK, cell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ingest.decode.layout import Cells

UNSET = msgspec.UNSET


def decode_texts(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[Cells]:
    """Return columns of fields that are texts already, keyed by our column names."""
    return [[_text_cell(fields.get(name)) for fields in rows] for name in names]


def _text_cell(text: str | None) -> str | None:
    return text if text is None or MARK not in text else cell(text)


def decode_documents(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Cells]:
    """Return columns of decoded JSON objects by dotted paths."""
    return [to_cells(_values(rows, name)) for name in names]


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    values = [fields.get(name, UNSET) for fields in rows]
    if "." not in name or UNSET not in values:
        return values
    # 0.1 us where the first step of the path is missing already, as it mostly is.
    first = name.partition(".")[0]
    return [
        resolve(fields, name) if value is UNSET and first in fields else value
        for value, fields in zip(values, rows, strict=True)
    ]


def value_cell(value: Any) -> str:
    """Return the cell of one value, however deep it is."""
    return str(value) if value.__class__ is int else cell(value)


def to_cells(values: Sequence[Any], of: Callable[[Any], str] = value_cell) -> Cells:
    """Return the cells of decoded JSON values; ``UNSET`` is a missing field.

    ``of`` makes the cell of what is no plain text.
    """
    kinds = set(map(type, values))
    if kinds == _MISSING:
        return []
    if kinds <= _TEXTS:
        texts = [None if value is UNSET else value for value in values]
        # 0.05 us a value: nearly always all are texts without MARK; one by one it takes 0.1.
        if MARK not in "".join(filter(None, texts)):
            return texts
    elif kinds <= _NUMBERS:
        return [None if value is UNSET else str(value) for value in values]
    return [
        value
        if value.__class__ is str and MARK not in value
        else (None if value is UNSET else of(value))
        for value in values
    ]


_MISSING = {msgspec.UnsetType}
_TEXTS = {msgspec.UnsetType, str}
_NUMBERS = {msgspec.UnsetType, int}


def resolve(document: Any, path: str) -> Any:
    """Return what stands at a dotted path, ``UNSET`` if nothing does.

    A literal key that holds dots wins over nesting ("id.orig_h" of Zeek). A path through a list
    of objects gives the values of all of them, as a list.
    """
    if isinstance(document, list):
        found = [resolve(item, path) for item in document]
        present = [value for value in found if value is not UNSET]
        return present or UNSET
    if not isinstance(document, dict):
        return UNSET
    if path in document:
        return document[path]
    at = path.find(".")
    while at > 0:
        inner = document.get(path[:at], UNSET)
        if inner is not UNSET:
            value = resolve(inner, path[at + 1 :])
            if value is not UNSET:
                return value
        at = path.find(".", at + 1)
    return UNSET
