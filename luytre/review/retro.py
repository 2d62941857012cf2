"""Retro by default: what is newly active is run back over the archive, and its alerts are kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from luytre.core.actor import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from luytre.core.alert import Alert
    from luytre.core.batch import Batch
    from luytre.review.backtest import Backtest, Progress
    from luytre.review.drafts import Draft, Drafts
    from luytre.review.side import Side


@dataclass(frozen=True, slots=True)
class Seen:
    """What a search of the archive found; ``first_at`` is "" if nothing."""

    alerts: int
    first_at: str
    last_at: str
    events: int


class Finder:
    """Makes alerts of what the new side finds alone, marked as retro, and hands them on.

    They are handed on before their stretch is noted as done: after a kill they come again, with
    the ids that they had.
    """

    def __init__(self, side: Side, send: Callable[[Sequence[Alert]], None]) -> None:
        self._side, self._send = side, send

    def hits(self, batch: Batch, hits: Sequence[tuple[int, int]]) -> None:
        """Take hits of the new side's rules."""
        self.alerts(self._side.engine.alerts(batch, hits))

    def alerts(self, alerts: Sequence[Alert]) -> None:
        """Take alerts of correlations."""
        if alerts:
            self._send([replace(alert, retro=True) for alert in alerts])


def search(
    drafts: Drafts,
    draft: Draft,
    backtest: Backtest,
    progress: Progress = lambda _done, _all: None,
    stopped: Callable[[], bool] = bool,
) -> Seen | None:
    """Run active content over the archive; return what it found, None if it was stopped.

    The entry of the loop says when it was first seen.
    """
    report = backtest.run(progress, stopped)
    if not report.finished:
        return None
    found = backtest.job.differences("gained")
    times = [each.at for each in found]
    seen = Seen(len(found), min(times, default=""), max(times, default=""), report.judged)
    drafts.searched(Actor.loop("retro"), draft.id, facts(seen, report.since, report.until))
    return seen


def facts(seen: Seen, since: str, until: str) -> dict[str, Any]:
    """Return what the history keeps of a search."""
    return {
        "alerts": seen.alerts,
        "first seen": seen.first_at,
        "last seen": seen.last_at,
        "events": seen.events,
        "since": since,
        "until": until,
    }
