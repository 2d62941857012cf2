"""The comparisons of a correlation's condition, exact for whole numbers and for ratios."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detections.correlation import Bound

Exact = int | Fraction
Compare = Callable[[int, int], bool]

_COMPARE: dict[str, Compare] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}


class Bounds:
    """All comparisons must hold. ``least`` is a whole number below which they cannot."""

    __slots__ = ("_tests", "least", "whole")

    def __init__(self, bounds: Sequence[Bound]) -> None:
        self._tests: list[tuple[Compare, int, int]] = [
            (_COMPARE[bound.operator], *Fraction(bound.limit).as_integer_ratio())
            for bound in bounds
        ]
        lower = [int(bound.limit) for bound in bounds if bound.operator in ("gt", "gte", "eq")]
        self.least = max(lower, default=0)
        self.whole: Callable[[int], bool] = self._whole()

    def _whole(self) -> Callable[[int], bool]:
        """Return what tells whether a whole number holds: most rules ask for "at least so many"."""
        if len(self._tests) == 1:
            compare, over, under = self._tests[0]
            if compare is operator.ge and under == 1:
                return over.__le__
            if under == 1:
                return lambda number: compare(number, over)
        return lambda number: self.ratio(number, 1)

    def ratio(self, over: int, under: int) -> bool:
        """Tell whether ``over / under`` holds; ``under`` is positive."""
        return all(
            compare(over * limit_under, limit_over * under)
            for compare, limit_over, limit_under in self._tests
        )
