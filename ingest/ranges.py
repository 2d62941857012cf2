"""Sets of sequence numbers, kept as the ranges they are made of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""First and last, both inside."""


class Ranges:
    """A set of whole numbers from 0 up; its cost grows with its pieces, not with its numbers."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Add the numbers from ``first`` to ``last``, both inside."""
        if not 0 <= first <= last:
            raise ValueError(f"no range of sequences: {first} to {last}")
        # Neighbours melt together: 1-3 and 4-6 are 1-6.
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def remove(self, first: int, last: int) -> None:
        """Take out the numbers from ``first`` to ``last``, as far as they are there."""
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        if low >= high:
            return
        below, above = self._firsts[low], self._lasts[high - 1]
        kept = [(below, first - 1)] if below < first else []
        kept += [(last + 1, above)] if above > last else []
        self._firsts[low:high] = [piece[0] for piece in kept]
        self._lasts[low:high] = [piece[1] for piece in kept]

    def present(self, first: int, last: int) -> list[Range]:
        """Return the parts of ``first`` to ``last`` that are in the set, in order."""
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        pieces = zip(self._firsts[low:high], self._lasts[low:high], strict=True)
        return [(max(start, first), min(end, last)) for start, end in pieces]

    def missing(self, first: int, last: int) -> list[Range]:
        """Return the parts of ``first`` to ``last`` that are not in the set, in order."""
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        ends = [first - 1, *self._lasts[low:high]]
        starts = [*self._firsts[low:high], last + 1]
        gaps = zip(ends, starts, strict=True)
        return [(end + 1, start - 1) for end, start in gaps if end + 1 < start]

    def holes(self) -> list[Range]:
        """Return what lies below the greatest number without being in the set, from 0 on."""
        return self.missing(0, self.end - 1) if self._lasts else []

    @property
    def end(self) -> int:
        """The number after the greatest; 0 if there is none."""
        return self._lasts[-1] + 1 if self._lasts else 0

    @property
    def total(self) -> int:
        """How many numbers are in the set."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def __iter__(self) -> Iterator[Range]:
        return zip(self._firsts, self._lasts, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"
