"""From fields to columns of cells: flat texts, and dotted paths into decoded JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from luytre.core.cells import MARK, cell, leaves, list_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ingest.decode.layout import Cells

UNSET = msgspec.UNSET


def decode_texts(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[Cells]:
    """Return columns of fields that are texts already, keyed by our column names."""
    columns: list[Cells] = []
    for name in names:
        found: Cells = [fields.get(name) for fields in rows]
        if any(text is not None and MARK in text for text in found):
            found = [text and cell(text) for text in found]
        columns.append(found)
    return columns


def decode_documents(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Cells]:
    """Return columns of decoded JSON objects by dotted paths."""
    return [_column(rows, name) for name in names]


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Cells:
    values = [fields.get(name, UNSET) for fields in rows]
    if "." in name:
        values = [
            resolve(fields, name) if value is UNSET else value
            for value, fields in zip(values, rows, strict=True)
        ]
    return to_cells(values)


def to_cells(values: Iterable[Any]) -> Cells:
    """Return the cells of decoded JSON values; ``UNSET`` is a missing field."""
    return [
        value
        if value.__class__ is str and MARK not in value
        else (None if value is UNSET else cell(value))
        for value in values
    ]


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


def joined(values: Iterable[Any]) -> str:
    """Return one list cell of every scalar in ``values``."""
    return list_cell(text for value in values for text in leaves(value))
