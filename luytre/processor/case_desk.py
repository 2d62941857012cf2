"""The one desk: what playbooks write stands in the incident that their run belongs to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from luytre.audit.canonical import stamp
from luytre.cases.clocks import Clocks
from luytre.cases.decide import Decisions
from luytre.cases.opening import open_incident
from luytre.cases.read import Incidents
from luytre.core.errors import LuytreError, Refused
from playbooks.actions.action import ActionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from luytre.audit.database import CaseDatabase
    from luytre.cases.clocks import Profile
    from luytre.core.actor import Actor
    from luytre.core.clock import Clock
    from luytre.core.organization import Scope
    from luytre.core.response import Recording

CLOCKS = {
    "notice-24h": "serious-notice",
    "report-72h": "incident-report",
    "data-breach-72h": "personal-data",
}
"""What playbooks call a clock, and what the profiles of law do."""


class CaseDesk:
    """Writes in the name of the loop. A run names its incident by its number."""

    def __init__(
        self, cases: CaseDatabase, clock: Clock, actor: Actor, profiles: Sequence[Profile]
    ) -> None:
        self._cases, self._clock, self._actor = cases, clock, actor
        self._incidents = Incidents(cases)
        self._decisions = Decisions(cases, clock)
        self._clocks = Clocks(self._decisions, profiles)

    def home(
        self, change: Recording, *, incident: str, alert: str, organization: str, title: str
    ) -> str:
        """Return the incident of a run; one that has none is opened, for whoever began the run."""
        if incident:
            if not (incident.isascii() and incident.isdecimal()):
                raise Refused(f"{incident[:40]} is no number of an incident")
            return str(self._incidents.get(int(incident), change.actor.scope).id)
        found = incident_of(self._cases, alert, change.actor.scope) if alert else ""
        now = stamp(self._clock.now())
        return found or str(open_incident(change, organization, title, now))

    def assign(self, incident: str, person: str, actor: str) -> None:
        """Give an incident to a person."""
        del actor
        with _failing():
            self._decisions.assign(self._actor, int(incident), person)

    def comment(self, incident: str, text: str, actor: str) -> None:
        """Write a comment; it says who started the run."""
        with _failing():
            self._decisions.comment(self._actor, int(incident), f"{text} ({actor})")

    def start_clock(self, incident: str, clock: str, actor: str) -> None:
        """Start a legal clock as of the incident's opening; one that runs, runs on."""
        del actor
        with _failing():
            if not self._row(incident, clock):
                self._clocks.start(self._actor, int(incident), CLOCKS[clock])

    def stop_clock(self, incident: str, clock: str, actor: str) -> None:
        """Stop a legal clock: what it asks for is done."""
        del actor
        with _failing():
            row = self._row(incident, clock)
            if not row:
                raise ActionFailedError(f"the clock {clock} does not run")
            if not row[-1]:
                self._clocks.stop(self._actor, int(incident), CLOCKS[clock])

    def _row(self, incident: str, clock: str) -> Sequence[str]:
        rows = self._incidents.clocks(int(incident), self._actor.scope)
        return next((row for row in rows if row[0] == CLOCKS[clock]), ())


def incident_of(cases: CaseDatabase, alert: str, scope: Scope) -> str:
    """Return the number of an alert's incident; empty while triage has not taken the alert."""
    try:
        return str(Incidents(cases).incident_of(alert, scope).id)
    except Refused:
        return ""


@contextmanager
def _failing() -> Iterator[None]:
    """Turn a refusal into a failed step: nothing was changed."""
    try:
        yield
    except LuytreError as error:
        raise ActionFailedError(str(error)) from error
