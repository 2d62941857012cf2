"""When the grouping was wrong: merge, split, and decide about one alert of an incident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luytre.cases.model import DISPOSITIONS, Conflict, Disposition, Incident
from luytre.cases.read import Incidents
from luytre.cases.refresh import refresh
from luytre.cases.triage import join
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.audit.database import CaseDatabase, Change
    from luytre.cases.decide import Decisions
    from luytre.core.actor import Actor
    from luytre.core.clock import Clock

_SPLIT = """
    INSERT INTO incidents (organization, title, state, assignee, level, score, score_parts,
        first_at, last_at, received_at, opened_at, updated_at, backfill)
    SELECT organization, title, 'new', assignee, level, score, score_parts,
        first_at, last_at, received_at, :now, :now, backfill FROM incidents WHERE id = :id
    RETURNING id
"""


class Regrouping:
    """Moves alerts between incidents of one organisation."""

    def __init__(self, cases: CaseDatabase, clock: Clock, decisions: Decisions) -> None:
        self._incidents = Incidents(cases)
        self._clock, self._decisions = clock, decisions

    def merge(self, actor: Actor, number: int, into: int, version: int | None = None) -> None:
        """Close an incident as the duplicate of another, which takes its alerts.

        Raises:
            Refused: they are of two organisations, or one of them is closed.
        """
        with self._decisions.on(actor, number, version) as (change, incident):
            target = self._incidents.get(into, actor.scope)
            if target.id == incident.id:
                raise Refused("an incident cannot be merged into itself")
            if target.organization != incident.organization:
                raise Refused("incidents of two organisations are never merged")
            for one in (incident, target):
                if one.state == "closed":
                    raise Conflict(f"incident {one.id} is closed ({one.disposition})")
            join(change, number, into, self._decisions.now())
            refresh(change.connection, into, self._clock.now())
            self._decisions.record(change, incident, "incident.merge", after={"into": into})
            took = {"took the alerts of": number}
            self._decisions.record(change, target, "incident.merge", after=took)

    def split(
        self, actor: Actor, number: int, alerts: Sequence[str], version: int | None = None
    ) -> int:
        """Move some alerts, named by the beginnings of their ids, to a new incident; return it.

        Raises:
            Refused: an alert is not of this incident, or all of them would go.
        """
        with self._decisions.on(actor, number, version) as (change, incident):
            moved = self._named(incident, alerts, actor)
            if len(moved) >= incident.alerts:
                raise Refused(f"that would leave no alert in incident {number}")
            sql = {"id": number, "now": self._decisions.now()}
            found: Any = change.connection.execute(_SPLIT, sql).get
            fresh = int(found)
            change.connection.executemany(
                "UPDATE incident_alerts SET incident = ?, reason = reason || ? WHERE alert = ?",
                [(fresh, f"; split off from incident {number}", alert) for alert in moved],
            )
            for one in (number, fresh):
                refresh(change.connection, one, self._clock.now())
            after = {"into": fresh, "alerts": moved}
            self._decisions.record(change, incident, "incident.split", after=after)
            new = self._incidents.get(fresh, actor.scope)
            origin = {"from": number, "alerts": moved}
            self._decisions.record(change, new, "incident.split", after=origin)
            return fresh

    def close_alert(
        self, actor: Actor, alert: str, disposition: Disposition, comment: str = ""
    ) -> int:
        """Say what one alert turned out to be; return its incident, which stays as it is."""
        if disposition not in DISPOSITIONS:
            raise Refused(f"a disposition is one of: {', '.join(DISPOSITIONS)}")
        number = self._incidents.incident_of(alert, actor.scope).id
        with self._decisions.on(actor, number, None) as (change, incident):
            (key,) = self._named(incident, [alert], actor)
            self._close_alert(change, incident, key, disposition, comment)
        return number

    def _close_alert(
        self, change: Change, incident: Incident, key: str, disposition: str, comment: str
    ) -> None:
        before: Any = change.connection.execute(
            "SELECT disposition FROM incident_alerts WHERE alert = ?", (key,)
        ).get
        if before == disposition:
            raise Conflict(f"alert {key[:10]} is closed already ({before})")
        change.connection.execute(
            "UPDATE incident_alerts SET disposition = ? WHERE alert = ?", (disposition, key)
        )
        change.connection.execute(
            "UPDATE incidents SET version = version + 1, updated_at = ? WHERE id = ?",
            (self._decisions.now(), incident.id),
        )
        after = {"alert": key, "disposition": disposition, "comment": comment}
        self._decisions.record(
            change, incident, "alert.close", before={"disposition": before}, after=after
        )

    def _named(self, incident: Incident, alerts: Sequence[str], actor: Actor) -> list[str]:
        """Return the alerts of an incident that beginnings of ids name, each exactly one."""
        members, _ = self._incidents.members(incident.id, actor.scope)
        found: list[str] = []
        for asked in alerts:
            named = [m.alert for m in members if asked and m.alert.startswith(asked)]
            named = named or [m.alert for m in members if asked and m.document.startswith(asked)]
            if len(named) != 1:
                raise Refused(
                    f"no alert of incident {incident.id}, or more than one, begins with {asked}"
                )
            found += named
        return sorted(set(found))
