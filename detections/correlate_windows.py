"""What is measured in a sliding window, kept up to date as matches enter and leave.

Every measure is exact (whole numbers and fractions), so it does not depend on the order in which
matches entered. What a window sees of a match is its *reading*, made once when it arrives.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from detections.atoms import number
from detections.correlate_bounds import Bounds, Exact
from detections.correlate_episode import BEGINNING_US
from detections.correlation import Absent, Either, Every, Expression, Present
from luytre.core.cells import fold

if TYPE_CHECKING:
    from detections.correlation import Correlation, Type
    from luytre.core.matches import Match

Reading = Any
"""What one type of window reads of a match; only that type looks at it."""

_HALF = Fraction(1, 2)
_PLAIN_MAX = 19
_FINEST = 1074
"""Every finite float is a whole number of 2^-1074."""


class Window(Protocol):
    """The matches of one group within the timespan, as one type of correlation sees them."""

    tracks: bool
    """Whether matches must ``enter`` and ``leave``; if not, one window serves all groups."""
    reads_newest: bool
    """Whether ``fires`` looks at its second argument."""

    def enter(self, match: Match, reading: Reading) -> None:
        """Take a match in; they come in the order of their times."""

    def leave(self, match: Match, reading: Reading) -> None:
        """Let the oldest match go."""

    def fires(self, count: int, newest: Sequence[Reading]) -> Exact | None:
        """Return what was measured if the condition holds.

        ``count`` is how many matches are in the window, ``newest`` the readings of its last moment.
        """


Read = Callable[["Match"], Reading]
Make = Callable[[], Window]


def windows_of(correlation: Correlation) -> tuple[Read, Make]:
    """Return what reads a match for a correlation's windows, and what makes an empty one."""
    condition = correlation.condition
    if condition.expression is not None:
        ordered = correlation.type == "temporal_ordered"
        expression = condition.expression
        wanted = sorted(_wanted(expression, wanted=True))
        return _met, lambda: _Expressed(expression, wanted, ordered=ordered)
    return _OF_TYPE[correlation.type](Bounds(condition.bounds), correlation)


def _nothing(_match: Match) -> None:
    return None


def _text(match: Match) -> str:
    return fold(match.value) if match.value else ""


def _number(match: Match) -> float | None:
    value = match.value
    if value.isdigit() and value.isascii() and len(value) < _PLAIN_MAX:
        return int(value)
    return _rarer(value) if value else None


_rarer = lru_cache(maxsize=4096)(number)


def _met(match: Match) -> tuple[int, ...]:
    return match.met


class _EventCount:
    tracks = reads_newest = False

    def __init__(self, bounds: Bounds) -> None:
        self._hold = bounds.whole

    def enter(self, match: Match, reading: Reading) -> None:
        """Nothing to do: the count is the caller's."""

    def leave(self, match: Match, reading: Reading) -> None:
        """Nothing to do: the count is the caller's."""

    def fires(self, count: int, newest: Sequence[Reading]) -> Exact | None:  # noqa: ARG002
        return count if self._hold(count) else None


class _Values:
    """How often each value is in the window; matches without a value do not count."""

    __slots__ = ("_bounds", "_total", "_values")
    tracks = True

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._values: dict[str, int] = {}
        self._total = 0

    def enter(self, match: Match, reading: str) -> None:  # noqa: ARG002
        if reading:
            self._values[reading] = self._values.get(reading, 0) + 1
            self._total += 1

    def leave(self, match: Match, reading: str) -> None:  # noqa: ARG002
        if reading:
            left = self._values[reading] - 1
            self._total -= 1
            if left:
                self._values[reading] = left
            else:
                del self._values[reading]


class _ValueCount(_Values):
    __slots__ = ()
    reads_newest = False

    def fires(self, count: int, newest: Sequence[str]) -> Exact | None:  # noqa: ARG002
        different = len(self._values)
        return different if self._bounds.whole(different) else None


class _Share(_Values):
    """The percentage of the window's matches that have the value of one of the newest."""

    __slots__ = ()
    reads_newest = True

    def fires(self, count: int, newest: Sequence[str]) -> Exact | None:  # noqa: ARG002
        values = [value for value in newest if value]
        shares = sorted({self._values[value] for value in values}) if values else ()
        for share in shares:
            if self._bounds.ratio(100 * share, self._total):
                return Fraction(100 * share, self._total)
        return None


class _Total:
    """Sum or mean. Floats are summed as whole numbers of the finest step, so nothing is rounded."""

    __slots__ = ("_average", "_bounds", "_count", "_parts", "_whole")
    tracks = True
    reads_newest = False

    def __init__(self, bounds: Bounds, *, average: bool) -> None:
        self._bounds, self._average = bounds, average
        self._whole = self._parts = self._count = 0

    def enter(self, match: Match, reading: float | None) -> None:  # noqa: ARG002
        self._move(reading, 1)

    def leave(self, match: Match, reading: float | None) -> None:  # noqa: ARG002
        self._move(reading, -1)

    def _move(self, reading: float | None, sign: int) -> None:
        if reading is None:
            return
        self._count += sign
        if isinstance(reading, int):
            self._whole += sign * reading
        else:
            numerator, denominator = reading.as_integer_ratio()
            self._parts += sign * (numerator << (_FINEST + 1 - denominator.bit_length()))

    def fires(self, count: int, newest: Sequence[Reading]) -> Exact | None:  # noqa: ARG002
        if not self._count:
            return None
        over, under = self._whole, self._count if self._average else 1
        if self._parts:
            over, under = (over << _FINEST) + self._parts, under << _FINEST
        if not self._bounds.ratio(over, under):
            return None
        return over if under == 1 else Fraction(over, under)


class _Percentile:
    """The value below which a share of the numbers lies, between two of them on a line.

    The median of an even number of values is the mean of the middle two, as usual.
    """

    __slots__ = ("_bounds", "_over", "_sorted", "_under")
    tracks = True
    reads_newest = False

    def __init__(self, bounds: Bounds, share: Fraction) -> None:
        self._bounds = bounds
        self._over, self._under = share.numerator, share.denominator
        self._sorted: list[float] = []  # Python compares whole numbers and floats exactly

    def enter(self, match: Match, reading: float | None) -> None:  # noqa: ARG002
        if reading is not None:
            insort(self._sorted, reading)

    def leave(self, match: Match, reading: float | None) -> None:  # noqa: ARG002
        if reading is not None:
            del self._sorted[bisect_left(self._sorted, reading)]

    def fires(self, count: int, newest: Sequence[Reading]) -> Exact | None:  # noqa: ARG002
        numbers, under = self._sorted, self._under
        if not numbers:
            return None
        below, rest = divmod(self._over * (len(numbers) - 1), under)
        low = numbers[below]
        high = numbers[below + 1] if rest else low
        if isinstance(low, int) and isinstance(high, int):
            over = low * under + rest * (high - low)
            return Fraction(over, under) if self._bounds.ratio(over, under) else None
        measured = Fraction(low)
        if rest:
            measured += Fraction(rest, under) * (Fraction(high) - measured)
        return measured if self._bounds.ratio(*measured.as_integer_ratio()) else None


class _Temporal:
    """How many of the rules have a match in the window."""

    __slots__ = ("_bounds", "_counts")
    tracks = True
    reads_newest = False

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._counts: dict[int, int] = {}

    def enter(self, match: Match, reading: tuple[int, ...]) -> None:  # noqa: ARG002
        counts = self._counts
        for place in reading:
            counts[place] = counts.get(place, 0) + 1

    def leave(self, match: Match, reading: tuple[int, ...]) -> None:  # noqa: ARG002
        counts = self._counts
        for place in reading:
            if counts[place] == 1:
                del counts[place]
            else:
                counts[place] -= 1

    def fires(self, count: int, newest: Sequence[Reading]) -> Exact | None:  # noqa: ARG002
        present = len(self._counts)
        return present if self._bounds.whole(present) else None


class _Times:
    """When each rule was met within the window, ascending."""

    __slots__ = ("_times",)
    tracks = True
    reads_newest = False

    def __init__(self) -> None:
        self._times: dict[int, list[int]] = {}

    def enter(self, match: Match, reading: tuple[int, ...]) -> None:
        for place in reading:
            times = self._times.get(place)
            if times is None:
                self._times[place] = [match.time_us]
            else:
                times.append(match.time_us)

    def leave(self, match: Match, reading: tuple[int, ...]) -> None:  # noqa: ARG002
        for place in reading:
            times = self._times[place]
            if len(times) == 1:
                del self._times[place]
            else:
                del times[0]

    def longest_chain(self, places: Sequence[int]) -> int:
        """Return how many of the rules were met one after the other, or at once, in this order."""
        if self._chained(places):
            return len(places)
        ends: list[int] = []  # the earliest end of a chain of each length
        for place in places:
            times = self._times.get(place)
            for length in range(len(ends), -1, -1) if times else ():
                assert times is not None
                first = bisect_left(times, ends[length - 1]) if length else 0
                if first == len(times):
                    continue
                if length == len(ends):
                    ends.append(times[first])
                else:
                    ends[length] = min(ends[length], times[first])
        return len(ends)

    def _chained(self, places: Sequence[int]) -> bool:
        """Tell whether all of the rules were: taking each as early as it can be is enough."""
        since_us = BEGINNING_US
        for place in places:
            times = self._times.get(place)
            if times is None or times[-1] < since_us:
                return False
            since_us = times[0] if times[0] >= since_us else times[bisect_left(times, since_us)]
        return True


class _Ordered(_Times):
    __slots__ = ("_bounds",)

    def __init__(self, bounds: Bounds) -> None:
        super().__init__()
        self._bounds = bounds

    def fires(self, count: int, newest: Sequence[Reading]) -> Exact | None:  # noqa: ARG002
        present = self._times
        if len(present) < self._bounds.least:  # a chain is no longer than the rules that were met
            return None
        length = self.longest_chain(sorted(present))
        return length if self._bounds.whole(length) else None


class _Expressed(_Times):
    """A boolean expression over the rules; ordered, the wanted ones must come in their order."""

    __slots__ = ("_expression", "_ordered", "_wanted")

    def __init__(self, expression: Expression, wanted: Sequence[int], *, ordered: bool) -> None:
        super().__init__()
        self._expression, self._wanted, self._ordered = expression, wanted, ordered

    def fires(self, count: int, newest: Sequence[Reading]) -> Exact | None:  # noqa: ARG002
        if not self._true(self._expression):
            return None
        present = [place for place in self._wanted if place in self._times]
        if self._ordered and self.longest_chain(present) < len(present):
            return None
        return len(self._times)

    def _true(self, node: Expression) -> bool:
        match node:
            case Present():
                return node.place in self._times
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


def _counted(bounds: Bounds, _correlation: Correlation) -> tuple[Read, Make]:
    shared = _EventCount(bounds)
    return _nothing, lambda: shared


def _percentile(bounds: Bounds, correlation: Correlation) -> tuple[Read, Make]:
    wanted = correlation.condition.percentile
    if wanted is None:
        return _text, lambda: _Share(bounds)
    share = Fraction(wanted) / 100
    return _number, lambda: _Percentile(bounds, share)


_OF_TYPE: dict[Type, Callable[[Bounds, Correlation], tuple[Read, Make]]] = {
    "event_count": _counted,
    "value_count": lambda bounds, _: (_text, lambda: _ValueCount(bounds)),
    "temporal": lambda bounds, _: (_met, lambda: _Temporal(bounds)),
    "temporal_ordered": lambda bounds, _: (_met, lambda: _Ordered(bounds)),
    "value_sum": lambda bounds, _: (_number, lambda: _Total(bounds, average=False)),
    "value_avg": lambda bounds, _: (_number, lambda: _Total(bounds, average=True)),
    "value_median": lambda bounds, _: (_number, lambda: _Percentile(bounds, _HALF)),
    "value_percentile": _percentile,
}
