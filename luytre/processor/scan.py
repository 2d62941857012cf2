"""One-shot detection over files: the same stages as the detect loop, without a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from luytre.core.alert import Alert
from luytre.core.message import Message, Record
from luytre.processor.portions import portions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from luytre.core.batch import Batch
    from luytre.core.clock import Clock
    from luytre.core.matches import Match
    from luytre.processor.judge import Judged


@dataclass(slots=True)
class Scanned:
    """What a scan has seen so far. ``events`` and ``rejects`` together are every input."""

    events: int = 0
    rejects: int = 0
    alerts: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    by_rule: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Found:
    """The alerts and rejects of some messages; an alert is given once."""

    alerts: Sequence[Alert]
    rejects: Sequence[pl.DataFrame]


class Scanner:
    """Runs messages through intake and rules, in batches of bounded size.

    What correlations wait for is kept until the end, and correlated in the order of event time.
    """

    def __init__(
        self,
        intake: Callable[[Sequence[Record]], list[Batch]],
        judge: Callable[[Batch], Iterator[Judged]],
        correlate: Callable[[Sequence[Match]], Sequence[Alert]],
        clock: Clock,
    ) -> None:
        self._intake, self._judge, self._correlate = intake, judge, correlate
        self._clock = clock
        self._known: set[str] = set()
        self._matches: list[Match] = []
        self.scanned = Scanned()

    def run(self, messages: Iterable[Message]) -> Iterator[Found]:
        """Yield what each batch of messages gives."""
        for records in portions(self._records(messages)):
            alerts: list[Alert] = []
            rejects: list[pl.DataFrame] = []
            for batch in self._intake(records):
                self._reject(batch.rejects, rejects)
                for judged in self._judge(batch) if batch.events.height else ():
                    self._reject(judged.rejects, rejects)
                    self.scanned.events += judged.events.height
                    alerts.extend(self._new(judged.alerts))
                    self._matches.extend(judged.matches)
            yield Found(alerts, rejects)
        if self._matches:
            yield Found(list(self._new(self._correlate(self._matches))), [])

    def _records(self, messages: Iterable[Message]) -> Iterator[Record]:
        now = self._clock.now()
        return (Record("scan", 0, n, now, message) for n, message in enumerate(messages))

    def _reject(self, frame: pl.DataFrame, rejects: list[pl.DataFrame]) -> None:
        if frame.height:
            rejects.append(frame)
            self.scanned.rejects += frame.height
            self.scanned.reasons.update(frame["error.message"].to_list())

    def _new(self, alerts: Sequence[Alert]) -> Iterator[Alert]:
        for alert in alerts:
            if alert.id not in self._known:
                self._known.add(alert.id)
                self.scanned.alerts += 1
                self.scanned.by_rule[(alert.rule.title, alert.rule.level)] += 1
                yield alert
