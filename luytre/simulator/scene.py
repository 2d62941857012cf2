"""What every generator of lines is given: the province, the time, chance, and the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random

from luytre.simulator.journal import Journal
from luytre.simulator.province import Province

VIETNAM = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch of time in the province. ``rate`` scales how much happens in it."""

    seed: int
    start: datetime
    seconds: float
    rate: float
    province: Province
    journal: Journal

    def times(self, dice: Random, per_minute: float) -> list[float]:
        """Return when something happens that happens ``per_minute`` on average, in order."""
        count = round(per_minute * self.seconds / 60 * self.rate)
        return sorted(dice.uniform(0, self.seconds) for _ in range(count))

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
