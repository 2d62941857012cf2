"""How far each source has come in event time: what is late, and what can still arrive."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from detections.correlate_episode import BEGINNING_US, SECOND_US
from luytre.core.matches import RESULT

if TYPE_CHECKING:
    from luytre.core.matches import Match


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late matches may come, in seconds.

    A match is on time if its event is at most ``default_s`` older than the newest of its stream;
    ``by_stream`` has other values for the streams that begin with a text, the longest deciding.
    State waits for streams that were heard (by the log's clock) within ``silence_s``; one that
    was silent for longer no longer holds the others up, and is on time when it comes back.
    """

    default_s: float = 900
    by_stream: Mapping[str, float] = field(default_factory=dict)
    silence_s: float = 6 * 3_600

    def of(self, stream: str) -> int:
        """Return how late a stream's matches may be, in microseconds."""
        fitting = [start for start in self.by_stream if stream.startswith(start)]
        late_s = self.by_stream[max(fitting, key=len)] if fitting else self.default_s
        return int(late_s * SECOND_US)


Name = tuple[str, str]
"""An organisation and one of its streams."""


@dataclass(slots=True)
class _Stream:
    newest_us: int
    late_us: int
    heard_us: int


class Streams:
    """How far the streams of every organisation have come in one partition.

    Results of correlations are no streams of this kind: they are never late, and what waits for
    them waits for the events they are made of.
    """

    def __init__(self, lateness: Lateness) -> None:
        self._lateness = lateness
        self._streams: dict[Name, _Stream] = {}
        self._floors: dict[str, int] = {}

    def on_time(self, match: Match, heard_us: int, reached: Mapping[str, int] | None) -> bool:
        """Note a match that the log took at ``heard_us``, and tell whether it is on time.

        ``reached`` is how far its stream had come before the sender's batch, the pieces of which
        lie in the log in any order. One that is later than its stream may be still counts if
        nothing rests on its absence yet.
        """
        stream = self._streams.get((match.organization, match.stream))
        # A clock that is wrong, or an attacker's, must not make all that follows late.
        if reached is None:
            time_us = min(match.time_us, heard_us)
        else:
            time_us = min(reached.get(match.stream, match.time_us), heard_us)
        if stream is None:
            if not match.stream.startswith(RESULT):
                late_us = self._lateness.of(match.stream)
                name = match.organization, match.stream
                self._streams[name] = _Stream(time_us, late_us, heard_us)
            return True
        stream.heard_us = max(stream.heard_us, heard_us)
        stream.newest_us = max(stream.newest_us, time_us)
        return (
            match.time_us >= stream.newest_us - stream.late_us
            or match.time_us >= self._floors.get(match.organization, BEGINNING_US)
        )

    def heard(self, heard_us: int) -> set[Name]:
        """Return the streams that were heard not too long before ``heard_us``, the log's clock."""
        silent_us = heard_us - int(self._lateness.silence_s * SECOND_US)
        return {name for name, s in self._streams.items() if s.heard_us >= silent_us}

    def awaited(self, heard: Collection[Name]) -> Mapping[Name, int]:
        """Return before which time nothing on time can come of each stream that is waited for.

        Forgotten are those that are not in ``heard``: what was heard here or in other partitions.
        """
        self._streams = {name: s for name, s in self._streams.items() if name in heard}
        return {name: s.newest_us - s.late_us for name, s in self._streams.items()}

    def advance(self, awaited: Mapping[Name, int]) -> None:
        """Take over how far all organisations have come, by their streams here and elsewhere."""
        reached: dict[str, int] = {}
        for (organization, _), here_us in awaited.items():
            reached[organization] = min(here_us, reached.get(organization, here_us))
        for organization, reached_us in reached.items():
            known = self._floors.get(organization, BEGINNING_US)
            self._floors[organization] = max(known, reached_us)

    def horizon(self, organization: str) -> int:
        """Return the event time before which nothing on time can come, as of ``advance``."""
        return self._floors.get(organization, BEGINNING_US)

    def clocks(self) -> Mapping[str, int]:
        """Return of each organisation how far its foremost stream has come, by its lateness."""
        found: dict[str, int] = {}
        for (organization, _), stream in self._streams.items():
            here_us = stream.newest_us - stream.late_us
            found[organization] = max(here_us, found.get(organization, here_us))
        return found

    @property
    def floors(self) -> Mapping[str, int]:
        """The horizons of all organisations."""
        return self._floors

    def saved(self) -> SavedStreams:
        """Return what a later start goes on with."""
        streams = [(*name, s.newest_us, s.heard_us) for name, s in self._streams.items()]
        return SavedStreams(streams, dict(self._floors))

    def restore(self, saved: SavedStreams) -> None:
        """Go on where another start left off."""
        for organization, name, newest_us, heard_us in saved.streams:
            late_us = self._lateness.of(name)
            stream = self._streams.setdefault(
                (organization, name), _Stream(newest_us, late_us, heard_us)
            )
            stream.newest_us = max(stream.newest_us, newest_us)
            stream.heard_us = max(stream.heard_us, heard_us)
        for organization, floor_us in saved.floors.items():
            known = self._floors.get(organization, floor_us)
            self._floors[organization] = max(known, floor_us)


class SavedStreams(msgspec.Struct, frozen=True, array_like=True):
    """Organisation, stream, newest event, and last word of each stream; horizons."""

    streams: list[tuple[str, str, int, int]]
    floors: dict[str, int]
