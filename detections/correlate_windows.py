"""What is measured in a sliding window, kept up to date as matches enter and leave.

Every measure is exact (whole numbers and fractions), so it does not depend on the order in which
matches entered.
"""

from __future__ import annotations

import operator
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from detections.atoms import number
from detections.correlation import Absent, Either, Every, Expression, Present
from luytre.core.cells import fold

if TYPE_CHECKING:
    from detections.correlation import Condition, Correlation, Type
    from luytre.core.matches import Match

Exact = int | Fraction
Holds = Callable[[Exact], bool]

_COMPARE: dict[str, Callable[[Exact, Exact], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}


class Window(Protocol):
    """The matches of one group within the timespan, as one type of correlation sees them."""

    reads_newest: bool
    """Whether ``fires`` looks at its argument."""

    def enter(self, match: Match) -> None:
        """Take a match in; they come in the order of their times."""

    def leave(self, match: Match) -> None:
        """Let the oldest match go."""

    def fires(self, moment: Sequence[Match]) -> Exact | None:
        """Return what was measured if the condition holds; ``moment`` are the newest matches."""


def window_of(correlation: Correlation) -> Window:
    """Return an empty window for a correlation."""
    condition = correlation.condition
    if condition.expression is not None:
        ordered = correlation.type == "temporal_ordered"
        return _Expressed(condition.expression, len(correlation.rules), ordered=ordered)
    return _OF_TYPE[correlation.type](_holds(condition), correlation)


def _holds(condition: Condition) -> Holds:
    tests = [(_COMPARE[b.operator], Fraction(b.limit)) for b in condition.bounds]
    exact = [(test, int(limit) if limit.denominator == 1 else limit) for test, limit in tests]
    if len(exact) == 1:
        only, wanted = exact[0]
        return lambda measured: only(measured, wanted)
    return lambda measured: all(test(measured, limit) for test, limit in exact)


class _EventCount:
    reads_newest = False

    def __init__(self, holds: Holds) -> None:
        self._holds, self._count = holds, 0

    def enter(self, match: Match) -> None:  # noqa: ARG002
        self._count += 1

    def leave(self, match: Match) -> None:  # noqa: ARG002
        self._count -= 1

    def fires(self, moment: Sequence[Match]) -> Exact | None:  # noqa: ARG002
        return self._count if self._holds(self._count) else None


class _Values:
    """How often each value is in the window; matches without a value do not count."""

    reads_newest = False

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        self._values: Counter[str] = Counter()

    def enter(self, match: Match) -> None:
        if match.value:
            self._values[fold(match.value)] += 1

    def leave(self, match: Match) -> None:
        if match.value:
            value = fold(match.value)
            self._values[value] -= 1
            if not self._values[value]:
                del self._values[value]


class _ValueCount(_Values):
    def fires(self, moment: Sequence[Match]) -> Exact | None:  # noqa: ARG002
        count = len(self._values)
        return count if self._holds(count) else None


class _Share(_Values):
    """The percentage of the window's matches that have the value of one of the newest."""

    reads_newest = True

    def fires(self, moment: Sequence[Match]) -> Exact | None:
        total = self._values.total()
        values = {fold(match.value) for match in moment if match.value}
        shares = sorted(Fraction(100 * self._values[value], total) for value in values)
        return next((share for share in shares if self._holds(share)), None)


def _exact(match: Match) -> Exact | None:
    found = number(match.value)
    return Fraction(found) if isinstance(found, float) else found


class _Total:
    reads_newest = False

    def __init__(self, holds: Holds, *, average: bool) -> None:
        self._holds, self._average = holds, average
        self._sum: Exact = 0
        self._count = 0

    def enter(self, match: Match) -> None:
        value = _exact(match)
        if value is not None:
            self._sum += value
            self._count += 1

    def leave(self, match: Match) -> None:
        value = _exact(match)
        if value is not None:
            self._sum -= value
            self._count -= 1

    def fires(self, moment: Sequence[Match]) -> Exact | None:  # noqa: ARG002
        if not self._count:
            return None
        measured = Fraction(self._sum) / self._count if self._average else self._sum
        return measured if self._holds(measured) else None


class _Percentile:
    """The value below which a share of the numbers lies, between two of them on a line.

    The median of an even number of values is the mean of the middle two, as usual.
    """

    reads_newest = False

    def __init__(self, holds: Holds, share: Fraction) -> None:
        self._holds, self._share = holds, share
        self._sorted: list[Exact] = []

    def enter(self, match: Match) -> None:
        value = _exact(match)
        if value is not None:
            insort(self._sorted, value)

    def leave(self, match: Match) -> None:
        value = _exact(match)
        if value is not None:
            del self._sorted[bisect_left(self._sorted, value)]

    def fires(self, moment: Sequence[Match]) -> Exact | None:  # noqa: ARG002
        if not self._sorted:
            return None
        place = self._share * (len(self._sorted) - 1)
        below = place.numerator // place.denominator
        measured: Exact = self._sorted[below]
        if place != below:
            measured += (place - below) * (self._sorted[below + 1] - measured)
        return measured if self._holds(measured) else None


class _Temporal:
    """How many of the rules have a match in the window."""

    reads_newest = False

    def __init__(self, holds: Holds, rules: int) -> None:
        self._holds = holds
        self._counts = [0] * rules
        self._present = 0

    def enter(self, match: Match) -> None:
        for place in match.met:
            self._present += not self._counts[place]
            self._counts[place] += 1

    def leave(self, match: Match) -> None:
        for place in match.met:
            self._counts[place] -= 1
            self._present -= not self._counts[place]

    def fires(self, moment: Sequence[Match]) -> Exact | None:  # noqa: ARG002
        return self._present if self._holds(self._present) else None


class _Times:
    """When each rule was met within the window, ascending."""

    reads_newest = False

    def __init__(self, rules: int) -> None:
        self._times: list[list[int]] = [[] for _ in range(rules)]

    def enter(self, match: Match) -> None:
        for place in match.met:
            self._times[place].append(match.time_us)

    def leave(self, match: Match) -> None:
        for place in match.met:
            del self._times[place][0]

    def longest_chain(self, places: Sequence[int]) -> int:
        """Return how many of the rules were met one after the other, or at once, in this order."""
        ends: list[int] = []  # the earliest end of a chain of each length
        for place in places:
            times = self._times[place]
            for length in range(len(ends), -1, -1) if times else ():
                first = bisect_left(times, ends[length - 1]) if length else 0
                if first == len(times):
                    continue
                if length == len(ends):
                    ends.append(times[first])
                else:
                    ends[length] = min(ends[length], times[first])
        return len(ends)


class _Ordered(_Times):
    def __init__(self, holds: Holds, rules: int) -> None:
        super().__init__(rules)
        self._holds = holds

    def fires(self, moment: Sequence[Match]) -> Exact | None:  # noqa: ARG002
        length = self.longest_chain(range(len(self._times)))
        return length if self._holds(length) else None


class _Expressed(_Times):
    """A boolean expression over the rules; ordered, the wanted ones must come in their order."""

    def __init__(self, expression: Expression, rules: int, *, ordered: bool) -> None:
        super().__init__(rules)
        self._expression, self._ordered = expression, ordered
        self._wanted = sorted(_wanted(expression, wanted=True))

    def fires(self, moment: Sequence[Match]) -> Exact | None:  # noqa: ARG002
        if not self._true(self._expression):
            return None
        present = [place for place in self._wanted if self._times[place]]
        if self._ordered and self.longest_chain(present) < len(present):
            return None
        return sum(map(bool, self._times))

    def _true(self, node: Expression) -> bool:
        match node:
            case Present():
                return bool(self._times[node.place])
            case Every():
                return all(map(self._true, node.parts))
            case Either():
                return any(map(self._true, node.parts))
            case Absent():
                return not self._true(node.part)
        raise TypeError(type(node).__name__)


def _wanted(node: Expression, *, wanted: bool) -> set[int]:
    """Return the places of the rules that an expression wants to be met."""
    match node:
        case Present():
            return {node.place} if wanted else set()
        case Every() | Either():
            return set().union(*(_wanted(part, wanted=wanted) for part in node.parts))
        case Absent():
            return _wanted(node.part, wanted=not wanted)
    raise TypeError(type(node).__name__)


def _percentile(holds: Holds, correlation: Correlation) -> Window:
    wanted = correlation.condition.percentile
    return _Share(holds) if wanted is None else _Percentile(holds, Fraction(wanted) / 100)


_OF_TYPE: dict[Type, Callable[[Holds, Correlation], Window]] = {
    "event_count": lambda holds, _: _EventCount(holds),
    "value_count": lambda holds, _: _ValueCount(holds),
    "temporal": lambda holds, correlation: _Temporal(holds, len(correlation.rules)),
    "temporal_ordered": lambda holds, correlation: _Ordered(holds, len(correlation.rules)),
    "value_sum": lambda holds, _: _Total(holds, average=False),
    "value_avg": lambda holds, _: _Total(holds, average=True),
    "value_median": lambda holds, _: _Percentile(holds, Fraction(1, 2)),
    "value_percentile": _percentile,
}
