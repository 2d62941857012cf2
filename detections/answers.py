"""What the classes of a row's cells tell of the rules, worked out once for each combination."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from detections.values import reading_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from detections.atoms import Reading
    from detections.judges import Check, Judge
    from detections.values import Cell, Column, ValueClass


class Answer(NamedTuple):
    """Rules that hold for a signature, and what is to be checked on its rows for others."""

    certain: tuple[int, ...]
    open: tuple[tuple[int, Check], ...]

    def rules(self, rows: Cells) -> list[int]:
        """Return the rules that hold for the row at which ``rows`` stands."""
        found = [rule for rule, check in self.open if check(rows.read)]
        return sorted((*self.certain, *found)) if found else sorted(self.certain)


class Answers(dict[tuple[int, ...], "Answer | None"]):
    """Signature -> answer, None if no rule can hold.

    A signature has the class of a row's cell in each of the columns at ``places``; a key is the
    whole of it, as a hash alone may collide. ``candidates`` are the rules to judge, or those that
    the classes name.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        places: Sequence[int],
        judge: Callable[[int], Judge],
        candidates: Collection[int] | None = None,
    ) -> None:
        super().__init__()
        self.places = places
        self._columns, self._judge, self._candidates = columns, judge, candidates

    def __missing__(self, signature: tuple[int, ...]) -> Answer | None:
        classes: dict[int, ValueClass] = {
            place: self._columns[place].classes[code]
            for place, code in zip(self.places, signature, strict=True)
        }
        candidates = self._candidates
        if candidates is None:
            candidates = frozenset[int]().union(*(each.rules for each in classes.values()))
        certain: list[int] = []
        unknown: list[tuple[int, Check]] = []
        for rule in candidates:
            judged = self._judge(rule)(classes)
            if judged is True:
                certain.append(rule)
            elif judged is not False:
                unknown.append((rule, judged))
        answer = Answer(tuple(certain), tuple(unknown)) if certain or unknown else None
        self[signature] = answer
        return answer


class Cells:
    """The cells of one row at a time, read once for all rules; equal cells share a reading."""

    def __init__(self, columns: Sequence[Sequence[Cell]]) -> None:
        self._columns = columns
        self._readings: list[dict[Cell, Reading]] = [{} for _ in columns]
        self.row = 0

    def read(self, place: int) -> Reading:
        """Return the reading of the row's cell in the column at a place."""
        column = self._columns[place]
        cell = column[self.row] if column else None
        reading = self._readings[place].get(cell)
        if reading is None:
            reading = self._readings[place][cell] = reading_of(cell)
        return reading
