"""How far each source has come in event time: what is late, and what can still arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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


Source = tuple[str, bool]
"""An organisation, and whether its streams are results of correlations rather than events."""


@dataclass(slots=True)
class _Stream:
    newest_us: int
    late_us: int
    heard_us: int


class Streams:
    """The newest event time of every stream of every organisation."""

    def __init__(self, lateness: Lateness) -> None:
        self._lateness = lateness
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._floors: dict[Source, int] = {}

    def on_time(self, match: Match, heard_us: int) -> bool:
        """Note a match that the log took at ``heard_us``, and tell whether it is on time.

        One that is later than its stream may be still counts if nothing rests on its absence yet.
        """
        # A clock that is wrong, or an attacker's, must not make all that follows late.
        time_us = min(match.time_us, heard_us)
        stream = self._streams.get((match.organization, match.stream))
        if stream is None:
            self._add(match, time_us, heard_us)
            return True
        stream.heard_us = max(stream.heard_us, heard_us)
        if time_us >= stream.newest_us:
            stream.newest_us = time_us
            return True
        if match.time_us >= stream.newest_us - stream.late_us:
            return True
        if match.stream.startswith(RESULT):
            return True
        return match.time_us >= self._floors.get((match.organization, False), BEGINNING_US)

    def _add(self, match: Match, time_us: int, heard_us: int) -> None:
        stream = _Stream(time_us, self._lateness.of(match.stream), heard_us)
        self._streams[match.organization, match.stream] = stream

    def advance(self, heard_us: int) -> None:
        """Forget the streams that were silent for too long; ``heard_us`` is the log's clock."""
        silent_us = heard_us - int(self._lateness.silence_s * SECOND_US)
        reached: dict[Source, int] = {}
        for (organization, name), stream in list(self._streams.items()):
            if stream.heard_us < silent_us:
                del self._streams[organization, name]
                continue
            source = (organization, name.startswith(RESULT))
            here_us = stream.newest_us - stream.late_us
            reached[source] = min(here_us, reached.get(source, here_us))
        for source, reached_us in reached.items():
            self._floors[source] = max(self._floors.get(source, BEGINNING_US), reached_us)

    def horizon(self, organization: str, *, results_us: int | None = None) -> int:
        """Return the event time before which nothing on time can come, as of ``advance``.

        ``results_us``, given for correlations of correlations, is how far the results of those
        below may trail behind the events.
        """
        events_us = self._floors.get((organization, False), BEGINNING_US)
        if results_us is None:
            return events_us
        if events_us == BEGINNING_US:
            return self._floors.get((organization, True), BEGINNING_US)
        return min(events_us - results_us, self._floors.get((organization, True), events_us))
