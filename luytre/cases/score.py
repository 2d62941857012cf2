"""How urgent an incident is, from 0 to 100, and why: the same for the same alerts, in any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from luytre.core.alert import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL_POINTS = (5, 15, 35, 60, 75)
ASSET_POINTS = (0, 0, 3, 8, 12, 15)
"""By security level (Decree 331): a portal of level 3 matters more than an office PC."""
CHAIN_POINTS, CHAIN_MAX = 3, 15
CONFIDENCE_STEP = 10
RARE_POINTS, COMMON_POINTS, COMMON_ALERTS = 5, -10, 100
SCORE_MAX = 100


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the score looks at in an alert. ``level`` is an index of Sigma's levels."""

    level: int
    tactics: tuple[str, ...]
    asset_level: int
    confidence: int
    rule: str
    seen_before: int


def score(alerts: Sequence[Weighed]) -> tuple[int, list[tuple[str, int]]]:
    """Return the score and its parts. ``seen_before``: alerts of the rule in the 30 days before."""
    if not alerts:
        return 0, [("no alert is left", 0)]
    level = max(alert.level for alert in alerts)
    asset = max(alert.asset_level for alert in alerts)
    confidence = max(alert.confidence for alert in alerts)
    tactics = {tactic for alert in alerts for tactic in alert.tactics}
    before = min(alert.seen_before for alert in alerts)
    parts = [
        (f"level {LEVELS[level]}", LEVEL_POINTS[level]),
        (f"asset of security level {asset}", ASSET_POINTS[asset]),
        (f"indicator of confidence {confidence}", confidence // CONFIDENCE_STEP),
        (
            f"{len(tactics)} tactics of an attack: {', '.join(sorted(tactics))}",
            min(CHAIN_MAX, CHAIN_POINTS * max(0, len(tactics) - 1)),
        ),
        ("a rule that had not fired here for 30 days", RARE_POINTS if before == 0 else 0),
        (
            f"its rarest rule fired {before} times here in 30 days",
            COMMON_POINTS if before >= COMMON_ALERTS else 0,
        ),
    ]
    shown = [part for part in parts if part[1]]
    return max(0, min(SCORE_MAX, sum(points for _, points in shown))), shown
