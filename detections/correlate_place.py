"""What the correlator keeps of one partition of the log: its streams and its groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from detections.correlate_alerts import Key
from detections.correlate_bounds import Bounds
from detections.correlate_episode import BEGINNING_US, SECOND_US
from detections.correlate_group import Group, Measure
from detections.correlate_publish import Now, Publisher
from detections.correlate_streams import SavedStreams, Streams
from detections.correlate_windows import windows_of
from detections.extension_group import RememberingGroup
from detections.extension_silence import SilenceGroup
from detections.extension_windows import Rare, Spike, remembered
from luytre.core.matches import Match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detections.correlate_alerts import Parents
    from detections.correlate_publish import Found
    from detections.correlation import Correlation
    from luytre.core.clock import Clock

_NAMES_MAX = 100_000
_BEGUN_MAX = 50_000
_REVISIONS = 1_000
"""So many revisions of one episode fit between two messages."""
_THRESHOLDS = 4
"""A group keeps room for so many times the count that its rule asks for."""


def measure_of(correlation: Correlation) -> Measure:
    """Return how a correlation measures its windows."""
    timespan_us = correlation.timespan_s * SECOND_US
    extension = correlation.extension
    if extension is None or extension.kind == "silence":
        return Measure(timespan_us, *windows_of(correlation))
    if extension.kind == "spike":
        bounds = Bounds(correlation.condition.bounds)
        return Measure(timespan_us, remembered, lambda: Spike(correlation, bounds))
    # What is new or rare is so for the moment: no two moments are one episode.
    return Measure(1, remembered, lambda: Rare(correlation))


class Kind:
    """What all groups of one correlation share; ``most`` is how many matches one may hold."""

    __slots__ = (
        "_clock", "_columns", "correlation", "measure", "most", "parents", "places", "trailing_us",
    )  # fmt: skip

    def __init__(
        self,
        correlation: Correlation,
        parents: Parents,
        clock: Clock,
        *,
        most: int,
        trailing_us: int | None,
    ) -> None:
        self.correlation, self.parents, self._clock = correlation, parents, clock
        self.measure = measure_of(correlation)
        self.trailing_us = trailing_us
        self.places = [(place,) for place in range(len(correlation.rules))]
        self._columns: tuple[str, ...] = ()
        counted = correlation.type in ("event_count", "value_count")
        limits = [int(bound.limit) for bound in correlation.condition.bounds] if counted else []
        self.most = max(most, _THRESHOLDS * max(limits, default=0))

    def shared(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Return the last copy of the columns, if these are the same: they mostly are."""
        if columns != self._columns:
            self._columns = columns
        return self._columns

    def group(self, base_us: int) -> Group | SilenceGroup:
        """Return an empty group that looks at nothing before ``base_us``."""
        extension = self.correlation.extension
        if extension is None:
            return Group(self.measure, base_us)
        made = SilenceGroup if extension.kind == "silence" else RememberingGroup
        return made(self.measure, base_us)

    def publisher(self, key: Key) -> Publisher:
        """Return what sends the episodes of one group."""
        return Publisher(self.correlation, key, self.parents, self._clock)


class Kept:
    """A group, what was sent of it, and when it was used last.

    ``lane`` is the stream of a group beside the first one of its key: it came back after what
    that one holds had ended.
    """

    __slots__ = ("counted", "group", "here", "key", "kind", "lane", "news", "publisher", "used")

    def __init__(self, here: Place, kind: Kind, key: Key, lane: str) -> None:
        self.here, self.kind, self.key, self.lane = here, kind, key, lane
        self.group = kind.group(here.base_us(key, lane))
        self.publisher: Publisher | None = None  # most groups never have anything to send
        self.used = self.counted = 0
        self.news = False

    def lean(self, match: Match) -> Match:
        """Return a match that shares with others what they have in common: half of its bytes."""
        rule, organization, group = self.key
        met, places = match.met, self.kind.places
        return Match(
            rule,
            organization,
            group,
            match.event_id,
            match.time_us,
            match.ingested_us,
            self.here.shared(match.stream),
            places[met[0]] if len(met) == 1 and met[0] < len(places) else met,
            match.value,
            match.carried,
            self.kind.shared(match.columns),
            match.revision,
            match.withdrawn,
        )

    def recount(self) -> int:
        """Return how many matches there are more than at the last count."""
        counted = self.group.weight
        more = counted - self.counted
        self.counted = counted
        return more

    def update(self, found: Found, *, silent: bool) -> bool:
        """Send what has changed at once; tell whether something has only grown."""
        if self.publisher is None:
            if not self.group.spans:
                return False
            self.publisher = self.kind.publisher(self.key)
        return self.publisher.update(self.group, found, at=self.here.now, silent=silent)

    def flush(self, found: Found) -> None:
        """Send what has grown."""
        if self.publisher is not None:
            self.publisher.flush(self.group, found, self.here.now)

    def ended(self, spans: int) -> None:
        """Forget the first ``spans``, which are over."""
        if self.publisher is not None:
            self.publisher.ended(spans)

    def settled(self, horizon_us: int) -> None:
        """Take as sent what had ended before ``horizon_us``."""
        if self.publisher is not None:
            self.publisher.settled(self.group, horizon_us)

    def touch(self) -> None:
        """Have the oldest episode sent with the next flush."""
        if self.publisher is not None:
            self.publisher.touch()


class Saved(msgspec.Struct, frozen=True, array_like=True):
    """What a later start needs besides the log, to go on as if there had been no stop.

    ``us`` is ``Now.us``; ``results`` are the horizons of results; ``begun`` is when the episodes
    began that were open and partly final: rule, organisation, group, first moment.
    """

    us: int
    streams: SavedStreams
    results: dict[str, int]
    begun: list[tuple[str, str, tuple[str, ...], int]]


@dataclass(slots=True)
class Place:
    """One partition; ``silent`` while state is built for which alerts were sent before."""

    streams: Streams
    heard_us: int
    now: Now = field(default_factory=lambda: Now(0, 0))
    silent: bool = False
    results: dict[str, int] = field(default_factory=dict)
    groups: dict[Key, Kept] = field(default_factory=dict)
    lanes: dict[tuple[Key, str], Kept] = field(default_factory=dict)
    _begun: dict[Key, int] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def hear(self, heard_us: int) -> None:
        """Go on to the next message of the log."""
        self.heard_us = max(heard_us, self.heard_us)
        if not self.silent:
            self.now = self.now._replace(us=max(heard_us, self.now.us + _REVISIONS))

    def restore(self, saved: Saved) -> None:
        """Build the state of an earlier start: silently, by reading once more."""
        self.now = Now(saved.us, 0)
        self.streams.restore(saved.streams)
        self.results.update(saved.results)
        self._begun = {(rule, org, group): us for rule, org, group, us in saved.begun}

    def resume(self, offset: int) -> None:
        """Go on where the earlier start stopped: what lies before ``offset`` it had read."""
        self.silent, self._begun = False, {}
        self.now = self.now._replace(since_offset=offset)

    def save(self) -> Saved:
        """Return what a later start needs besides the log."""
        begun = [(*key, us) for key, us in self._begun.items()] or [
            (*kept.key, kept.group.prior.first_us)
            for kept in self.groups.values()
            if kept.group.prior is not None
        ]
        return Saved(self.now.us, self.streams.saved(), dict(self.results), begun[:_BEGUN_MAX])

    def base_us(self, key: Key, lane: str) -> int:
        """Return before which moment a new group looks at nothing."""
        return self._begun.get(key, BEGINNING_US) if self._begun and not lane else BEGINNING_US

    def horizon(self, kind: Kind, organization: str) -> int:
        """Return the event time before which nothing on time can come for a group."""
        events_us = self.streams.horizon(organization)
        if kind.trailing_us is None:
            return events_us
        results_us = self.results.get(organization, BEGINNING_US) - kind.trailing_us
        # A correlation that rests on results alone has no streams of its own.
        return min(results_us, events_us) if events_us != BEGINNING_US else results_us

    def __iter__(self) -> Iterator[Kept]:
        yield from self.groups.values()
        yield from self.lanes.values()

    def __len__(self) -> int:
        return len(self.groups) + len(self.lanes)

    def shared(self, stream: str) -> str:
        """Return the one copy of a stream's name."""
        if len(self._names) > _NAMES_MAX:
            self._names.clear()
        return self._names.setdefault(stream, stream)

    def drop(self, kept: Kept) -> None:
        """Forget a group."""
        if kept.lane:
            del self.lanes[kept.key, kept.lane]
        else:
            del self.groups[kept.key]
