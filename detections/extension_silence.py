"""A group that fires for what does not come: gaps of at least a timespan between its matches.

A gap that has ended is known by the matches on both sides. One that still lasts needs a clock, and
that is a match too: a *tick*, written into the log when the time was up, so that whoever reads the
log again comes to the same.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from detections.correlate_episode import BEGINNING_US, NEVER_US, SECOND_US, Episode, Span
from luytre.core.matches import RESULT, Match

if TYPE_CHECKING:
    from detections.correlate_alerts import Key
    from detections.correlate_episode import Entry
    from detections.correlate_group import Measure

CLOCK = f"{RESULT}clock"
"""The stream of ticks: they are never late."""

_GIVEN_UP_US = 31 * 86_400 * SECOND_US
"""What was silent for so long is forgotten, until it is heard again."""


class SilenceGroup:
    """The matches of one key, and the gaps between them; it is used as a ``Group`` is."""

    __slots__ = (
        "_clock_us", "_cut_off", "_ids", "_open", "_told", "_touched_us", "base_us", "changed",
        "entries", "grew", "lossy", "prior", "replaced", "spans", "timespan_us",
    )  # fmt: skip

    def __init__(self, measure: Measure, _base_us: int = BEGINNING_US) -> None:
        self.timespan_us = measure.timespan_us
        self.base_us = BEGINNING_US  # a match that fills a gap is never apart from it
        self.entries: list[Entry] = []
        self.spans: list[Span] = []
        self.prior: Span | None = None
        self.lossy = self.grew = self.replaced = self._cut_off = self._open = False
        self.changed = 0
        self._ids: dict[str, None] = {}
        self._clock_us, self._touched_us = BEGINNING_US, NEVER_US
        self._told = ""

    def add(self, match: Match, offset: int) -> bool:
        """Take a match or a tick in and tell whether it says anything new."""
        if match.stream == CLOCK:
            known_us, self._clock_us = self._clock_us, max(self._clock_us, match.time_us)
            self._touched_us = min(self._touched_us, match.time_us)
            return self._clock_us > known_us
        if match.event_id in self._ids or match.time_us < self._final_us:
            return False
        self._ids[match.event_id] = None
        insort(self.entries, (match.time_us, match.event_id, match, offset, None))
        # Of several at one time the one with the lowest id is beside the gap.
        self.replaced |= self.entries[-1][1] != match.event_id
        self._touched_us = min(self._touched_us, match.time_us)
        return True

    @property
    def _final_us(self) -> int:
        """Before the first match that is kept all is final."""
        return self.entries[0][0] if self.entries and self._cut_off else BEGINNING_US

    def scan(self) -> None:
        """Bring ``spans`` up to date; those before ``changed`` are as they were."""
        touched_us, self._touched_us = self._touched_us, NEVER_US
        ended = len(self.spans) - self._open
        self.changed = sum(span.last_us < touched_us for span in self.spans[:ended])
        times = [entry[0] for entry in self.entries]
        self.spans = [
            Span(since + self.timespan_us, until, (until - since) // SECOND_US)
            for since, until in itertools.pairwise(times)
            if until - since >= self.timespan_us
        ]
        self._open = bool(times) and self._clock_us >= times[-1] + self.timespan_us
        if self._open:
            since = times[-1] + self.timespan_us
            self.spans.append(Span(since, since, self.timespan_us // SECOND_US))

    def _last_before(self, span: Span) -> int:
        return bisect_left(self.entries, (span.first_us - self.timespan_us + 1,)) - 1

    def first(self, span: Span) -> Match:
        """Return the last match before a gap."""
        return self.entries[self._last_before(span)][2]

    def first_offset(self, span: Span) -> int:
        """Return the offset of the last match before a gap."""
        return self.entries[self._last_before(span)][3]

    def size(self, span: Span) -> int:
        """Return how many matches a gap is known by: one while it lasts, then two."""
        return len(self._listed(span))

    @property
    def most(self) -> int:
        """What the size of no gap can be above."""
        return 2

    def _listed(self, span: Span) -> tuple[Match, ...]:
        at = self._last_before(span)
        return tuple(entry[2] for entry in self.entries[at : at + 2])

    def episode(self, span: Span) -> Episode:
        """Return a gap with the matches on both sides of it."""
        return Episode(span, self.size(span), self._listed(span), self.lossy)

    def carried(self, span: Span) -> dict[tuple[str, ...], None]:
        """Return the carried values of the matches on both sides of a gap."""
        return dict.fromkeys(match.carried for match in self._listed(span))

    def closed(self, span: Span, horizon_us: int) -> bool:
        """Tell whether no match from ``horizon_us`` on can change a gap."""
        return self.size(span) == 2 and span.last_us <= horizon_us  # noqa: PLR2004 - both sides

    def due(self, horizon_us: int) -> bool:
        """Tell whether ``expire`` would let something go."""
        if not self.entries:
            return True
        first = self.entries[min(1, len(self.entries) - 1)][0]
        return first < horizon_us if len(self.entries) > 1 else first <= horizon_us - _GIVEN_UP_US

    def expire(self, horizon_us: int) -> int:
        """Let go what precedes the last match before ``horizon_us``; return how many gaps end."""
        kept = max(bisect_left(self.entries, (horizon_us,)) - 1, 0)
        if self.entries and self.entries[-1][0] <= horizon_us - _GIVEN_UP_US:
            kept = len(self.entries)
        return self._cut(kept)

    def fold(self) -> int:
        """Let go the older half: they are only there in case some come late."""
        self.lossy = True
        return self._cut(len(self.entries) // 2)

    def _cut(self, kept: int) -> int:
        for entry in self.entries[:kept]:
            del self._ids[entry[1]]
        del self.entries[:kept]
        before = len(self.spans)
        self._cut_off = (self._cut_off or kept > 0) and bool(self.entries)
        self.scan()
        return before - len(self.spans)

    def count_only(self) -> bool:
        """Nothing that came late is counted by itself."""
        return False

    @property
    def weight(self) -> int:
        """What this takes of memory, in matches."""
        return len(self.entries)

    @property
    def offset(self) -> int | None:
        """The lowest offset of the log that this state rests on; None if it rests on nothing."""
        return min([entry[3] for entry in self.entries], default=None)

    @property
    def empty(self) -> bool:
        """Whether nothing is left that a later match could meet."""
        return not self.entries

    def tick(self, key: Key, reached_us: int, deadline: int | None, late_us: int) -> Match | None:
        """Return a tick if the time is up and none was written yet.

        It is up when other streams of the organisation have come a timespan (and their lateness)
        further, ``reached_us``; or, where the log has been read to its end, when ``deadline``, the
        clock of this machine, is a timespan and ``late_us`` past the receipt of the last match.
        """
        if not self.entries:
            return None
        time_us, event_id, match, *_ = self.entries[-1]
        end_us = time_us + self.timespan_us
        if self._clock_us >= end_us or self._told == event_id:
            return None
        received_us = max(match.ingested_us, time_us)
        passed = deadline is not None and deadline >= received_us + self.timespan_us + late_us
        if reached_us < end_us and not passed:
            return None
        self._told = event_id
        return Match(*key, f"tick/{event_id}", end_us, end_us, CLOCK, (0,))
