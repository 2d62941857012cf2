"""Decides which documents of an episode are shown, whatever order they arrive in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luytre.core.alert import Alert
    from luytre.core.database import Connection

# Single-event alerts are in no index here, so that they cost nothing. Of two documents with one
# revision the higher id is newest: any fixed choice will do, if arrival has no part in it.
SCHEMA = """
CREATE INDEX alerts_by_episode ON alerts (organization, episode, revision, id) WHERE episode <> '';
"""
_NEWEST = (
    "SELECT place FROM alerts WHERE organization = ? AND episode = ? AND episode <> ''"
    " ORDER BY revision DESC, id DESC LIMIT 2"
)
_RETIRE = "UPDATE alerts SET current = 0, shown = 0 WHERE place = ?"
_PROMOTE = "UPDATE alerts SET current = ?1, shown = ?1 WHERE place = ?2"


def settle(db: Connection, alert: Alert, place: int) -> None:
    """Show what is current now that ``alert`` lies at ``place``; call it in its transaction.

    Current is the newest document of an episode, unless that is withdrawn. ``supersedes`` hides
    nothing: an episode that became part of another is withdrawn by a document of its own.
    """
    newest = db.execute(_NEWEST, (alert.organization_id, alert.episode)).fetchall()
    if newest[0] != (place,):
        db.execute(_RETIRE, (place,))
        return
    for former in newest[1:]:
        db.execute(_RETIRE, former)
    db.execute(_PROMOTE, (not alert.withdrawn, place))
