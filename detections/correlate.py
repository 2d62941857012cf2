"""Correlates matches in event time: whatever order they come in, the alerts are the same.

What is meant exactly is in ``docs/reference/correlation.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from detections.correlate_alerts import Parents
from detections.correlate_episode import BEGINNING_US, SECOND_US
from detections.correlate_limits import CorrelationLimits, Counts
from detections.correlate_place import Kept, Kind, Place, Saved
from detections.correlate_publish import Found
from detections.correlate_streams import Lateness, Name, Streams
from detections.correlate_trail import Trail, trailing
from detections.extension_silence import SilenceGroup
from luytre.core.batch import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from detections.correlate_alerts import Key
    from detections.correlation import Correlation
    from luytre.core.clock import Clock
    from luytre.core.matches import Match

__all__ = ["CorrelationLimits", "Correlator", "Found", "Lateness"]

NOWHERE = TopicPartition("", 0)
_EXPIRE_EVERY = 100_000
_JUST_NOW_US = 60 * SECOND_US
_SPARE = 8


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
        self._clock, self._trail = clock, Trail()
        self._lateness = lateness or Lateness()
        trailing_us = trailing(correlations, self._lateness)
        self._kinds = {
            c.card.id: Kind(
                c,
                Parents(c, [above for above in correlations if c.card.id in above.rules]),
                clock,
                most=self._limits.matches_of_group_max,
                trailing_us=trailing_us.get(c.card.id),
            )
            for c in correlations
        }
        extensions = [c.extension for c in correlations if c.extension is not None]
        self._silences = any(extension.kind == "silence" for extension in extensions)
        self._places: dict[TopicPartition, Place] = {}
        self._neighbours: dict[TopicPartition, Place] = {}
        self._dirty: set[Kept] = set()
        self._matches = self._groups = 0
        self._taken = self._turn = 0
        self.counts = Counts()

    def take(
        self,
        matches: Iterable[Match],
        heard_us: int,
        *,
        place: TopicPartition = NOWHERE,
        offset: int = 0,
        silent: bool = False,
        reached: Mapping[str, int] | None = None,
    ) -> Found:
        """Take what one message of the log says; return new alerts and matches, revised or not.

        ``heard_us`` is when the log took the message, and ``reached`` how far its streams had come
        before, if it says so. ``silent`` builds state for which alerts were sent before.
        """
        found = Found([], [])
        self._turn += 1
        here = self._place(place, heard_us)
        self._hush(here, offset, found, silent=silent)
        here.hear(heard_us)
        for kept in self._admit(here, matches, heard_us, offset, reached):
            if kept.news:
                kept.news = False
                kept.group.scan()
                if kept.update(found, silent=silent):
                    self._dirty.add(kept)
            self._matches += kept.recount()
            if kept.counted > kept.kind.most:
                self._fold(kept, found)
        self._bound(found)
        return found

    def _place(self, place: TopicPartition, heard_us: int) -> Place:
        here = self._places.get(place)
        if here is None:
            here = self._places[place] = Place(Streams(self._lateness), heard_us)
        return here

    def restore(self, place: TopicPartition, saved: Saved) -> None:
        """Have a partition, before it is read, go on where an earlier start stopped."""
        self._place(place, saved.us).restore(saved)

    def neighbours(self, saved: Mapping[TopicPartition, Saved]) -> None:
        """Say how far the partitions are that others read: their streams are waited for too."""
        self._neighbours = {}
        for place, state in saved.items():
            if place not in self._places:
                self._neighbours[place] = there = Place(Streams(self._lateness), state.us)
                there.restore(state)

    def save(self, place: TopicPartition) -> Saved:
        """Return what a later start needs of a partition besides the log."""
        return self._place(place, 0).save()

    def _admit(
        self,
        here: Place,
        matches: Iterable[Match],
        heard_us: int,
        offset: int,
        reached: Mapping[str, int] | None,
    ) -> list[Kept]:
        """Put the matches that count where they belong; return the groups they went to."""
        kinds, groups, on_time, turn = self._kinds, here.groups, here.streams.on_time, self._turn
        touched: list[Kept] = []
        # A turn each match, about two microseconds: each belongs to a group of its own.
        for match in matches:
            self._taken += 1
            if match.rule not in kinds or not (on_time(match, heard_us, reached) or here.silent):
                self._refuse(match)
                continue
            key = match.rule, match.organization, match.group
            kept: Kept | None = groups.get(key)
            if kept is None:
                kept = groups[key] = self._made(here, key, "")
            elif match.time_us < kept.group.base_us and not here.silent:
                kept = self._aside(kept, match)
                if kept is None:
                    continue
            if kept.used != turn:
                kept.used = turn
                touched.append(kept)
            if kept.group.add(kept.lean(match), offset):
                kept.news = True
        return touched

    def _refuse(self, match: Match) -> None:
        if match.rule in self._kinds:
            self.counts.late += 1
        else:
            self.counts.unknown += 1

    def _made(self, here: Place, key: Key, lane: str) -> Kept:
        self._groups += 1
        return Kept(here, self._kinds[key[0]], key, lane)

    def _aside(self, kept: Kept, match: Match) -> Kept | None:
        """Return where a match belongs that is older than what its group holds as final."""
        if kept.group.lossy and kept.group.count_only():
            self.counts.folded += 1
            kept.touch()
            self._dirty.add(kept)
            return None
        lanes, name = kept.here.lanes, (kept.key, match.stream)
        lane = lanes.get(name)
        if lane is None:
            lane = lanes[name] = self._made(kept.here, kept.key, match.stream)
        elif match.time_us < lane.group.base_us:
            self.counts.late += 1
            return None
        return lane

    def _hush(self, here: Place, offset: int, found: Found, *, silent: bool) -> None:
        if silent:
            here.silent = True
        elif here.silent:
            here.resume(offset)
            for kept in here:
                kept.settled(here.horizon(kept.kind, kept.key[1]))
            # What was last sent of what is still open is not known: it is sent once more.
            found.add(self.flush())

    def flush(self) -> Found:
        """Return the alerts of the episodes that have grown since they were last sent."""
        found = Found([], [])
        silent = {kept for kept in self._dirty if kept.here.silent}
        for kept in self._dirty - silent:
            kept.flush(found)
        self._dirty = silent
        return found

    def expire(self) -> Found:
        """Let go what no match that is on time can meet any more; return its last alerts."""
        found = Found([], [])
        self._advance()
        for here in self._places.values():
            if here.silent:
                continue  # what is open has not been read in full yet
            horizons: dict[tuple[Kind, str], int] = {}
            for kept in list(here):
                of = kept.kind, kept.key[1]
                known = horizons.get(of)
                if known is None:
                    known = horizons[of] = here.horizon(*of)
                self._expire(kept, known, found)
        return found

    def _advance(self) -> None:
        """Work out how far all streams have come, and so the horizons of all partitions."""
        places = {**self._neighbours, **self._places}.items()
        # A partition that gets nothing more must not hold up the others for ever.
        latest_us = max((here.heard_us for _, here in places), default=0)
        heard = set[Name]().union(*(here.streams.heard(latest_us) for _, here in places))
        here_of = {place: here.streams.awaited(heard) for place, here in places}
        anywhere: dict[Name, int] = {}
        for awaited in here_of.values():
            for name, reached_us in awaited.items():
                anywhere[name] = min(reached_us, anywhere.get(name, reached_us))
        for place, here in places:
            here.streams.advance({**anywhere, **here_of[place]})
        self._trail.note([here for _, here in places], self._clock)

    def ticks(self, now_us: int | None = None, *, idle: bool = False) -> list[Match]:
        """Return the matches that say that the time of a silent group is up.

        They belong into the log, and do something once they are taken from there. ``now_us`` is
        the clock of this machine, which counts where the log has been read to its end: if it is
        ``idle``, or brought something just now.
        """
        found: list[Match] = []
        late_us = int(self._lateness.default_s * SECOND_US)
        for here in self._places.values() if self._silences else ():
            if here.silent:
                continue
            clocks = here.streams.clocks()
            at_end = now_us is not None and (idle or here.heard_us >= now_us - _JUST_NOW_US)
            for kept in here:
                if isinstance(kept.group, SilenceGroup):
                    reached_us = clocks.get(kept.key[1], BEGINNING_US)
                    deadline_us = now_us if at_end else None
                    tick = kept.group.tick(kept.key, reached_us, deadline_us, late_us)
                    found += [tick] if tick else []
        return found

    def _expire(self, kept: Kept, horizon_us: int, found: Found) -> None:
        group = kept.group
        if not group.due(horizon_us):
            return
        self._finish(kept, found)
        kept.ended(group.expire(horizon_us))
        self._matches += kept.recount()
        if group.empty:
            self._drop(kept)

    def _finish(self, kept: Kept, found: Found) -> None:
        """Send the last state of what is to be let go; where silent it was sent before."""
        if not kept.here.silent:
            kept.flush(found)

    def _drop(self, kept: Kept) -> None:
        kept.here.drop(kept)
        self._dirty.discard(kept)
        self._groups -= 1
        self._matches -= kept.counted

    def _fold(self, kept: Kept, found: Found) -> None:
        self.counts.folded += 1
        self._finish(kept, found)
        more = -1
        while kept.counted > kept.kind.most and more < 0:
            kept.ended(kept.group.fold())
            more = kept.recount()
            self._matches += more
        kept.touch()
        self._dirty.add(kept)

    def _bound(self, found: Found) -> None:
        limits = self._limits
        if self._taken >= _EXPIRE_EVERY and self._matches > limits.matches_max // 2:
            self._taken = 0
            found.add(self.expire())
        if self._groups > limits.groups_max or self._matches > limits.matches_max:
            self._shed(found)

    def _shed(self, found: Found) -> None:
        """Forget the groups that were used longest ago, an eighth more than must be."""
        groups_max = self._limits.groups_max - self._limits.groups_max // _SPARE
        matches_max = self._limits.matches_max - self._limits.matches_max // _SPARE
        for kept in sorted(self._all(), key=lambda kept: kept.used):
            if self._groups <= groups_max and self._matches <= matches_max:
                return
            self._finish(kept, found)
            self._drop(kept)
            self.counts.forgotten += 1

    def _all(self) -> Iterator[Kept]:
        for here in self._places.values():
            yield from here

    @property
    def held(self) -> int:
        """How many matches are in memory."""
        return self._matches

    def needed(self) -> Mapping[TopicPartition, int]:
        """Return for each partition the lowest offset that the state rests on, if it does."""
        lowest: dict[TopicPartition, int] = {}
        for place, here in self._places.items():
            offsets = [o for o in (kept.group.offset for kept in here) if o is not None]
            if offsets:
                lowest[place] = min(offsets)
        return lowest

    def forget(self, places: Iterable[TopicPartition]) -> None:
        """Drop the state of partitions."""
        for place in places:
            here = self._places.pop(place, None)
            for kept in list(here or ()):
                self._drop(kept)
