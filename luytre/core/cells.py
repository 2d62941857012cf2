"""How one cell of text holds what JSON can say: a scalar, null, or a list of scalars.

A missing field is a null cell of the frame. Every other value is text:

* a string is itself; a number is its shortest JSON form ("4688", "1.5"); a boolean is "true"
  or "false";
* an explicit JSON null is ``NULL`` (Sigma's ``exists`` tells it from a missing field);
* a list is ``MARK`` + "[" + its scalars joined by ``MARK``. Lists in lists are flattened.

``MARK`` is U+FFFF, a Unicode noncharacter that no log may use for text: ``scalar`` replaces it,
so that content can never pass for structure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK = "\uffff"
NULL = MARK + "0"
_LIST = MARK + "["


def scalar(value: object) -> str:
    """Return the cell of one JSON scalar."""
    match value:
        case str():
            return value.replace(MARK, "\ufffd") if MARK in value else value
        case bool():
            return "true" if value else "false"
        case None:
            return NULL
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return msgspec.json.encode(value).decode().replace(MARK, "\ufffd")


def cell(value: object) -> str:
    """Return the cell of any decoded JSON value; an object inside becomes its leaves."""
    if isinstance(value, str):
        return value.replace(MARK, "\ufffd") if MARK in value else value
    if isinstance(value, list | dict):
        return list_cell(leaves(value))
    return scalar(value)


def list_cell(items: Iterable[str]) -> str:
    """Return the cell of a list of scalars that are cells already."""
    return _LIST + MARK.join(item for item in items if item != NULL)


def fold(text: str) -> str:
    """Return text as conditions compare it when case does not count: for patterns and values.

    It holds that ``fold(a + b) == fold(a) + fold(b)``, so what a text contains, its fold contains.
    """
    # Only capital sigma lowers by its neighbours: to a final sigma at the end of a word.
    return text.lower().replace(
        "\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}"
    )


def is_list(value: str) -> bool:
    """Tell whether a cell holds a list."""
    return value.startswith(_LIST)


def texts(value: str | None) -> tuple[str, ...]:
    """Return the texts that a condition may match in a cell: none for missing, null, and []."""
    if value is None or value in (NULL, _LIST):
        return ()
    if value.startswith(_LIST):
        return tuple(value[len(_LIST) :].split(MARK))
    return (value,)


def leaves(value: object) -> Iterator[str]:
    """Yield every scalar inside a decoded JSON value as a cell, in document order.

    However deep it is: there is no recursion.
    """
    stack = [iter((value,))]
    while stack:
        for inner in stack[-1]:
            if isinstance(inner, dict):
                stack.append(iter(inner.values()))
                break
            if isinstance(inner, list):
                stack.append(iter(inner))
                break
            yield scalar(inner)
        else:
            stack.pop()


def keyword_texts(original: bytes) -> tuple[str, ...]:
    """Return the texts in which a field-less Sigma keyword is searched.

    For a JSON event these are its values, whatever their field; for any other line the line.
    """
    if original[:1] == b"{":
        try:
            return tuple(t for t in leaves(msgspec.json.decode(original)) if t != NULL)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return (original.decode(errors="replace"),)
    return (original.decode(errors="replace"),)
