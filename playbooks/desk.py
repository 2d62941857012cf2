"""The desk of cases as playbooks keep it: legal clocks, notes, and who works on it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from luytre.audit.canonical import stamp
from playbooks.actions.action import ActionFailedError
from playbooks.actions.desk import CLOCK_HOURS
from playbooks.run_rows import LegalClock, Rows

if TYPE_CHECKING:
    from luytre.audit.database import CaseDatabase
    from luytre.core.actor import Actor
    from luytre.core.clock import Clock
    from playbooks.run_rows import Run


class RunDesk:
    """Writes in the name of the loop; the run says who asked for it."""

    def __init__(self, cases: CaseDatabase, clock: Clock, actor: Actor) -> None:
        self._cases, self._clock, self._actor = cases, clock, actor
        self._rows = Rows(cases.connection)

    def assign(self, incident: str, person: str, actor: str) -> None:
        """Give the runs of an incident to a person."""
        runs = self._runs(incident)
        with self._cases.change(self._actor) as change:
            for run in runs:
                self._rows.set_run(run.id, assigned=person)
                change.record(
                    "run.assign", f"run:{run.id}", organization=run.organization,
                    before=run.assigned, after=person, asked_by=actor,
                )  # fmt: skip

    def comment(self, incident: str, text: str, actor: str) -> None:
        """Write a note to an incident."""
        organization = self._runs(incident)[0].organization
        with self._cases.change(self._actor) as change:
            self._rows.add_note(incident, organization, self._now(), actor, text)
            change.record("run.note", incident, organization=organization, text=text, by=actor)

    def start_clock(self, incident: str, clock: str, actor: str) -> None:
        """Start a legal clock as of when the incident's first run began; one that runs, runs on.

        The law counts from the detection, not from when somebody came to this step.
        """
        if any(each.clock == clock for each in self._clocks(incident)):
            return
        runs = self._runs(incident)
        started = datetime.fromisoformat(runs[-1].started_at)
        due = started + timedelta(hours=CLOCK_HOURS[clock])
        organization = runs[0].organization
        row = LegalClock(incident, clock, organization, stamp(started), stamp(due), "")
        with self._cases.change(self._actor) as change:
            self._rows.add_clock(row)
            change.record(
                "clock.start", incident, organization=organization, clock=clock,
                due=row.due_at, by=actor,
            )  # fmt: skip

    def stop_clock(self, incident: str, clock: str, actor: str) -> None:
        """Stop a legal clock; raises ``ActionFailedError`` if it never ran."""
        found = [each for each in self._clocks(incident) if each.clock == clock]
        if not found:
            raise ActionFailedError(f"the clock {clock} does not run")
        if found[0].stopped_at:
            return
        now = self._now()
        with self._cases.change(self._actor) as change:
            self._rows.stop_clock(incident, clock, now)
            in_time = "yes" if now <= found[0].due_at else "no"
            change.record(
                "clock.stop", incident, organization=found[0].organization, clock=clock,
                in_time=in_time, by=actor,
            )  # fmt: skip

    def _clocks(self, incident: str) -> list[LegalClock]:
        return self._rows.clocks(self._actor.scope, incident)

    def _runs(self, incident: str) -> list[Run]:
        found = [run for run in self._rows.runs(self._actor.scope) if run.incident == incident]
        if not found:
            raise ActionFailedError(f"no run is about {incident}")
        return found

    def _now(self) -> str:
        return stamp(self._clock.now())
