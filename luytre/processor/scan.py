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

    from luytre.core.alert import Matcher
    from luytre.core.batch import Batch, Stage
    from luytre.core.clock import Clock


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
    """Runs messages through intake, stages and rules, in batches of bounded size."""

    def __init__(
        self,
        intake: Callable[[Sequence[Record]], list[Batch]],
        stages: Sequence[Stage],
        matcher: Matcher,
        clock: Clock,
    ) -> None:
        self._intake, self._stages, self._matcher, self._clock = intake, stages, matcher, clock
        self._known: set[str] = set()
        self.scanned = Scanned()

    def run(self, messages: Iterable[Message]) -> Iterator[Found]:
        """Yield what each batch of messages gives."""
        for records in portions(self._records(messages)):
            alerts: list[Alert] = []
            rejects: list[pl.DataFrame] = []
            for batch in self._intake(records):
                for stage in self._stages:
                    batch = stage(batch)  # noqa: PLW2901 - a batch flows through its stages
                self._count(batch)
                if batch.rejects.height:
                    rejects.append(batch.rejects)
                if batch.events.height:
                    alerts.extend(self._new(self._matcher(batch)))
            yield Found(alerts, rejects)

    def _records(self, messages: Iterable[Message]) -> Iterator[Record]:
        now = self._clock.now()
        return (Record("scan", 0, n, now, message) for n, message in enumerate(messages))

    def _count(self, batch: Batch) -> None:
        self.scanned.events += batch.events.height
        self.scanned.rejects += batch.rejects.height
        self.scanned.reasons.update(batch.rejects["error.message"].to_list())

    def _new(self, alerts: Sequence[Alert]) -> Iterator[Alert]:
        for alert in alerts:
            if alert.id not in self._known:
                self._known.add(alert.id)
                self.scanned.alerts += 1
                self.scanned.by_rule[(alert.rule.title, alert.rule.level)] += 1
                yield alert
