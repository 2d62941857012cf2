"""How far the results of correlations trail behind the events that they are made of."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from detections.correlate_episode import BEGINNING_US, EPISODE_US, SECOND_US
from luytre.core.matches import PROVINCE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from detections.correlate_place import Place
    from detections.correlate_streams import Lateness
    from detections.correlation import Correlation
    from luytre.core.clock import Clock

_MARGIN_US = 60 * SECOND_US
"""By how much the clocks of the log and of this process may differ."""


def trailing(correlations: Sequence[Correlation], lateness: Lateness) -> dict[str, int]:
    """Return for each correlation of correlations how far the results below may trail, in us.

    A result has the time when its episode first fired. An episode that goes on brings results for
    other groups above it as long as it lasts, if those are not what it is grouped by itself.
    """
    found: dict[str, int] = {}
    for correlation in correlations:  # those below come first
        below = [c for c in correlations if c.card.id in correlation.rules]
        if below:
            found[correlation.card.id] = int(lateness.default_s * SECOND_US) + max(
                _lasting(c) + found.get(c.card.id, 0) for c in below
            )
    return found


def _lasting(correlation: Correlation) -> int:
    timespan_us = correlation.timespan_s * SECOND_US
    steady = set(correlation.carried) <= set(correlation.group_by)
    return timespan_us if steady else timespan_us + max(EPISODE_US, timespan_us)


class Trail:
    """The horizons up to which all results have been sent, and when that was.

    Results lie in the log behind what was there when they were sent. So a partition knows that it
    has them only when it has read something that came later.
    """

    def __init__(self) -> None:
        self._sent: deque[tuple[int, Mapping[str, int]]] = deque()

    def note(self, places: Collection[Place], clock: Clock) -> None:
        """Take over, in each partition, the horizons whose results it must have read by now."""
        for here in places:
            for sent_us, floors in self._sent:
                if sent_us < here.heard_us:
                    here.results.update(floors)
        slowest_us = min((here.heard_us for here in places), default=0)
        while len(self._sent) > 1 and self._sent[1][0] < slowest_us:
            self._sent.popleft()
        floors = _floors(places)
        if floors:
            now_us = int(clock.now().timestamp() * SECOND_US) + _MARGIN_US
            self._sent.append((now_us, floors))
        while len(self._sent) > _SENT_MAX:
            del self._sent[1]


_SENT_MAX = 10_000


def _floors(places: Collection[Place]) -> dict[str, int]:
    """Return how far each organisation has come in every partition that knows it."""
    found: dict[str, int] = {}
    for here in places:
        for organization, floor_us in here.streams.floors.items():
            found[organization] = min(floor_us, found.get(organization, floor_us))
    if found:
        found[PROVINCE] = min(found.values(), default=BEGINNING_US)
    return found
