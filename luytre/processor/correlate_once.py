"""Correlations over everything that a scan has seen: the final alerts, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detections.correlate import Correlator
from luytre.processor.correlate import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from detections.correlation import Correlation
    from luytre.core.alert import Alert
    from luytre.core.clock import Clock
    from luytre.core.matches import Match


def correlate_once(
    correlations: Sequence[Correlation], matches: Iterable[Match], clock: Clock
) -> list[Alert]:
    """Return the current alert of every episode, as if all events had come in order.

    What is silent at the end is so by the clock of the events: nobody waited here.
    """
    correlator = Correlator(correlations, clock)
    heard_us = microseconds(clock.now())
    alerts: list[Alert] = []
    waiting = sorted(matches, key=lambda match: match.time_us)
    while waiting:
        found = correlator.take(waiting, heard_us)
        found.add(correlator.flush())
        alerts += found.alerts
        # Results of correlations are matches of the correlations above; cycles are refused at load.
        waiting = sorted(found.matches, key=lambda match: match.time_us) or correlator.ticks()
    return current(alerts)


def current(alerts: Iterable[Alert]) -> list[Alert]:
    """Return the highest revision of each episode, unless that is withdrawn."""
    latest: dict[str, Alert] = {}
    for alert in alerts:
        known = latest.get(alert.episode)
        if known is None or alert.revision >= known.revision:
            latest[alert.episode] = alert
    return [alert for alert in latest.values() if not alert.withdrawn]
