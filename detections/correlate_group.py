"""One group of one correlation: its matches in time, and the runs of windows in which it fires."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Final

from detections.correlate_episode import (
    BEGINNING_US,
    EPISODE_US,
    LISTED_MAX,
    NEVER_US,
    Episode,
    Folded,
    Span,
    folded,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from detections.correlate_bounds import Exact
    from detections.correlate_episode import Entry
    from detections.correlate_windows import Make, Read, Window
    from luytre.core.matches import Match

# Most groups never fire: what they would need for it is only made when they do. Nothing is ever
# put into these shared lists.
_NO_SPANS: Final[list[Span]] = []
_NO_FIRES: Final[list[tuple[int, Exact]]] = []
_NOTHING: Final[tuple[int, Span | None]] = (0, None)


class Measure:
    """What all groups of one correlation share.

    Firing moments less than ``timespan_us`` apart are one episode, which lasts ``longest_us``.
    """

    __slots__ = ("longest_us", "read", "timespan_us", "window")

    def __init__(self, timespan_us: int, read: Read, window: Make) -> None:
        self.timespan_us, self.read, self.window = timespan_us, read, window
        self.longest_us = max(EPISODE_US, timespan_us)


class Group:
    """The matches of one key that may still matter, and the spans they make.

    A window ends at each moment of a match and reaches back ``timespan_us``, its start excluded.
    Moments before ``base_us`` are final: what they showed stays in the spans before it.
    """

    __slots__ = (
        "_again", "_fires", "_ids", "_low", "_measure", "_moment", "_moment_at", "_reached",
        "_revised", "_stale_us", "_undo", "_window", "base_us", "changed", "entries", "folded",
        "grew", "lossy", "prior", "replaced", "spans", "timespan_us",
    )  # fmt: skip

    def __init__(self, measure: Measure, base_us: int = BEGINNING_US) -> None:
        self._measure = measure
        self.timespan_us = measure.timespan_us
        self.entries: list[Entry] = []
        self._ids: dict[str, Entry] | None = None
        self.base_us = base_us
        self.prior: Span | None = None
        self.folded: Folded | None = None
        self.lossy = self._revised = self.replaced = False
        self._reset()

    def _reset(self) -> None:
        self._window = self._fresh()
        self._low = self._reached = self._moment_at = 0
        self._moment = BEGINNING_US
        self._undo = _NOTHING
        self._fires = _NO_FIRES
        self._again = self.grew = False
        self._stale_us = NEVER_US
        self.spans = _NO_SPANS if self.prior is None else [self.prior]
        self.changed = 0

    def _fresh(self) -> Window:
        return self._measure.window()

    def add(self, match: Match, offset: int) -> bool:
        """Take a match in and tell whether it says anything new; ``scan`` draws the consequences.

        A match that is known counts once; of two revisions of one result the higher one counts.
        """
        known = self._known(match.event_id)
        if known is not None:
            if match.revision <= known[2].revision:
                return False
            self._remove(known)
        entry = (match.time_us, match.event_id, match, offset, self._measure.read(match))
        if self._ids is None and (self.entries or match.withdrawn):
            self._ids = {entry[1]: entry for entry in self.entries}
        if self._ids is not None:
            self._ids[match.event_id] = entry
        if match.revision:
            self._revised = True
        if match.withdrawn:
            return known is not None
        self._insert(entry)
        return True

    def _known(self, event_id: str) -> Entry | None:
        # A group of one match, as most are, has no table of its ids.
        if self._ids is not None:
            return self._ids.get(event_id)
        return next((entry for entry in self.entries if entry[1] == event_id), None)

    def _remove(self, entry: Entry) -> None:
        if not entry[2].withdrawn:
            del self.entries[bisect_left(self.entries, entry[:2])]
            self.replaced = True
            self._stale_us = min(self._stale_us, entry[0])

    def _insert(self, entry: Entry) -> None:
        entries, time_us = self.entries, entry[0]
        if not entries or time_us > entries[-1][0]:
            entries.append(entry)
        else:
            insort(entries, entry)
        if time_us < self._moment:
            self._stale_us = min(self._stale_us, time_us)
        elif time_us == self._moment and self._stale_us == NEVER_US:
            self._window.enter(entry[2], entry[4])
            self._reached += 1
            self._again = True

    def scan(self) -> None:
        """Bring ``spans`` up to date; those before ``changed`` are as they were.

        ``grew`` tells that the last span may have got longer, and that nothing else has changed;
        ``replaced``, until it is taken back, that a match has another time or was withdrawn.
        """
        self.grew = False
        before = len(self.spans)
        if self._stale_us < self.base_us:
            self._reset()
        elif self._stale_us != NEVER_US:
            self._rewind(self._stale_us)
        else:
            self.changed = before - 1 if before else 0
            self.grew = not self._again
        if self._again:
            self._again = False
            if self._moment >= self.base_us:
                self._take_back()
                self._evaluate(self._moment, self._reached)
        self._advance(len(self.entries))
        if len(self.spans) != before:
            self.grew = False

    def _rewind(self, since_us: int) -> None:
        """Go back to before the moment ``since_us``: what came before it is as it was."""
        length, last = self._before(since_us)
        del self.spans[length:]
        if last is not None:
            self.spans[length - 1] = last
        del self._fires[bisect_left(self._fires, (since_us,)) :]
        self.changed = max(0, length - 1)
        self._window = self._fresh()
        self._again, self._stale_us = False, NEVER_US
        entries, reached = self.entries, bisect_left(self.entries, (since_us,))
        self._moment = entries[reached - 1][0] if reached else BEGINNING_US
        self._low = bisect_left(entries, (self._moment - self.timespan_us + 1,))
        for entry in entries[self._low : reached]:
            self._window.enter(entry[2], entry[4])
        self._reached = reached
        self._moment_at = bisect_left(entries, (self._moment,))
        self._undo = self._before(self._moment)

    def _before(self, moment: int) -> tuple[int, Span | None]:
        """Return how many spans there were before a moment, and the last of them as it was."""
        length = bisect_left(self.spans, (moment,))
        return length, self._as_of(self.spans[length - 1], moment) if length else None

    def _take_back(self) -> None:
        """Forget what the last moment showed."""
        length, last = self._undo
        del self.spans[length:]
        if last is not None and length > 0:
            self.spans[length - 1] = last
        if self._fires and self._fires[-1][0] == self._moment:
            del self._fires[-1]
        self.changed = max(0, min(self.changed, length - 1))

    def _advance(self, end: int) -> None:
        # One turn a moment, about a microsecond each: windows of Polars would be computed anew.
        entries, window, timespan_us = self.entries, self._window, self.timespan_us
        tracks, reached, low = window.tracks, self._reached, self._low
        while reached < end:
            at = reached
            moment = entries[at][0]
            while reached < end and entries[reached][0] == moment:
                if tracks:
                    window.enter(entries[reached][2], entries[reached][4])
                reached += 1
            while entries[low][0] <= moment - timespan_us:
                if tracks:
                    window.leave(entries[low][2], entries[low][4])
                low += 1
            self._low, self._reached = low, reached
            self._moment, self._moment_at = moment, at
            if moment >= self.base_us:
                spans = self.spans
                self._undo = (len(spans), spans[-1]) if spans else _NOTHING
                self._evaluate(moment, reached)

    def _evaluate(self, moment: int, reached: int) -> None:
        newest: Sequence[object] = ()
        if self._window.reads_newest:
            newest = [entry[4] for entry in self.entries[self._moment_at : reached]]
        measured = self._window.fires(reached - self._low, newest)
        if measured is None:
            return
        if self._fires:
            self._fires.append((moment, measured))
        else:
            self._fires = [(moment, measured)]
        last = self.spans[-1] if self.spans else None
        if last is None:
            self.spans = [Span(moment, moment, measured)]
        elif self._continues(last, moment):
            self.spans[-1] = Span(last.first_us, moment, measured)
        else:
            self.spans.append(Span(moment, moment, measured))

    def _continues(self, span: Span, moment: int) -> bool:
        overlaps = moment - span.last_us < self.timespan_us
        return overlaps and moment - span.first_us < self._measure.longest_us

    def first(self, span: Span) -> Match:
        """Return the first match of a span: what its identity rests on."""
        if self.folded is not None and span.first_us == self.folded_first_us():
            return self.folded.listed[0]
        return self.entries[self._start(span)][2]

    def first_offset(self, span: Span) -> int:
        """Return the offset of the first match of a span, or one before it."""
        if self.folded is not None and span.first_us == self.folded_first_us():
            return self.folded.offset
        return self.entries[self._start(span)][3]

    def folded_first_us(self) -> int | None:
        """Return the start of the span that has folded matches."""
        return None if self.prior is None or self.folded is None else self.prior.first_us

    def _start(self, span: Span) -> int:
        return bisect_left(self.entries, (span.first_us - self.timespan_us + 1,))

    def size(self, span: Span) -> int:
        """Return how many matches a span has."""
        end = bisect_left(self.entries, (span.last_us + 1,))
        kept = self._folded_of(span)
        return end - self._start(span) + (kept.size if kept else 0)

    @property
    def most(self) -> int:
        """What the size of no span can be above."""
        return len(self.entries) + (self.folded.size if self.folded else 0)

    def _folded_of(self, span: Span) -> Folded | None:
        return self.folded if span.first_us == self.folded_first_us() else None

    def _withdrawn(self) -> list[Entry]:
        if self._ids is None or len(self._ids) == len(self.entries):
            return []
        return [entry for entry in self._ids.values() if entry[2].withdrawn]

    def episode(self, span: Span) -> Episode:
        """Return a span with its matches."""
        start = self._start(span)
        kept = self._folded_of(span)
        listed = kept.listed if kept else ()
        end = min(start + LISTED_MAX - len(listed), bisect_left(self.entries, (span.last_us + 1,)))
        listed += tuple(entry[2] for entry in self.entries[start : max(start, end)])
        return Episode(span, self.size(span), listed, self.lossy)

    def carried(self, span: Span) -> dict[tuple[str, ...], None]:
        """Return the distinct carried values of a span's matches, the first ones first."""
        kept = self._folded_of(span)
        found = dict(kept.carried) if kept else {}
        end = bisect_left(self.entries, (span.last_us + 1,))
        for entry in self.entries[self._start(span) : end]:
            found[entry[2].carried] = None
            if len(found) >= LISTED_MAX:
                break
        return found

    def expire(self, horizon_us: int) -> int:
        """Make all before ``horizon_us`` final, keep what later windows need; return what ended.

        That is the number of ``spans``, from the front, that are over and gone. Kept is a timespan
        more than windows look back: whoever builds the state anew must also see that what fired
        last before the horizon did not fire before.
        """
        return self._cut(horizon_us, horizon_us - 2 * self.timespan_us)

    def fold(self) -> int:
        """Forget the older half, though windows still hold it: a storm; returns as ``expire``."""
        first, middle = self.entries[0][0], self.entries[len(self.entries) // 2][0]
        self.lossy = True
        # What was shown stays as it is: later windows would see too little of these moments.
        return self._cut(self.entries[-1][0] + 1, max(middle - 1, first))

    def closed(self, span: Span, horizon_us: int) -> bool:
        """Tell whether no match from ``horizon_us`` on can belong to a span."""
        return span.last_us + self.timespan_us <= horizon_us

    def _cut(self, base_us: int, cut_us: int) -> int:
        begun, last = self._before(base_us)
        stays = last is not None and self._continues(last, base_us)
        ended = begun - stays
        gone = bisect_left(self.entries, (cut_us + 1,))
        self._fold_into(last if stays else None, gone)
        self._let_go(gone, cut_us)
        self.prior = last if stays else None
        self.base_us = max(self.base_us, base_us)
        del self._fires[: bisect_left(self._fires, (base_us,))]
        if gone <= self._low:
            self._shift(gone, ended)
        else:
            self._reset()
            self.scan()
        return ended

    def _as_of(self, span: Span, base_us: int) -> Span:
        """Return a span as it was before the moment ``base_us``."""
        if span.last_us < base_us:
            return span
        at = bisect_left(self._fires, (base_us,)) - 1
        if at < 0 or self._fires[at][0] < span.first_us:
            assert self.prior is not None  # it fired before the base only
            return self.prior
        return Span(span.first_us, *self._fires[at])

    def _let_go(self, gone: int, cut_us: int) -> None:
        over = [entry for entry in self._withdrawn() if entry[0] <= cut_us]
        if self._ids is not None:
            for entry in (*over, *self.entries[:gone]):
                del self._ids[entry[1]]
        del self.entries[:gone]

    def _shift(self, gone: int, ended: int) -> None:
        """Go on as before without what had left the window."""
        self._low -= gone
        self._reached -= gone
        self._moment_at -= gone
        del self.spans[:ended]
        length, last = self._undo
        self._undo = (length - ended, last)
        self.changed = 0

    def _fold_into(self, span: Span | None, gone: int) -> None:
        old = None if span is None else self._folded_of(span)
        leaving = [] if span is None else self.entries[self._start(span) : gone]
        self.folded = folded(old, leaving) if leaving else old

    def count_only(self) -> bool:
        """Count a match that came into what is folded, if there is anything it belongs to."""
        if self.folded is None:
            return False
        self.folded = self.folded._replace(size=self.folded.size + 1)
        return True

    @property
    def _all(self) -> Iterable[Entry]:
        return self.entries if self._ids is None else self._ids.values()

    @property
    def offset(self) -> int | None:
        """The lowest offset of the log that this state rests on; None if it rests on nothing."""
        offset = min([entry[3] for entry in self._all], default=None)
        if self.folded is None:
            return offset
        return self.folded.offset if offset is None else min(offset, self.folded.offset)

    def due(self, horizon_us: int) -> bool:
        """Tell whether ``expire`` would let something go."""
        if self.entries and not self._revised:
            oldest_us = self.entries[0][0]
        else:
            prior_us = BEGINNING_US if self.prior is None else self.prior.last_us
            oldest_us = min((entry[0] for entry in self._all), default=prior_us)
        return oldest_us <= horizon_us - self.timespan_us

    @property
    def weight(self) -> int:
        """What this takes of memory, in matches."""
        return len(self.entries)

    @property
    def empty(self) -> bool:
        """Whether nothing is left that a later match could meet."""
        return not self.entries and not self._ids and self.prior is None
