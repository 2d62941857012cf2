"""Correlates matches in event time: whatever order they come in, the alerts are the same.

What is meant exactly is in ``docs/reference/correlation.md``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from detections.correlate_alerts import Parents
from detections.correlate_episode import BEGINNING_US, SECOND_US
from detections.correlate_group import Group
from detections.correlate_publish import Found, Publisher
from detections.correlate_streams import Lateness, Streams
from luytre.core.batch import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from detections.correlate_alerts import Key
    from detections.correlation import Correlation
    from luytre.core.clock import Clock
    from luytre.core.matches import Match

__all__ = ["CorrelationLimits", "Correlator", "Found", "Lateness"]

NOWHERE = TopicPartition("", 0)
_EXPIRE_EVERY = 100_000
_SPARE = 8
_THRESHOLDS = 4
"""A group keeps room for so many times the count that its rule asks for."""


@dataclass(frozen=True, slots=True)
class CorrelationLimits:
    """What memory may hold: groups, matches of all, matches of one group.

    Above ``matches_of_group_max`` the older half is folded, and the alerts say so; above the
    others the groups that were quiet for longest are forgotten, after their alerts were sent. A
    match takes about 900 bytes.
    """

    groups_max: int = 200_000
    matches_max: int = 500_000
    matches_of_group_max: int = 20_000


@dataclass(slots=True)
class Counts:
    """What was refused or forgotten since the start: late matches, unknown rules, groups."""

    late: int = 0
    unknown: int = 0
    forgotten: int = 0
    folded: int = 0


class _Home(NamedTuple):
    """Which group of which partition: ``lane`` is a stream that came back after what ended."""

    place: TopicPartition
    key: Key
    lane: str


@dataclass(slots=True)
class _Kept:
    group: Group
    publisher: Publisher
    most: int
    used: int = 0


class Correlator:
    """Keeps the state of all groups of all correlations; ``take`` matches, get what follows.

    Matches of one key must all come through one correlator. State can be dropped at any time and
    built anew by taking all matches from ``needed`` on once more, ``silent`` up to where they
    were taken before.
    """

    def __init__(
        self,
        correlations: Sequence[Correlation],
        clock: Clock,
        lateness: Lateness | None = None,
        limits: CorrelationLimits | None = None,
    ) -> None:
        self._limits = limits or CorrelationLimits()
        self._clock = clock
        self._correlations = {c.card.id: c for c in correlations}
        self._parents = {
            c.card.id: Parents(c, [above for above in correlations if c.card.id in above.rules])
            for c in correlations
        }
        self._trailing_us = _trailing(correlations, lateness or Lateness())
        self._silent: set[TopicPartition] = set()
        self._lateness = lateness or Lateness()
        self._streams: dict[TopicPartition, Streams] = {}
        self._kept: dict[_Home, _Kept] = {}
        self._dirty: set[_Home] = set()
        self._matches = 0
        self._taken = self._turn = 0
        self._heard_us: dict[TopicPartition, int] = {}
        self.counts = Counts()

    def take(
        self,
        matches: Iterable[Match],
        heard_us: int,
        *,
        place: TopicPartition = NOWHERE,
        offset: int = 0,
        silent: bool = False,
    ) -> Found:
        """Take what one message of the log says; return new alerts and matches, revised or not.

        ``heard_us`` is when the log took the message. ``silent`` builds state for which alerts
        were sent before.
        """
        found = Found([], [])
        self._turn += 1
        self._hush(place, found, silent=silent)
        self._heard_us[place] = max(heard_us, self._heard_us.get(place, heard_us))
        for home, group in self._admitted(matches, heard_us, place).items():
            kept = self._kept.get(home) or self._made(home)
            kept.used = self._turn
            before = len(kept.group.entries)
            if sum([kept.group.add(match, offset) for match in group]):
                kept.group.scan()
                self._publish(home, kept, found, silent=silent)
            self._matches += len(kept.group.entries) - before
            if len(kept.group.entries) > kept.most:
                self._fold(home, kept, found)
        self._bound(found)
        return found

    def _admitted(
        self, matches: Iterable[Match], heard_us: int, place: TopicPartition
    ) -> dict[_Home, list[Match]]:
        """Return the matches that count, by where they belong."""
        streams = self._streams.get(place)
        if streams is None:
            streams = self._streams[place] = Streams(self._lateness)
        by_key: dict[Key, list[Match]] = defaultdict(list)
        for match in matches:
            self._taken += 1
            if match.rule not in self._correlations:
                self.counts.unknown += 1
            elif streams.on_time(match, heard_us):
                by_key[match.key].append(match)
            else:
                self.counts.late += 1
        homes: dict[_Home, list[Match]] = {}
        for key, group in by_key.items():
            self._house(_Home(place, key, ""), group, homes)
        return homes

    def _house(self, home: _Home, group: list[Match], homes: dict[_Home, list[Match]]) -> None:
        kept = self._kept.get(home)
        base_us = BEGINNING_US if kept is None else kept.group.base_us
        if kept is None or all(match.time_us >= base_us for match in group):
            homes[home] = group
            return
        for match in group:
            to = self._aside(home, kept, match) if match.time_us < kept.group.base_us else home
            if to is not None:
                homes.setdefault(to, []).append(match)

    def _aside(self, home: _Home, kept: _Kept, match: Match) -> _Home | None:
        """Return where a match belongs that is older than what its group holds as final."""
        if kept.group.lossy and kept.group.count_only():
            self.counts.folded += 1
            kept.publisher.touch()
            self._dirty.add(home)
            return None
        other = _Home(home.place, home.key, match.stream)
        lane = self._kept.get(other)
        if lane is None or match.time_us >= lane.group.base_us:
            return other
        self.counts.late += 1
        return None

    def _made(self, home: _Home) -> _Kept:
        correlation = self._correlations[home.key[0]]
        group = Group(correlation)
        parents = self._parents[home.key[0]]
        publisher = Publisher(correlation, home.key, parents, self._clock)
        counted = correlation.type in ("event_count", "value_count")
        limits = [int(bound.limit) for bound in correlation.condition.bounds] if counted else []
        most = max(self._limits.matches_of_group_max, _THRESHOLDS * max(limits, default=0))
        kept = self._kept[home] = _Kept(group, publisher, most)
        return kept

    def _publish(self, home: _Home, kept: _Kept, found: Found, *, silent: bool) -> None:
        if kept.publisher.update(kept.group, found, silent=silent):
            self._dirty.add(home)

    def _hush(self, place: TopicPartition, found: Found, *, silent: bool) -> None:
        if silent:
            self._silent.add(place)
        elif place in self._silent:
            # What was last sent of what is still open is not known: it is sent once more.
            self._silent.discard(place)
            found.add(self.flush())

    def flush(self) -> Found:
        """Return the alerts of the episodes that have grown since they were last sent."""
        found = Found([], [])
        silent = {home for home in self._dirty if home.place in self._silent}
        for home in self._dirty - silent:
            kept = self._kept[home]
            kept.publisher.flush(kept.group, found)
        self._dirty = silent
        return found

    def expire(self) -> Found:
        """Let go what no match that is on time can meet any more; return its last alerts."""
        found = Found([], [])
        for place, streams in self._streams.items():
            streams.advance(self._heard_us[place])
        horizons: dict[tuple[TopicPartition, str, str], int] = {}
        for home, kept in list(self._kept.items()):
            rule, organization, _ = home.key
            known = horizons.get((home.place, rule, organization))
            if known is None:
                known = self._streams[home.place].horizon(
                    organization, results_us=self._trailing_us.get(rule)
                )
                horizons[home.place, rule, organization] = known
            self._expire(home, kept, known, found)
        return found

    def _expire(self, home: _Home, kept: _Kept, horizon_us: int, found: Found) -> None:
        group = kept.group
        if group.oldest_us > horizon_us - group.timespan_us:
            return
        before = len(group.entries)
        self._finish(home, kept, found)
        kept.publisher.ended(group.expire(horizon_us))
        self._matches += len(group.entries) - before
        if group.empty:
            self._drop(home)

    def _finish(self, home: _Home, kept: _Kept, found: Found) -> None:
        """Send the last state of what is to be let go; where silent it was sent before."""
        if home.place not in self._silent:
            kept.publisher.flush(kept.group, found)

    def _drop(self, home: _Home) -> None:
        del self._kept[home]
        self._dirty.discard(home)

    def _fold(self, home: _Home, kept: _Kept, found: Found) -> None:
        self.counts.folded += 1
        before = len(kept.group.entries)
        self._finish(home, kept, found)
        kept.publisher.ended(kept.group.fold())
        self._matches += len(kept.group.entries) - before
        kept.publisher.touch()
        self._dirty.add(home)

    def _bound(self, found: Found) -> None:
        limits = self._limits
        if self._taken >= _EXPIRE_EVERY and self._matches > limits.matches_max // 2:
            self._taken = 0
            found.add(self.expire())
        if len(self._kept) > limits.groups_max or self._matches > limits.matches_max:
            self._shed(found)

    def _shed(self, found: Found) -> None:
        """Forget the groups that were used longest ago, an eighth more than must be."""
        groups_max = self._limits.groups_max - self._limits.groups_max // _SPARE
        matches_max = self._limits.matches_max - self._limits.matches_max // _SPARE
        for home, kept in sorted(self._kept.items(), key=lambda item: item[1].used):
            if len(self._kept) <= groups_max and self._matches <= matches_max:
                return
            self._finish(home, kept, found)
            self._matches -= len(kept.group.entries)
            self._drop(home)
            self.counts.forgotten += 1

    @property
    def held(self) -> int:
        """How many matches are in memory."""
        return self._matches

    def needed(self) -> Mapping[TopicPartition, int]:
        """Return for each partition the lowest offset that the state rests on, if it does."""
        lowest: dict[TopicPartition, int] = {}
        for home, kept in self._kept.items():
            offset = kept.group.offset
            if offset is not None:
                lowest[home.place] = min(offset, lowest.get(home.place, offset))
        return lowest

    def forget(self, places: Iterable[TopicPartition]) -> None:
        """Drop the state of partitions."""
        gone = set(places)
        for home in [home for home in self._kept if home.place in gone]:
            self._matches -= len(self._kept[home].group.entries)
            self._drop(home)
        for place in gone:
            self._streams.pop(place, None)
            self._heard_us.pop(place, None)
        self._silent -= gone


def _trailing(correlations: Sequence[Correlation], lateness: Lateness) -> dict[str, int]:
    """Return for each correlation of correlations how far the results below may trail, in us."""
    trailing: dict[str, int] = {}
    for correlation in correlations:  # those below come first
        below = [c for c in correlations if c.card.id in correlation.rules]
        if below:
            trailing[correlation.card.id] = int(lateness.default_s * SECOND_US) + max(
                c.timespan_s * SECOND_US + trailing.get(c.card.id, 0) for c in below
            )
    return trailing
