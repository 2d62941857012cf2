"""What a change of content would have found in the archive, beside what runs now."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from enrich.first_seen import COLUMN as FIRST_SEEN
from ingest.again import Again
from luytre.audit.canonical import stamp
from luytre.review.compare import Compared, Difference, compare
from luytre.review.events import ROWS_MAX, Span, datasets_of, rows_of, stretches
from luytre.review.job import Job, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from luytre.core.actor import Actor
    from luytre.core.alert import Alert
    from luytre.core.batch import LogSource, Part
    from luytre.core.matches import Match
    from luytre.core.organization import Scope
    from luytre.review.compare import Find, Group, Kind
    from luytre.review.events import Events, Stretch
    from luytre.review.side import Side, Sides

FORMAT = 1
"""Of the job's file and of what is compared: another one begins anew."""


class Line(NamedTuple):
    """What one rule does in one organisation: alerts before and after, and how they differ.

    ``hidden`` are the hits that filters hide after the change.
    """

    rule: str
    title: str
    level: str
    organization: str
    before: int
    after: int
    gained: int
    lost: int
    level_changed: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a backtest came to. Times are texts in UTC.

    ``events`` were received in the span; ``judged`` of them are of log sources that the rules that
    differ are about. ``otherwise`` are read as another part than they were archived as;
    ``unreadable`` cannot be read any more, ``failed`` not be judged. ``spent_s`` is processor time.
    """

    key: str
    digest_before: str
    digest_after: str
    since: str
    until: str
    finished: bool
    events: int
    judged: int
    otherwise: int
    unreadable: int
    failed: int
    gained: int
    lost: int
    level_changed: int
    lines: Sequence[Line]
    spent_s: Mapping[str, float]
    wall_s: float
    faults: Sequence[str]

    @property
    def events_per_s(self) -> float:
        """Events judged in a second of processor time, reading and decoding included."""
        total_s = sum(self.spent_s.values())
        return self.judged / total_s if total_s else 0.0

    def engine_events_per_s(self, side: str) -> float:
        """Events judged in a second of processor time by the engine of a side alone."""
        return self.judged / self.spent_s[side] if self.spent_s.get(side) else 0.0


Progress = Callable[[int, int], None]
"""Is told how many events are done, and how many there are."""


class Backtest:
    """One question to the archive: what differs between two sides in a span.

    Its state lies below ``folder``, under the digests of both sides: asked again, it goes on where
    it was stopped or killed, and once it is done it answers at once.
    """

    def __init__(
        self,
        events: Events,
        sides: Sides,
        folder: Path,
        actor: Actor,
        span: Span,
        *,
        scope: Scope | None = None,
        rows_max: int = ROWS_MAX,
        find: Find | None = None,
    ) -> None:
        """Prepare it; ``find`` takes what only the side after finds, stretch by stretch.

        Raises ``Forbidden`` for who may not read, or not propose content.
        """
        actor.require("read")
        # Who runs active content back over the archive proposes none: it is our loop.
        if find is None:
            actor.require("content.propose")
        self._scope = actor.scope if scope is None else actor.within(scope)
        self._events, self._sides, self._span = events, sides, span
        self._rows_max, self._find = rows_max, find
        names = self._scope.organizations
        seen = "all" if names is None else ",".join(sorted(names))
        digests = sides.before.digest, sides.after.digest
        self.key = key_of(FORMAT, *digests, *map(stamp, span), seen, rows_max, find is not None)
        self.job = Job(folder, self.key)

    def run(
        self, progress: Progress = lambda _done, _all: None, stopped: Callable[[], bool] = bool
    ) -> Report:
        """Work until done or ``stopped``, and return what was found so far.

        Raises:
            Refused: another process works on the same question.
            NeighbourError: the archive or the disk fails; it can go on later.
        """
        with self.job.alone():
            if not self.job.fact("finished"):
                self._work(progress, stopped)
        return self.report()

    def _work(self, progress: Progress, stopped: Callable[[], bool]) -> None:
        self._begin()
        progress(*self.job.progress())
        for number, stretch in self.job.left():
            if stopped():
                return
            self._stretch(number, stretch)
            progress(*self.job.progress())
        self._correlate()

    def _begin(self) -> None:
        if self.job.fact("began"):
            return
        found, total = datasets_of(self._events, self._scope, self._span, self._concerns)
        pieces = stretches(self._events, self._scope, self._span, found, self._rows_max)
        self.job.begin(pieces, datasets=found, total=total)

    def _concerns(self, logsources: Sequence[LogSource]) -> bool:
        sides = (self._sides.before, self._sides.after)
        # Who asks what was first seen must have seen all of it.
        if any(atom.field == FIRST_SEEN for side in sides for atom in side.plan.atoms):
            return True
        return any(
            rule.logsource.covers(logsource)
            for side in sides
            for rule in side.plan.rules
            for logsource in logsources
        )

    def _stretch(self, number: int, stretch: Stretch) -> None:
        began_s = time.monotonic()
        compared = Compared()
        with compared.timed("read"):
            rows = rows_of(self._events, self._scope, stretch, self.job.fact("datasets"))
        with compared.timed("decode"):
            again = Again(self._needed)(rows)
        for batch in again.batches:
            compare(self._sides, batch, compared, self._find)
        compared.otherwise, compared.unreadable = again.otherwise, again.unreadable
        compared.wall_s = time.monotonic() - began_s
        # Enrichment first: what it has seen of a stretch that is done again is known by event ids.
        self._sides.before.checkpoint()
        if not self._sides.shared:
            self._sides.after.checkpoint()
        self.job.add(compared, number)

    def _needed(self, part: Part) -> frozenset[str]:
        return self._sides.before.needed(part) | self._sides.after.needed(part)

    def _correlate(self) -> None:
        compared = Compared()
        before = _episodes(self._sides.before, self.job.matches("before"), compared)
        after = _episodes(self._sides.after, self.job.matches("after"), compared)
        compared.before.update((a.rule.id, a.organization_id) for a in before.values())
        compared.after.update((a.rule.id, a.organization_id) for a in after.values())
        if self._find is not None:
            self._find.alerts([after[each] for each in sorted(after.keys() - before.keys())])
        for episode in sorted(before.keys() | after.keys()):
            old, new = before.get(episode), after.get(episode)
            shown = new or old
            assert shown is not None
            if old is None or new is None or old.rule.level != new.rule.level:
                kind: Kind = "gained" if old is None else "lost" if new is None else "level"
                compared.differences.append(
                    Difference(
                        episode,
                        kind,
                        shown.organization_id,
                        shown.rule.id,
                        shown.rule.title,
                        shown.rule.level,
                        old.rule.level if old else "",
                        stamp(shown.seen_at or shown.ingested_at),
                        shown.event_id,
                    )
                )
        self.job.add(compared)

    def report(self) -> Report:
        """Return what was found so far."""
        job, kinds = self.job, self.job.kinds()
        totals = {kind: sum(n for (*_, k), n in kinds.items() if k == kind) for kind in _KINDS}
        sides = (self._sides.before, self._sides.after)
        return Report(
            key=self.key,
            digest_before=sides[0].digest,
            digest_after=sides[1].digest,
            since=stamp(self._span.since),
            until=stamp(self._span.until),
            finished=bool(job.fact("finished")),
            events=job.fact("total") or 0,
            judged=job.fact("events") or 0,
            otherwise=job.fact("otherwise") or 0,
            unreadable=job.fact("unreadable") or 0,
            failed=job.fact("failed") or 0,
            gained=totals["gained"],
            lost=totals["lost"],
            level_changed=totals["level"],
            lines=self._lines(kinds),
            spent_s=job.spent_s(),
            wall_s=job.fact("wall_s") or 0.0,
            faults=tuple(str(fault) for fault in sides[1].faults),
        )

    def _lines(self, kinds: Mapping[tuple[str, str, str], int]) -> list[Line]:
        counts: Mapping[Group, tuple[int, int, int]] = self.job.counts()
        known: dict[str, tuple[str, str]] = {}
        for side in (self._sides.before, self._sides.after):
            cards = [rule.card for rule in side.plan.rules]
            cards += [correlation.card for correlation in side.plan.correlations]
            known.update((card.id, (card.title, card.level)) for card in cards)
        groups = {*counts, *((rule, organization) for rule, organization, _ in kinds)}
        lines = []
        for rule, organization in groups:
            before, after, hidden = counts.get((rule, organization), (0, 0, 0))
            gained, lost, level_changed = (kinds.get((rule, organization, k), 0) for k in _KINDS)
            lines.append(
                Line(
                    rule,
                    *known[rule],
                    organization,
                    before,
                    after,
                    gained,
                    lost,
                    level_changed,
                    hidden,
                )
            )
        return sorted(lines, key=lambda each: (-each.gained - each.lost, each.title, each[3]))


_KINDS = ("gained", "lost", "level")


def _episodes(side: Side, matches: Sequence[Match], compared: Compared) -> dict[str, Alert]:
    if not matches:
        return {}
    with compared.timed("correlate"):
        return {alert.episode or alert.id: alert for alert in side.correlate(matches)}
