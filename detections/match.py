"""The engine: what the rules of a plan say about a batch's events."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from detections.catalog import Catalog
from detections.explain import explain_tree, text_of
from detections.hiding import Hiding, Judged
from detections.program import Limits, Program
from detections.scope import KEYWORDS, ORIGINAL, TIME, Scopes
from luytre.core.alert import Alert, alert_id, hidden_id
from luytre.core.batch import Part
from luytre.core.collection import no_collection
from luytre.core.metrics import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from detections.hiding import Hidden
    from detections.plan import Plan
    from detections.program import Hit
    from detections.scope import Scope
    from detections.tree import Node
    from luytre.core.batch import Batch
    from luytre.core.clock import Clock

PROGRAMS_MAX = 1_024
Value = TypeVar("Value")
DEFAULT = Limits()


class Engine:
    """Matches every rule of a plan against batches.

    What is learnt of a part (which values there are, which triggers are rare) only changes how
    fast it is, and stays within ``limits``.
    """

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        versions: Callable[[], Mapping[str, str]] = dict,
        limits: Limits = DEFAULT,
    ) -> None:
        self._plan, self._clock, self._versions = plan, clock, versions
        self._limits = limits
        self._made, self._catalog = Scopes(plan), Catalog(plan.atoms)
        self._hiding = Hiding(plan, self._catalog)
        self._scopes: OrderedDict[Part, Scope] = OrderedDict()
        self._programs: OrderedDict[Part, Program] = OrderedDict()
        self._trees: dict[int, Node] = {}
        self.spent_bytes = 0

    def __call__(self, batch: Batch) -> list[Alert]:
        """Return an alert for every hit that no filter hides."""
        return self.alerts(batch, self.hits(batch))

    def alerts(self, batch: Batch, hits: Sequence[Hit]) -> list[Alert]:
        """Return the alerts of some hits of a batch, hidden ones too if they are given."""
        if not hits:
            return []
        versions = {**self._versions(), "rules": self._plan.digest}
        now = self._clock.now()
        return [self._alert(batch, hit, now, versions) for hit in hits]

    def hidden(self, batch: Batch, hidden: Sequence[Hidden]) -> list[Alert]:
        """Return some hits that filters hide, as documents that say which filters."""
        filters = self._plan.filters
        found = self.alerts(batch, [(each.row, each.rule) for each in hidden])
        return [
            replace(
                alert,
                id=hidden_id(alert.rule.id, alert.event_id),
                hidden_by=tuple(filters[number].id for number in each.filters),
            )
            for alert, each in zip(found, hidden, strict=True)
        ]

    def hits(self, batch: Batch) -> list[Hit]:
        """Return every (row, rule number of the plan) that no filter hides, in this order."""
        return self.judged(batch).hits

    def judged(self, batch: Batch) -> Judged:
        """Return the hits of a batch, and apart from them those that filters hide."""
        hits = self._unfiltered(batch)
        if not hits or not self._plan.filters:
            return Judged(hits, [])
        judged = self._hiding.judge(batch, hits)
        counted = Counter(number for hidden in judged.hidden for number in hidden.filters)
        for number, count in counted.items():
            HIDDEN.labels(self._plan.filters[number].id).inc(count)
        return judged

    def _unfiltered(self, batch: Batch) -> list[Hit]:
        program = self._program(batch.part)
        before = program.spent_bytes
        with no_collection():
            hits = program.hits(batch)
        self.spent_bytes += program.spent_bytes - before
        if self.spent_bytes > self._limits.spent_bytes:
            self._bound()
        return hits

    def needed(self, part: object) -> frozenset[str]:
        """Return the columns of a part that its rules read, besides those of every batch."""
        assert isinstance(part, Part)
        scope = self._scope(part)
        hiding = self._hiding.columns(part) if scope.trees else frozenset()
        return (frozenset(scope.columns) | hiding) - {KEYWORDS, TIME}

    def _scope(self, part: Part) -> Scope:
        return _recent(self._scopes, part, lambda: self._made.scope(part))

    def _program(self, part: Part) -> Program:
        return _recent(
            self._programs,
            part,
            lambda: Program(self._scope(part), self._catalog, self._limits),
        )

    def _bound(self) -> None:
        """Let the parts that were not seen for longest forget, until half is free."""
        left = self._limits.spent_bytes // 2
        for program in reversed(self._programs.values()):
            left -= program.spent_bytes
            if left < 0:
                program.forget()
        self.spent_bytes = sum(program.spent_bytes for program in self._programs.values())

    def _alert(self, batch: Batch, hit: Hit, now: datetime, versions: Mapping[str, str]) -> Alert:
        row, rule = hit
        card = self._plan.rules[rule].card
        cells = batch.events.row(row, named=True)
        if rule not in self._trees:
            self._trees[rule] = self._plan.condition(rule)
        explained = explain_tree(card.id, self._trees[rule], batch, row)
        event = {
            name: text_of(cell)
            for name, cell in {**batch.part.constants, **cells}.items()
            if cell is not None and name != ORIGINAL
        }
        return Alert(
            id=alert_id(card.id, cells["event.id"]),
            rule=card,
            event_id=cells["event.id"],
            organization_id=cells["organization.id"],
            seen_at=cells["@timestamp"],
            ingested_at=cells["event.ingested"],
            detected_at=now,
            part=batch.part.name,
            reasons=explained.reasons(),
            event=event,
            original=cells[ORIGINAL],
            versions=versions,
        )


def _recent(kept: OrderedDict[Part, Value], part: Part, make: Callable[[], Value]) -> Value:
    """Return what is kept for a part, or make it; the least recently asked for goes."""
    if part not in kept:
        kept[part] = make()
        if len(kept) > PROGRAMS_MAX:
            kept.popitem(last=False)
    kept.move_to_end(part)
    return kept[part]
