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
CREATE TABLE alert_supersedes (
  organization TEXT NOT NULL, episode TEXT NOT NULL, place INTEGER NOT NULL,
  PRIMARY KEY (organization, episode, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_supersedes_by_place ON alert_supersedes (place);
"""
_NEWEST = (
    "SELECT place FROM alerts WHERE organization = ? AND episode = ? AND episode <> ''"
    " ORDER BY revision DESC, id DESC"
)
_SUPERSEDED = "SELECT episode FROM alert_supersedes WHERE place = ?"
_INSERT_SUPERSEDED = "INSERT INTO alert_supersedes VALUES (?, ?, ?)"
_RETIRE = "UPDATE alerts SET current = 0, shown = 0 WHERE place = ?"
_PROMOTE = "UPDATE alerts SET current = ? WHERE place = ?"
# Two episodes that name each other are both shown: an alert twice is better than none.
_SHOW = f"""
UPDATE alerts SET shown = current AND NOT EXISTS (
  SELECT 1 FROM alert_supersedes s CROSS JOIN alerts other ON other.place = s.place
  WHERE s.organization = alerts.organization AND s.episode = alerts.episode AND other.current
  AND NOT EXISTS (
    SELECT 1 FROM alert_supersedes back WHERE back.organization = alerts.organization
    AND back.episode = other.episode AND back.place = alerts.place
  )
) WHERE place = ({_NEWEST} LIMIT 1)
"""  # noqa: S608 - constants only


def settle(db: Connection, alert: Alert, place: int) -> None:
    """Show what is current now that ``alert`` lies at ``place``; call it in its transaction.

    Current is the newest document of an episode, unless it is withdrawn; it is shown unless the
    current document of another episode supersedes it, be that one shown or not.
    """
    organization, episode = alert.organization_id, alert.episode
    covered = set(alert.supersedes) - {"", episode}
    db.executemany(_INSERT_SUPERSEDED, [(organization, other, place) for other in covered])
    newest = db.execute(f"{_NEWEST} LIMIT 2", (organization, episode)).fetchall()
    if newest[0] != (place,):
        return
    for former in newest[1:]:
        covered.update(str(other) for (other,) in db.execute(_SUPERSEDED, former))
        db.execute(_RETIRE, former)
    db.execute(_PROMOTE, (not alert.withdrawn, place))
    db.executemany(_SHOW, [(organization, other) for other in {episode, *covered}])
