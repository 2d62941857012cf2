"""What every generator of lines is given: the province, the time, chance, and the journal."""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

from luytre.simulator.journal import Journal
from luytre.simulator.province import Province

if TYPE_CHECKING:
    from collections.abc import Iterator

VIETNAM = timezone(timedelta(hours=7))
HOUR_S = 3_600
STEP_S, SLOW_STEP_S = 20.0, 1_500.0
BUSY_UNTIL = ((7, 0.2), (17, 2.2), (22, 0.6), (24, 0.2))
"""How much happens until which hour of the day."""

SATURDAY, AT_WEEKENDS = 5, 0.4


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch of time in the province. ``rate`` scales how much happens in it.

    ``rhythm``: most of it in office hours, and attackers wait long between two steps.
    """

    seed: int
    start: datetime
    seconds: float
    rate: float
    province: Province
    journal: Journal
    rhythm: bool = False

    @property
    def step_s(self) -> float:
        """How long attackers wait between two steps at the most."""
        return SLOW_STEP_S if self.rhythm else STEP_S

    def times(self, dice: Random, per_minute: float) -> list[float]:
        """Return when something happens that happens ``per_minute`` on average, in order."""
        count = round(per_minute * self.seconds / 60 * self.rate)
        if self.rhythm:
            return sorted(self._busy_times(dice, count))
        return sorted(dice.uniform(0, self.seconds) for _ in range(count))

    def _busy_times(self, dice: Random, count: int) -> Iterator[float]:
        """Yield times, more of them in the hours in which offices work."""
        hours = [self._weight(hour * HOUR_S) for hour in range(math.ceil(self.seconds / HOUR_S))]
        reached = list(accumulate(hours))
        for _ in range(count):
            place = dice.uniform(0, reached[-1])
            hour = bisect(reached, place, hi=len(reached) - 1)
            share = (reached[hour] - place) / hours[hour]
            yield min((hour + 1 - share) * HOUR_S, self.seconds)

    def _weight(self, at_s: float) -> float:
        """Return how busy an hour is."""
        moment = self.at(at_s)
        weight = next(weight for until, weight in BUSY_UNTIL if moment.hour < until)
        return weight * (AT_WEEKENDS if moment.weekday() >= SATURDAY else 1)

    def at(self, at_s: float) -> datetime:
        """Return the time of day in Viet Nam."""
        return (self.start + timedelta(seconds=at_s)).astimezone(VIETNAM)

    def utc(self, at_s: float) -> str:
        """Return the time as Windows writes it: ISO 8601 in UTC with microseconds."""
        moment = self.start + timedelta(seconds=at_s)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def likely(dice: Random, share: float) -> bool:
    """Throw the dice: true in ``share`` of all throws."""
    return dice.random() < share


def chance(seed: int, name: str) -> Random:
    """Return dice of their own for ``name``: one generator's throws never move another's."""
    return Random(f"{seed}/{name}")  # noqa: S311 - a simulation must repeat, not surprise
