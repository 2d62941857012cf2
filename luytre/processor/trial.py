"""Content wired to be tried on events that were archived, beside what runs now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import enrich
from detections.difference import differing
from luytre.core.clock import SystemClock
from luytre.core.config import Config
from luytre.processor.content import Content, exist, plan_rules, wired
from luytre.processor.correlate_once import correlate_once
from luytre.processor.source import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detections.match import Engine
    from detections.plan import Plan
    from detections.plan_cache import Loaded
    from detections.program import Hit
    from enrich import Enrichment
    from luytre.core.alert import Alert
    from luytre.core.batch import Batch, Part
    from luytre.core.errors import Fault
    from luytre.core.matches import Match


class Trial:
    """One side of a backtest: ``luytre.review.side.Side``."""

    def __init__(self, loaded: Loaded, enrichment: Enrichment) -> None:
        content: Content = wired(loaded, lambda: enrichment.versions)
        self.plan: Plan = loaded.plan
        self.engine: Engine = content.engine
        self.faults: Sequence[Fault] = loaded.faults
        self._correlations, self._enrichment = content.correlations, enrichment
        tables = "".join(f"{k} {v}\n" for k, v in sorted(enrichment.versions.items()))
        self.digest = hashlib.sha256(f"{self.plan.digest}\n{tables}".encode()).hexdigest()

    def needed(self, part: Part) -> frozenset[str]:
        """Return the columns of a part that are read."""
        read = self.engine.needed(part) | self._correlations.needed(part)
        return (read | self._enrichment.needed) - enrich.RESERVED

    def enriched(self, batch: Batch) -> Batch:
        """Return a batch with what the tables add."""
        return self._enrichment(batch)

    def alerting(self, hits: Sequence[Hit]) -> Sequence[Hit]:
        """Return the hits of rules that make alerts of their own."""
        return self._correlations.alerting(hits)

    def matches(self, batch: Batch, hits: Sequence[Hit]) -> Sequence[Match]:
        """Return what correlations are to hear of these hits."""
        return self._correlations.matches(batch, hits)

    def correlate(self, matches: Sequence[Match]) -> Sequence[Alert]:
        """Return the alerts of all matches, as if all events had come in order."""
        return correlate_once(self._correlations.rules, matches, SystemClock())

    def checkpoint(self) -> None:
        """Durably keep what enrichment remembers."""
        self._enrichment.checkpoint()


@dataclass(frozen=True, slots=True)
class Trials:
    """Both sides of a backtest: ``luytre.review.side.Sides``."""

    before: Trial
    after: Trial
    shared: bool


@dataclass(frozen=True, slots=True)
class Proposed:
    """A change of content: files that come in or take the place of others, ids that go.

    ``config`` is a whole other configuration: of mappings, placeholders, or tables.
    """

    added: tuple[Path, ...] = ()
    removed: frozenset[str] = frozenset()
    config: Config | None = None


NOTHING = Proposed()


def faults_of(config: Config, proposed: Proposed) -> list[Fault]:
    """Return what is wrong with a change among all that runs: the faults that come with it."""
    before = {
        (str(fault.path), fault.line, fault.problem) for fault in _plan(config, NOTHING).faults
    }
    after = _plan(proposed.config or config, proposed).faults
    return [f for f in after if (str(f.path), f.line, f.problem) not in before]


def trials(
    config: Config,
    proposed: Proposed,
    folder: Path,
    *,
    whole: bool = False,
    base: Proposed = NOTHING,
) -> Trials:
    """Return what runs by the configuration, and what would run with a change.

    ``base`` is a change of the side before.

    Rules that find the same on both sides are left out unless the tables differ, or ``whole``.
    ``folder`` is where enrichment remembers what it saw, apart from what runs: one for each span
    and scope that is read.

    Raises:
        Refused: a path does not exist, or no valid rule is left.
    """
    exist(proposed.added)
    other = proposed.config or config
    plans = [_plan(config, base), _plan(other, proposed)]
    shared = config.enrich == other.enrich
    if shared and not whole:
        narrow = differing(plans[0].plan, plans[1].plan)
        plans = [replace(loaded, plan=plan) for loaded, plan in zip(plans, narrow, strict=True)]
    clock = SystemClock()
    digests = "\n".join(loaded.plan.digest for loaded in plans)
    folder /= hashlib.sha256(digests.encode()).hexdigest()[:32]
    before = enrich.build(config.enrich, folder / "before", clock)
    after = before if shared else enrich.build(other.enrich, folder / "after", clock)
    return Trials(Trial(plans[0], before), Trial(plans[1], after), shared)


def _plan(config: Config, proposed: Proposed) -> Loaded:
    rules = settings(config)
    added = {
        "overrides": (*proposed.added, *rules.overrides),
        "disabled": (*rules.disabled, *sorted(proposed.removed)),
    }
    return plan_rules(config, rules.model_copy(update=added))
