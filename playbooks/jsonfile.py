"""CACAO's JSON, read safely and with the line of every value.

Python's own decoder neither keeps lines nor refuses doubled keys, so the text is scanned once
before it is decoded; what is too deep or too large is refused by that scan.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from luytre.core.errors import Fault
from luytre.core.yamlfile import BYTES_MAX, DEPTH_MAX, NODES_MAX, Document, Place

if TYPE_CHECKING:
    from pathlib import Path

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n|"')


def read_json(path: Path, content: bytes | None = None) -> tuple[Document | None, list[Fault]]:
    """Return the one document of a file (or of ``content``), or what is wrong with it."""
    try:
        data = path.read_bytes() if content is None else content
        document, lines = _decode(data)
    except (OSError, ValueError, _ScanError) as error:
        return None, [Fault(path, *_reason(error))]
    return Document(path, document, lines), []


def _reason(error: Exception) -> tuple[int, str]:
    """Return the line and the words for what went wrong."""
    match error:
        case OSError():
            return 1, f"cannot be read: {error.strerror}"
        case UnicodeEncodeError():
            return 1, "holds half of a surrogate pair"
        case UnicodeDecodeError():
            return error.object.count(b"\n", 0, error.start) + 1, "is not UTF-8"
        case json.JSONDecodeError():
            return error.lineno, f"is not JSON: {error.msg}"
        case _ScanError():
            return error.line, error.problem
    return 1, f"is not JSON: {error}"


def _decode(data: bytes) -> tuple[Any, dict[Place, int]]:
    if len(data) > BYTES_MAX:
        raise _ScanError(1, f"is larger than {BYTES_MAX} bytes")
    text = data.decode("utf-8-sig")
    lines = _Scan(text).lines()
    document = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
    json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    return document, lines


class _ScanError(Exception):
    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key is there twice")
    return result


class _Scan:
    """Walks the pieces of a text once and notes on which line each value stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: dict[Place, int] = {(): 1}
        # For each open bracket: its place, and the next index or, in an object, the pending key.
        self._open: list[tuple[Place, int | None]] = []
        self._key: str | None = None
        self._nodes = 0

    def lines(self) -> dict[Place, int]:
        """Return the line (from 1) of every key and list item."""
        line = 1
        for found in _PIECE.finditer(self._text):
            piece = found[0]
            if piece == "\n":
                line += 1
                continue
            if piece in "}]":
                if self._open:
                    self._open.pop()
                self._key = None
            elif piece in ",:":
                continue
            else:
                self._value(piece, line)
        return self._lines

    def _value(self, piece: str, line: int) -> None:
        self._nodes += 1
        if self._nodes > NODES_MAX or len(self._open) > DEPTH_MAX:
            raise _ScanError(line, f"is deeper than {DEPTH_MAX} or has over {NODES_MAX} nodes")
        if self._open and self._open[-1][1] is None and self._key is None:
            self._take_key(piece, line)
            return
        place = self._place(line)
        if piece in "{[":
            self._open.append((place, None if piece == "{" else 0))

    def _take_key(self, piece: str, line: int) -> None:
        # What is no string here is no JSON: the decoder says so afterwards.
        self._key = str(json.loads(piece, strict=False)) if piece[:1] == '"' != piece else piece
        place = (*self._open[-1][0], self._key)
        if place in self._lines:
            raise _ScanError(line, f"the key {self._key!r} is there twice")
        self._lines[place] = line

    def _place(self, line: int) -> Place:
        if not self._open:
            return ()
        around, index = self._open[-1]
        if index is None:
            place: Place = (*around, self._key or "")
            self._key = None
            return place
        self._open[-1] = (around, index + 1)
        self._lines[(*around, index)] = line
        return (*around, index)
