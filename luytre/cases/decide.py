"""What people decide about incidents: each decision one change, with its entry in the history."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from luytre.audit.canonical import stamp
from luytre.cases.model import (
    DISPOSITIONS,
    STATES,
    Conflict,
    Disposition,
    Incident,
    IncidentQuery,
    IncidentState,
    Step,
)
from luytre.cases.read import Incidents
from luytre.cases.refresh import write_text
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.audit.database import CaseDatabase, Change
    from luytre.core.actor import Actor
    from luytre.core.clock import Clock

TEXT_CHARS_MAX = 20_000

Act = tuple["Change", Incident]


class Decisions:
    """Decides for a person.

    ``version`` is the one that the person saw: if it is not the present one, they are told what
    changed meanwhile (``Conflict``) and nothing is done; None decides in any case.
    """

    def __init__(self, cases: CaseDatabase, clock: Clock) -> None:
        self._cases, self._clock = cases, clock
        self._incidents = Incidents(cases)

    def set_state(
        self, actor: Actor, number: int, state: IncidentState, version: int | None = None
    ) -> None:
        """Set an open state; a closed incident is so opened again.

        Raises:
            Refused: to close needs a disposition (``close``).
        """
        if state not in STATES or state == "closed":
            raise Refused("an incident is closed with its disposition")
        with self.on(actor, number, version) as (change, incident):
            self._set_state(change, incident, state)

    def close(
        self,
        actor: Actor,
        number: int,
        disposition: Disposition,
        comment: str = "",
        version: int | None = None,
    ) -> None:
        """Close an incident with what it turned out to be."""
        with self.on(actor, number, version) as (change, incident):
            self._close(change, incident, disposition, comment)

    def assign(self, actor: Actor, number: int, person: str, version: int | None = None) -> None:
        """Give an incident to a person ("" to nobody), who is notified."""
        with self.on(actor, number, version) as (change, incident):
            self._assign(change, incident, person)

    def comment(self, actor: Actor, number: int, text: str) -> None:
        """Write a comment; it conflicts with nothing."""
        with self.on(actor, number, None) as (change, incident):
            self._comment(change, incident, text)
            self.record(change, incident, "incident.comment", after=_short(text))

    def add_task(self, actor: Actor, number: int, text: str, person: str = "") -> int:
        """Add a task to an incident and return its number."""
        with self.on(actor, number, None) as (change, incident):
            task: Any = change.connection.execute(
                "INSERT INTO incident_tasks (incident, text, assignee) VALUES (?, ?, ?)"
                " RETURNING id",
                (number, _text(text), person),
            ).get
            write_text(change.connection, number)
            if person:
                self._notify(change, incident, person, "task")
            after = {"task": int(task), "text": _short(text), "for": person}
            self.record(change, incident, "incident.task", after=after)
            return int(task)

    def finish_task(self, actor: Actor, number: int, task: int) -> None:
        """Say that a task is done."""
        with self.on(actor, number, None) as (change, incident):
            change.connection.execute(
                "UPDATE incident_tasks SET done_at = ? WHERE id = ? AND incident = ?"
                " AND done_at = ''",
                (self.now(), task, number),
            )
            if not change.connection.changes():
                raise Refused(f"incident {number} has no open task {task}")
            self.record(change, incident, "incident.task", after={"task": task, "done": True})

    def decide_many(
        self,
        actor: Actor,
        query: IncidentQuery,
        expected: int,
        *,
        disposition: Disposition | None = None,
        state: IncidentState | None = None,
        person: str | None = None,
        comment: str = "",
    ) -> int:
        """Decide about all that a query asks for, in one change; return how many.

        ``expected`` is what the dry count gave.

        Raises:
            Conflict: other incidents match now than were counted; nothing is done.
        """
        with self._cases.change(actor) as change:
            numbers = self._incidents.numbers(query, actor.scope)
            if len(numbers) != expected:
                raise Conflict(
                    f"{expected} incidents were counted, and {len(numbers)} match now:"
                    " count again; nothing was done"
                )
            if not numbers:
                raise Refused("no incident matches")
            for number in numbers:
                incident = self._incidents.get(number, actor.scope)
                if person is not None:
                    incident = self._again(self._assign(change, incident, person), actor)
                if state is not None and state != incident.state:
                    incident = self._again(self._set_state(change, incident, state), actor)
                if disposition is not None:
                    self._close(change, incident, disposition, comment)
        return expected

    def read_notifications(self, actor: Actor, people: list[str]) -> int:
        """Mark as read what these people were notified of; return how many that was."""
        found = self._incidents.notifications(people, actor.scope)
        if not found:
            return 0
        with self._cases.change(actor) as change:
            change.connection.executemany(
                "UPDATE notifications SET read_at = ? WHERE id = ?",
                [(self.now(), number) for number, *_ in found],
            )
            for _, _, incident, _ in found:
                change.record(
                    "notification.read",
                    f"incident:{incident}",
                    organization=self._incidents.get(incident, actor.scope).organization,
                )
        return len(found)

    def save_view(self, actor: Actor, name: str, query: IncidentQuery) -> None:
        """Keep a query under a name, for everybody; only its owner may replace it."""
        with self._cases.change(actor) as change:
            owner = change.connection.execute(
                "SELECT owner FROM saved_views WHERE name = ?", (name,)
            ).get
            if owner not in {None, actor.user}:
                raise Refused(f"the view {name} is {owner}'s: choose another name")
            change.connection.execute(
                "INSERT OR REPLACE INTO saved_views VALUES (?, ?, ?)",
                (_text(name), actor.user, msgspec.json.encode(query).decode()),
            )
            organization = actor.organization
            change.record("view.save", f"view:{name}", organization=organization)

    def delete_view(self, actor: Actor, name: str) -> None:
        """Forget a view of one's own."""
        with self._cases.change(actor) as change:
            change.connection.execute(
                "DELETE FROM saved_views WHERE name = ? AND owner = ?", (name, actor.user)
            )
            if not change.connection.changes():
                raise Refused(f"{actor.user} has no view {name}")
            change.record("view.delete", f"view:{name}", organization=actor.organization)

    def views(self) -> dict[str, tuple[str, IncidentQuery]]:
        """Return owner and query of every view; a query shows what its reader may see."""
        sql = "SELECT name, owner, query FROM saved_views ORDER BY name"
        decode = msgspec.json.Decoder(IncidentQuery).decode
        rows: Any = self._cases.connection.execute(sql)
        return {name: (owner, decode(query)) for name, owner, query in rows}

    @contextmanager
    def on(self, actor: Actor, number: int, version: int | None) -> Iterator[Act]:
        """Open a change on an incident as the person saw it."""
        with self._cases.change(actor) as change:
            incident = self._incidents.get(number, actor.scope)
            if version is not None and version != incident.version:
                raise Conflict(self._meanwhile(incident, version, actor))
            yield change, incident

    def _meanwhile(self, incident: Incident, version: int, actor: Actor) -> str:
        steps = self._incidents.life(incident.id, actor.scope)
        missed = [step for step in steps if step.detail.get("version", 0) > version]
        said = "; ".join(map(_said, missed)) or "it was changed"
        return (
            f"incident {incident.id} changed since you looked (version {version}, now"
            f" {incident.version}): {said}. Nothing was done: look again"
        )

    def _set_state(self, change: Change, incident: Incident, state: IncidentState) -> int:
        if state == incident.state:
            raise Refused(f"incident {incident.id} is {state} already")
        self._update(change, incident, state=state, disposition="", closed_at="")
        before = {"state": incident.state, "disposition": incident.disposition}
        self.record(change, incident, "incident.state", before=before, after={"state": state})
        return incident.id

    def _close(
        self, change: Change, incident: Incident, disposition: Disposition, comment: str
    ) -> None:
        if disposition not in DISPOSITIONS:
            raise Refused(f"a disposition is one of: {', '.join(DISPOSITIONS)}")
        if incident.state == "closed":
            raise Conflict(self._closed(incident, change.actor))
        if comment:
            self._comment(change, incident, comment)
        self._update(
            change, incident, state="closed", disposition=disposition, closed_at=self.now()
        )
        after = {"state": "closed", "disposition": disposition, "comment": _short(comment)}
        before = {"state": incident.state}
        self.record(change, incident, "incident.close", before=before, after=after)

    def _closed(self, incident: Incident, actor: Actor) -> str:
        steps = self._incidents.life(incident.id, actor.scope)
        closings = [s for s in steps if s.action in {"incident.close", "incident.merge"}]
        by = f": {_said(closings[-1])}" if closings else ""
        return f"incident {incident.id} is closed already ({incident.disposition}){by}"

    def _assign(self, change: Change, incident: Incident, person: str) -> int:
        if incident.state == "closed":
            raise Conflict(self._closed(incident, change.actor))
        self._update(change, incident, assignee=person)
        if person and person != change.actor.user:
            self._notify(change, incident, person, "assigned")
        before, after = {"assignee": incident.assignee}, {"assignee": person}
        self.record(change, incident, "incident.assign", before=before, after=after)
        return incident.id

    def _comment(self, change: Change, incident: Incident, text: str) -> None:
        change.connection.execute(
            "INSERT INTO incident_comments (incident, at, author, text) VALUES (?, ?, ?, ?)",
            (incident.id, self.now(), change.actor.user, _text(text)),
        )
        write_text(change.connection, incident.id)

    def _notify(self, change: Change, incident: Incident, person: str, what: str) -> None:
        change.connection.execute(
            "INSERT INTO notifications (at, person, organization, incident, what)"
            " VALUES (?, ?, ?, ?, ?)",
            (self.now(), person, incident.organization, incident.id, what),
        )

    def _update(self, change: Change, incident: Incident, **columns: str) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        change.connection.execute(
            f"UPDATE incidents SET {names}, updated_at = ?, version = version + 1 WHERE id = ?",  # noqa: S608 - our own columns
            (*columns.values(), self.now(), incident.id),
        )

    def record(self, change: Change, incident: Incident, action: str, **detail: Any) -> None:
        """Write the entry of a decision, with the version that the incident has now."""
        version: Any = change.connection.execute(
            "SELECT version FROM incidents WHERE id = ?", (incident.id,)
        ).get
        subject = f"incident:{incident.id}"
        change.record(
            action, subject, organization=incident.organization, version=int(version), **detail
        )

    def _again(self, number: int, actor: Actor) -> Incident:
        return self._incidents.get(number, actor.scope)

    def now(self) -> str:
        """Return the time as the case database keeps it."""
        return stamp(self._clock.now())


def _said(step: Step) -> str:
    after = step.detail.get("after")
    what = "; ".join(f"{k}: {v}" for k, v in after.items() if v) if isinstance(after, dict) else ""
    did = step.action.removeprefix("incident.")
    return f"{step.user}, {did} at {step.at[:16]}Z" + (f" ({what})" if what else "")


def _text(text: str) -> str:
    """Return a text that is worth keeping. Raises ``Refused``."""
    if not text.strip():
        raise Refused("an empty text says nothing")
    if len(text) > TEXT_CHARS_MAX:
        raise Refused(f"a text has at most {TEXT_CHARS_MAX:,} characters")
    return text


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"  # noqa: PLR2004 - as a line shows it
