"""The column that keywords read: raw events, in which most keywords are nowhere to be found."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from ahocorasick_rs import BytesAhoCorasick, MatchKind

from detections.literals import END, START, marked
from detections.values import Column, View
from luytre.core.cells import keyword_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detections.values import Cell, Keys

_BACKSLASH = ord("\\")
_LOWER_BIT = 0x20
# JSON's escapes that may stand for what a literal holds, and what becomes ASCII in lower case.
_ODD = BytesAhoCorasick(
    [
        b"\\u",
        b"\\/",
        "\N{KELVIN SIGN}".encode(),
        "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}".encode(),
    ],
    matchkind=MatchKind.LeftmostFirst,
)


class KeywordColumn(Column):
    """Raw events by the literals of keywords in them; none is remembered.

    A keyword is looked for in the event's values, but to undo JSON costs 20 us an event, and to
    look for all keywords in lower case 3 us. So first those events are found, in one pass over all
    of them and 0.2 us an event, in which a literal may stand: bytes are compared without the bit
    that makes a letter small, and every literal is of bytes that JSON writes as they are.
    """

    cached = False

    def __init__(self, name: str, keys: Keys, *, low: bool = False) -> None:
        super().__init__(name, keys, low=low)
        dull = sorted({_dulled(literal) for literal in self._literals})
        # Leftmost matches are enough to tell the events, and are found by vector instructions.
        self._first = BytesAhoCorasick(dull, matchkind=MatchKind.LeftmostFirst) if dull else None
        self._ascii = all(literal.isascii() for literal in self._literals)

    def view(self, values: Sequence[Cell], height: int) -> View:
        """Return what a batch's raw events show."""
        originals = [value for value in values if isinstance(value, bytes)]
        nothing = self._class(frozenset(), empty=False)
        if self._unguarded or self.classes[nothing].rules:
            rows = list(range(height))
        elif self._first is None:
            rows = []
        else:
            rows = sorted(self._candidates(originals, self._first))
        chosen = [originals[row] for row in rows]
        pieces = [piece(each) for each in chosen]
        codes = dict(zip(rows, self.shown(chosen, pieces, self._unguarded), strict=True))
        hot = [row for row, code in codes.items() if self.classes[code].rules]
        return View(hot, lambda some: [codes.get(row, nothing) for row in some])

    def _candidates(self, originals: list[bytes], first: BytesAhoCorasick) -> set[int]:
        """Return the rows of events in which a literal may stand."""
        joined = b"\n".join(originals)
        dull = np.bitwise_or(np.frombuffer(joined, np.uint8), _LOWER_BIT)
        found = [start for _, start, _ in first.find_matches_as_indexes(dull.data)]
        found += [at for _, at, _ in _ODD.find_matches_as_indexes(joined) if _is_odd(joined, at)]
        rows: set[int] = set()
        if found:
            ends = list(accumulate(len(original) + 1 for original in originals))
            rows.update(bisect_right(ends, at) for at in found)
        if not self._ascii and not joined.isascii():
            rows.update(row for row, each in enumerate(originals) if not each.isascii())
        return rows


def _dulled(literal: bytes) -> bytes:
    return bytes(byte | _LOWER_BIT for byte in literal)


def _is_odd(text: bytes, at: int) -> bool:
    """Tell whether what was found is no backslash that is the second of two itself."""
    before = at
    while before and text[before - 1] == _BACKSLASH:
        before -= 1
    return text[at] != _BACKSLASH or (at - before) % 2 == 0


def piece(original: bytes) -> bytes:
    """Return a raw event as the literals of keywords are searched in it."""
    if _ODD.find_matches_as_indexes(original):
        return b"".join(map(marked, keyword_texts(original)))
    if original.isascii():
        return START + original.lower() + END
    return marked(original.decode(errors="replace"))
