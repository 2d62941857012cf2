"""One part's rules, ready to run: columns of classes, and the answer to each signature."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from detections.answers import Answers, Cells
from detections.arrange import arrange
from detections.judges import Compiler
from detections.pairs import pair_rows
from detections.scope import KEYWORDS, ORIGINAL, TIME, TIME_FORMAT, atoms_of
from detections.triggers import Costs, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from detections.catalog import Catalog
    from detections.judges import Classes, Judge
    from detections.scope import Scope
    from detections.values import Cell, Column, View
    from luytre.core.batch import Batch

LEARN_FACTOR = 30
_SIGNATURE_BYTES = 2_000  # the tuple, what is left to check, and facts of its classes
SAMPLED_ROWS = 5_000
LOW_DROPPED = 2_000
"""A column that was learnt as low and has more values than this is so no longer."""


class Limits(NamedTuple):
    """How much an engine may remember, and after how many rows it first weighs its triggers."""

    values: int = 20_000
    spent_bytes: int = 256 * 2**20
    learn_rows: int = 400


Hit = tuple[int, int]
"""A row, and the number of a rule that holds for it."""


class Program:
    """Finds the rules that hold in the batches of one part."""

    def __init__(self, scope: Scope, catalog: Catalog, limits: Limits) -> None:
        self._scope, self._catalog, self._limits = scope, catalog, limits
        self._rows, self._learn_at, self._planned = 0, limits.learn_rows, False
        self._place = {name: index for index, name in enumerate(scope.columns)}
        self._atoms_of: dict[str, list[int]] = {name: [] for name in scope.columns}
        for atom, column in scope.column_of.items():
            self._atoms_of[column].append(atom)
        self._columns: Sequence[Column] = ()
        self._always: frozenset[int] = frozenset()
        self._answers = self._unprompted = Answers((), (), lambda _rule: _never)
        self._paired: Mapping[int, Answers] = {}

    @property
    def spent_bytes(self) -> int:
        """About how much memory the values and signatures take."""
        return self._signatures() * _SIGNATURE_BYTES + sum(c.spent_bytes for c in self._columns)

    def _signatures(self) -> int:
        return sum(map(len, (self._answers, self._unprompted, *self._paired.values())))

    def forget(self) -> None:
        """Let go of all that was learnt of values; never within a batch."""
        for answers in (self._answers, self._unprompted, *self._paired.values()):
            answers.clear()
        for column in self._columns:
            column.forget()

    def hits(self, batch: Batch) -> list[Hit]:
        """Return every row and rule that belong together, in this order."""
        if not self._scope.trees or not batch.height:
            return []
        cells = [cells_of(batch, name) for name in self._scope.columns]
        self._prepare(cells, batch.height)
        views = [
            column.view(values, batch.height)
            for column, values in zip(self._columns, cells, strict=True)
        ]
        rows = Cells(cells)
        # 0.1 us a row and column; mostly a tenth of the rows or less, as triggers are rare.
        prompted = sorted(frozenset[int]().union(*(view.rows for view in views)))
        hits = _answered(self._answers, views, rows, prompted)
        more = _answered(self._unprompted, views, rows, range(batch.height) if self._always else ())
        for atom, answers in self._paired.items():
            left, right = (cells[place] for place in self._places_of(atom))
            paired = pair_rows(self._catalog.atoms[atom], left, right)
            more += _answered(answers, views, rows, paired)
        return sorted({*hits, *more}) if more else hits

    def _prepare(self, cells: Sequence[Sequence[Cell]], rows: int) -> None:
        self._rows += rows
        if self._rows >= self._learn_at:
            self._learn_at = self._rows * LEARN_FACTOR
            self._plan({n: self._sample(n, values, rows) for n, values in self._named(cells)})
        elif not self._planned:
            self._plan({})
        elif any(c.low and len(c) > LOW_DROPPED for c in self._columns):
            self._plan({name: _sampled(values, rows) for name, values in self._named(cells)})
        elif self._signatures() > self._limits.values:
            self.forget()
        for column in self._columns:
            if len(column) > self._limits.values:
                column.forget_values()

    def _named(self, cells: Sequence[Sequence[Cell]]) -> Iterable[tuple[str, Sequence[Cell]]]:
        return zip(self._scope.columns, cells, strict=True)

    def _sample(self, name: str, values: Sequence[Cell], rows: int) -> Sample:
        """Return what is known of a column: this batch if it is large, or else all its values."""
        if rows >= self._limits.learn_rows:
            return _sampled(values, rows)
        known = next((column.values() for column in self._columns if column.name == name), ())
        return Sample([*known, *(values or [None] * rows)])

    def _plan(self, samples: Mapping[str, Sample]) -> None:
        """Choose triggers anew, by what samples tell."""
        self._planned = True
        scope = self._scope
        costs = Costs(self._catalog, self._atoms_of, samples)
        arranged = arrange(scope, self._catalog, self._atoms_of, costs)
        self._columns, self._always = arranged.columns, arranged.always
        place = self._place
        place_of = {atom: place[name] for atom, name in scope.column_of.items()}
        other_of = {atom: place[name] for atom, name in scope.other_of.items()}
        compiler = Compiler(self._catalog.atoms, self._catalog.tests, place_of, other_of)
        judge: Callable[[int], Judge] = cache(lambda rule: compiler.judge(scope.trees[rule]))
        self._answers = Answers(self._columns, range(len(self._columns)), judge)
        self._unprompted = self._answers_of(arranged.always, judge)
        self._paired = {of: self._answers_of(rules, judge) for of, rules in arranged.paired.items()}

    def _answers_of(self, rules: frozenset[int], judge: Callable[[int], Judge]) -> Answers:
        """Return the answers for some rules alone, by the columns that these read."""
        atoms = set().union(*(atoms_of(self._scope.trees[rule]) for rule in rules))
        places = sorted({place for atom in atoms for place in self._places_of(atom)})
        return Answers(self._columns, places, judge, rules)

    def _places_of(self, atom: int) -> list[int]:
        """Return where the column of an atom stands, and that of the field it refers to."""
        names = [of[atom] for of in (self._scope.column_of, self._scope.other_of) if atom in of]
        return [self._place[name] for name in names]


def _never(_classes: Classes) -> bool:
    return False


def _answered(
    answers: Answers, views: Sequence[View], cells: Cells, rows: Sequence[int]
) -> list[Hit]:
    columns = [views[place].codes(rows) for place in answers.places]
    signatures = zip(*columns, strict=True) if columns else [()] * len(rows)
    hits: list[Hit] = []
    for row, answer in zip(rows, map(answers.__getitem__, signatures), strict=True):
        if answer is not None:
            cells.row = row
            hits += [(row, rule) for rule in answer.rules(cells)]
    return hits


def _sampled(values: Sequence[Cell], rows: int) -> Sample:
    return Sample(values[:SAMPLED_ROWS] or [None] * min(rows, SAMPLED_ROWS))


def cells_of(batch: Batch, column: str) -> Sequence[Cell]:
    """Return a column's cells, none at all if all of them are missing.

    Those of a column that is no text are missing. The time of the events is read as text, in UTC
    and to the microsecond.
    """
    listed = batch.cells(ORIGINAL if column == KEYWORDS else column)
    return cells_of_frame(batch.events, column) if listed is None else listed


def cells_of_frame(frame: pl.DataFrame, column: str) -> list[Cell]:
    """Return a column's cells from a frame, as ``cells_of`` does."""
    if column == KEYWORDS:
        return frame.get_column(ORIGINAL).to_list()
    series = frame.get_column(column, default=None)
    if series is not None and column == TIME:
        series = series.dt.strftime(TIME_FORMAT)
    if series is None or series.dtype != pl.String:
        return [None] * frame.height
    cells: list[Cell] = series.to_list()
    return cells
