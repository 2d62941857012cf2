"""One part's rules, ready to run: columns of classes, and the answer to each signature."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from detections.judges import Compiler
from detections.keywords import KeywordColumn
from detections.scope import KEYWORDS, ORIGINAL, TIME, TIME_FORMAT, atoms_of
from detections.triggers import NEVER, Costs, Sample
from detections.values import Column, reading_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from detections.atoms import Reading
    from detections.catalog import Catalog
    from detections.judges import Check
    from detections.scope import Scope
    from detections.values import Cell, Key
    from luytre.core.batch import Batch

LEARN_FACTOR = 30
_SIGNATURE_BYTES = 2_000  # the tuple, what is left to check, and facts of its classes
TRACK_US = 0.2
TRACKED_MAX = 150
SAMPLED_ROWS = 5_000
LOW_DROPPED = 2_000
"""A column that was learnt as low and has more values than this is so no longer."""


class Limits(NamedTuple):
    """How much an engine may remember, and after how many rows it first weighs its triggers."""

    values: int = 20_000
    spent_bytes: int = 512 * 2**20
    learn_rows: int = 400


class Answer(NamedTuple):
    """Rules that hold for a signature, and what is to be checked on its rows for others."""

    certain: tuple[int, ...]
    open: tuple[tuple[int, Check], ...]


Hit = tuple[int, int]
"""A row, and the number of a rule that holds for it."""


class Program:
    """Finds the rules that hold in the frames of one part."""

    def __init__(self, scope: Scope, catalog: Catalog, limits: Limits) -> None:
        self._scope, self._catalog, self._limits = scope, catalog, limits
        self._rows, self._learn_at = 0, limits.learn_rows
        self._plan_triggers({})

    @property
    def spent_bytes(self) -> int:
        """About how much memory the values and signatures take."""
        signatures = len(self._answers) * _SIGNATURE_BYTES
        return signatures + sum(column.spent_bytes for column in self._columns)

    def forget(self) -> None:
        """Let go of all that was learnt of values; never within a batch."""
        self._answers.clear()
        for column in self._columns:
            column.forget()

    def hits(self, batch: Batch) -> list[Hit]:
        """Return every row and rule that belong together, in this order."""
        if not self._scope.trees or not batch.height:
            return []
        cells = [cells_of(batch, column.name) for column in self._columns]
        self._prepare(cells, batch.height)
        codes = [c.classify(values) for c, values in zip(self._columns, cells, strict=True)]
        signatures = zip(*codes, strict=True) if codes else [()] * batch.height
        answers = list(map(self._answers.__getitem__, signatures))
        hits: list[Hit] = []
        rows = _Rows(cells)
        for row, answer in enumerate(answers):
            if answer is not None:
                rows.row = row
                found = [rule for rule, check in answer.open if check(rows.read)]
                hits += [(row, rule) for rule in sorted((*answer.certain, *found))]
        return hits

    def _prepare(self, cells: Sequence[Sequence[Cell]], rows: int) -> None:
        self._rows += rows
        named = {c.name: v for c, v in zip(self._columns, cells, strict=True) if c.cached}
        if self._rows >= self._learn_at:
            self._learn_at = self._rows * LEARN_FACTOR
            self._plan_triggers({n: self._sample(n, values) for n, values in named.items()})
        elif any(c.low and len(c) > LOW_DROPPED for c in self._columns):
            self._plan_triggers({n: Sample(values[:SAMPLED_ROWS]) for n, values in named.items()})
        elif len(self._answers) > self._limits.values:
            self.forget()
        for column in self._columns:
            if len(column) > (self._limits.values if column.cached else 0):
                column.forget_values()

    def _sample(self, column: str, values: Sequence[Cell]) -> Sample:
        """Return what is known of a column: this batch if it is large, or else all its values."""
        known = next(c for c in self._columns if c.name == column)
        return Sample(
            values[:SAMPLED_ROWS]
            if len(values) >= self._limits.learn_rows
            else [*known.values(), *values]
        )

    def _plan_triggers(self, samples: Mapping[str, Sample]) -> None:
        scope = self._scope
        costs = Costs(self._catalog, scope.column_of, samples)
        rules: dict[str, dict[Key, set[int]]] = defaultdict(lambda: defaultdict(set))
        tracked = {atom for atom, column in scope.column_of.items() if costs.low(column)}
        always = []
        for rule, tree in scope.trees.items():
            cost_us, triggers = NEVER if isinstance(tree, bool) else costs.cover(tree)
            if isinstance(tree, bool) or triggers is None:
                always.append(rule)
            if cost_us > TRACK_US and len(mine := atoms_of(tree)) <= TRACKED_MAX:
                # A candidate this often is better decided once for each value.
                tracked |= mine
            for column, key in triggers or ():
                rules[column][key].add(rule)
                if isinstance(key, int):
                    tracked.add(key if key >= 0 else ~key)
        self._columns = [self._column(name, rules[name], tracked, costs) for name in scope.columns]
        self._always = frozenset(always)
        self._compile()

    def _column(
        self, name: str, rules: Mapping[Key, set[int]], tracked: set[int], costs: Costs
    ) -> Column:
        """Return a column that shows the keys of ``rules`` and decides what is tracked."""
        exact: dict[int, Key] = {}
        necessary = {}
        mine = [atom for atom, column in self._scope.column_of.items() if column == name]
        cached = name != KEYWORDS
        for atom in mine:
            operation = self._catalog.atoms[atom].operation
            literal = self._catalog.exact[atom]
            if operation == "fieldref" or (not cached and atom not in rules):
                continue
            if literal is not None and (atom in tracked or literal in rules):
                exact[atom] = literal
            elif atom in tracked or operation in ("null", "exists"):
                exact[atom] = atom
        searched = {key for key in (*rules, *exact.values()) if isinstance(key, bytes)}
        for atom in mine:
            found = [each for each in self._catalog.necessary[atom] if each in searched]
            if found:
                necessary[atom] = found
        shown: dict[Key, set[int]] = defaultdict(set)
        for key, of in rules.items():
            # A class shows an atom that a literal decides as that literal.
            shown[exact[key] if isinstance(key, int) and key >= 0 else key] |= of
        make = Column if cached else KeywordColumn
        return make(
            name,
            rules={key: frozenset(of) for key, of in shown.items()},
            exact=exact,
            tests={atom: self._catalog.tests[atom] for atom, key in exact.items() if key == atom},
            necessary=necessary,
            low=costs.low(name),
        )

    def _compile(self) -> None:
        place = {name: index for index, name in enumerate(self._scope.columns)}
        compiler = Compiler(
            self._catalog.atoms,
            self._catalog.tests,
            {atom: place[name] for atom, name in self._scope.column_of.items()},
            {atom: place[name] for atom, name in self._scope.other_of.items()},
        )
        trees = self._scope.trees
        self._judge = cache(lambda rule: compiler.judge(trees[rule]))
        self._answers = _Answers(self)

    def answer(self, signature: tuple[int, ...]) -> Answer | None:
        """Return what a signature's classes tell of the rules; None if no rule can hold."""
        classes = [c.classes[code] for c, code in zip(self._columns, signature, strict=True)]
        candidates = self._always.union(*(each.rules for each in classes))
        certain: list[int] = []
        unknown: list[tuple[int, Check]] = []
        for rule in candidates:
            judged = self._judge(rule)(classes)
            if judged is True:
                certain.append(rule)
            elif judged is not False:
                unknown.append((rule, judged))
        return Answer(tuple(certain), tuple(unknown)) if certain or unknown else None


class _Answers(dict[tuple[int, ...], "Answer | None"]):
    """Signature -> answer, worked out once. Keys are whole tuples: a hash alone may collide."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program

    def __missing__(self, signature: tuple[int, ...]) -> Answer | None:
        answer = self[signature] = self._program.answer(signature)
        return answer


class _Rows:
    """The cells of one row at a time, read once for all rules; equal cells share a reading."""

    def __init__(self, cells: Sequence[Sequence[Cell]]) -> None:
        self._cells = cells
        self._readings: list[dict[Cell, Reading]] = [{} for _ in cells]
        self.row = 0

    def read(self, place: int) -> Reading:
        cell = self._cells[place][self.row]
        reading = self._readings[place].get(cell)
        if reading is None:
            reading = self._readings[place][cell] = reading_of(cell)
        return reading


def cells_of(batch: Batch, column: str) -> Sequence[Cell]:
    """Return a column's cells; those of a column that is not there or is no text are missing.

    The time of the events is read as text, in UTC and to the microsecond.
    """
    listed = batch.cells(ORIGINAL if column == KEYWORDS else column)
    if listed is not None:
        return listed or [None] * batch.height
    return cells_of_frame(batch.events, column)


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
