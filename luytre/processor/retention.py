"""Retention: what is old goes, unless it is on legal hold, and leaves a receipt in the history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from luytre.core.actor import Actor
from luytre.core.errors import NeighbourError
from luytre.core.log import get_logger
from luytre.processor import case_host, operations
from luytre.processor.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable

    from luytre.audit.database import CaseDatabase
    from luytre.core.clock import Clock
    from luytre.core.config import Config

BEFORE = timedelta(days=3)
"""How long before an incident's first alert the events lie that explain it."""

log = get_logger("retention")


def held_since(cases: CaseDatabase) -> datetime | None:
    """Return from when on events and alerts must stay for a legal hold; None without one.

    An incident on hold keeps everything from three days before its first alert; a hold of anything
    else (an organisation, the installation) keeps all there is.
    """
    rows: Any = cases.connection.execute(
        "SELECT i.first_at FROM legal_holds h LEFT JOIN incidents i"
        " ON h.subject = 'incident:' || i.id"
    )
    found = [at for (at,) in rows]
    if not found:
        return None
    if any(at is None for at in found):
        return datetime(2000, 1, 1, tzinfo=UTC)
    return min(map(datetime.fromisoformat, found)) - BEFORE


def kept_days(cases: CaseDatabase, days: float, clock: Clock) -> float:
    """Return the retention in days, longer if something older is on hold."""
    since = held_since(cases)
    if since is None:
        return days
    return max(days, (clock.now() - since) / timedelta(days=1) + 1)


def erase_old(
    config: Config,
    action: str,
    days: float,
    clock: Clock,
    expire: Callable[[float], int],
    *,
    once: bool,
) -> int:
    """Delete what is older than the retention, and leave the receipt; return how much it was.

    Nothing is deleted while the signer does not answer: there would be no receipt. The history is
    on the case host; a machine without one deletes what is its own, and its log says so.
    """
    if not Places(config.data_dir).cases.exists():
        return expire(days)
    try:
        with case_host.case_database(config, loop=not once) as cases:
            kept = kept_days(cases, days, clock)
            cases.signed()
            count = expire(kept)
            if count:
                actor, about = Actor.loop("upkeep"), action.partition(".")[0]
                operations.record(
                    cases,
                    actor,
                    action,
                    f"retention:{about}",
                    erased=count,
                    older_than_days=f"{kept:g}",
                )
            return count
    except NeighbourError as error:
        log.error("nothing is erased: it could not be recorded", action=action, reason=str(error))
        return 0
