"""Windows that look back further than matches are kept: they remember times, eight bytes each.

What was remembered is asked for any moment, so a match that comes late changes what its own moment
and all later ones show, as if it had come in time.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from fractions import Fraction
from typing import TYPE_CHECKING

from detections.correlate_episode import NEVER_US, SECOND_US
from luytre.core.cells import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detections.correlate_bounds import Bounds, Exact
    from detections.correlation import Correlation
    from luytre.core.matches import Match

Remembered = tuple[int, str]
"""What is read of a match: when it was, and its value."""

_DAY_US = 86_400 * SECOND_US
_VALUE_TIMES = 20
"""A value takes as much memory as so many times."""


def remembered(match: Match) -> Remembered:
    """Read a match for a window that remembers."""
    return match.time_us, fold(match.value) if match.value else ""


class Memory:
    """When matches of a group were, for as long as ``reach_us``; the base of windows that remember.

    It is a ``Window`` into which nothing needs to enter: ``note`` takes a match of any time.
    """

    __slots__ = ("_offsets", "_reach_us", "times")
    tracks = False
    reads_newest = True

    def __init__(self, reach_us: int) -> None:
        self._reach_us = reach_us
        self.times = array("q")
        self._offsets: dict[int, int] = {}

    def note(self, reading: Remembered, offset: int) -> None:
        """Take a match in, of whatever time."""
        time_us = reading[0]
        insort(self.times, time_us)
        day = time_us // _DAY_US
        self._offsets[day] = min(offset, self._offsets.get(day, offset))

    def drop(self, reading: Remembered) -> None:
        """Forget a match that was withdrawn, or has another time."""
        del self.times[bisect_left(self.times, reading[0])]

    def trim(self, horizon_us: int) -> None:
        """Forget what no moment from ``horizon_us`` on looks back to."""
        self._forget(horizon_us - self._reach_us)

    def halve(self) -> None:
        """Forget the older half: a storm."""
        if self.times:
            self._forget(self.times[len(self.times) // 2])

    def _forget(self, until_us: int) -> None:
        del self.times[: bisect_right(self.times, until_us)]
        first = self.times[0] if self.times else NEVER_US
        self._offsets = {d: o for d, o in self._offsets.items() if (d + 1) * _DAY_US > first}

    def due(self, horizon_us: int) -> bool:
        """Tell whether ``trim`` would forget something."""
        return bool(self.times) and self.times[0] <= horizon_us - self._reach_us

    @property
    def size(self) -> int:
        """How much is remembered, in times."""
        return len(self.times)

    @property
    def offset(self) -> int | None:
        """The lowest offset of what is remembered, or one before it."""
        return min(self._offsets.values(), default=None)

    def enter(self, match: Match, reading: Remembered) -> None:
        """Nothing to do: see ``note``."""

    def leave(self, match: Match, reading: Remembered) -> None:
        """Nothing to do: see ``trim``."""


class Rare(Memory):
    """Fires for a value that came at most so often within the timespan, itself included.

    Not before the group is known for as long as ``learning``: to a new group everything is new.
    """

    __slots__ = ("_at_most", "_learning_us", "_span_us", "_values")

    def __init__(self, correlation: Correlation) -> None:
        assert correlation.extension is not None
        self._span_us = correlation.timespan_s * SECOND_US
        super().__init__(self._span_us + 2)
        self._at_most = correlation.extension.at_most
        self._learning_us = correlation.extension.learning_s * SECOND_US
        self._values: dict[str, array[int]] = {}

    def note(self, reading: Remembered, offset: int) -> None:
        super().note(reading, offset)
        time_us, value = reading
        if value:
            insort(self._values.setdefault(value, array("q")), time_us)

    def drop(self, reading: Remembered) -> None:
        super().drop(reading)
        time_us, value = reading
        if value:
            del self._values[value][bisect_left(self._values[value], time_us)]

    def _forget(self, until_us: int) -> None:
        super()._forget(until_us)
        for value, times in list(self._values.items()):
            if times and times[0] > until_us:
                continue
            del times[: bisect_right(times, until_us)]
            if not times:
                del self._values[value]

    @property
    def size(self) -> int:
        return len(self.times) + _VALUE_TIMES * len(self._values)

    def fires(self, count: int, newest: Sequence[Remembered]) -> Exact | None:  # noqa: ARG002
        moment = newest[-1][0]
        since_us = moment - self._span_us
        first = bisect_right(self.times, since_us)
        if self.times[first] > moment - self._learning_us:
            return None
        seen = []
        for value in {value for _, value in newest if value}:
            times = self._values[value]
            before = bisect_left(times, moment) - bisect_right(times, since_us)
            seen.append(before + 1)
        rarest = min(seen, default=self._at_most + 1)
        return rarest if rarest <= self._at_most else None


class Spike(Memory):
    """Fires for a count within the timespan that is so many times the group's own mean.

    The mean is over ``baseline`` before the timespan, or what of it the group is known for, which
    must be ``learning`` at least.
    """

    __slots__ = ("_baseline_us", "_bounds", "_factor", "_learning_us", "_span_us")

    def __init__(self, correlation: Correlation, bounds: Bounds) -> None:
        assert correlation.extension is not None
        self._span_us = correlation.timespan_s * SECOND_US
        self._baseline_us = correlation.extension.baseline_s * SECOND_US
        super().__init__(self._baseline_us + 3 * self._span_us)
        self._learning_us = max(correlation.extension.learning_s * SECOND_US, 1)
        self._factor = Fraction(correlation.extension.factor)
        self._bounds = bounds

    def fires(self, count: int, newest: Sequence[Remembered]) -> Exact | None:  # noqa: ARG002
        moment, times = newest[-1][0], self.times
        end_us = moment - self._span_us
        first = bisect_right(times, end_us - self._baseline_us)
        middle = bisect_right(times, end_us)
        number = bisect_right(times, moment) - middle
        if first == middle or not self._bounds.whole(number):
            return None
        known_us = min(self._baseline_us, end_us - times[first])
        if known_us < self._learning_us:
            return None
        # number / timespan >= factor * before / known, in whole numbers
        before = middle - first
        factor = self._factor
        usual = factor.numerator * before * self._span_us
        return number if number * known_us * factor.denominator >= usual else None
