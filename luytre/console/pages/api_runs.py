"""The JSON API of playbooks: start, answer, agree, decide, take back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import Field

from luytre.console.pages.api_cases import AlertId, Body
from luytre.console.routes import At, Routes
from luytre.core.errors import Refused
from playbooks.binding import given_by
from playbooks.runs import Decision

routes = Routes()
RunId = Annotated[str, Path(pattern="^[0-9a-f]{1,32}$", description="A run's id.")]
StepNumber = Annotated[int, Path(ge=1, le=10_000)]
RUN = ("id", "playbook", "name", "organization", "incident", "alert", "started_by", "started_at",
       "ended_at", "status", "problem")  # fmt: skip
STEP = ("key", "step", "action", "what", "state", "wanted", "result", "undoes", "changed_at")
Note = Annotated[str, Field(max_length=4096)]


class Start(Body):
    """Which playbook, for which alert."""

    playbook: str = Field(min_length=1, max_length=200)


class Answer(Body):
    """What a person did, with what the step asks for."""

    outputs: dict[str, Annotated[str, Field(max_length=4096)]] = Field(default_factory=dict)
    note: Note = ""
    failed: bool = False


class Agreement(Body):
    """Yes or no."""

    agree: bool
    note: Note = ""


class Choice(Body):
    """What becomes of a step that does not go on by itself."""

    decision: Decision
    note: Note = ""


@routes.call("GET", "v1/playbooks", may="read")
def playbooks(at: At) -> list[dict[str, str]]:
    """Give the playbooks there are."""
    return [
        {"id": identity, "name": loaded.words("en")[0], "name_vi": loaded.words("vi")[0]}
        for identity, loaded in sorted(at.house.shelf().playbooks.items())
    ]


@routes.call("GET", "v1/runs", may="read")
def runs(at: At) -> list[dict[str, Any]]:
    """Give the last hundred runs, newest first."""
    found = at.bench.runs.rows.runs(at.scope, limit=100)
    return [{name: getattr(run, name) for name in RUN} for run in found]


@routes.call("GET", "v1/runs/{name}", may="read")
def run(at: At, name: RunId) -> dict[str, Any]:
    """Give one run with its steps and who agreed."""
    rows = at.bench.runs.rows
    found = rows.run(name, at.scope)
    steps = [
        {**{field: getattr(step, field) for field in STEP}, "number": number,
         "approvals": [{"user": a.user, "answer": a.answer, "at": a.at, "note": a.note}
                       for a in rows.approvals(step)]}
        for number, step in enumerate(rows.steps(found.id), 1)
    ]  # fmt: skip
    return {**{field: getattr(found, field) for field in RUN}, "steps": steps}


@routes.call("POST", "v1/alerts/{alert}/runs", may="playbook.run")
def start(at: At, alert: AlertId, body: Start) -> dict[str, str]:
    """Start a playbook for an alert, and give the run's id."""
    found = at.bench.alerts.get(alert, at.scope)
    if found is None:
        raise Refused(f"no alert, or more than one, begins with {alert}")
    shelf = at.house.shelf()
    loaded = shelf.get(body.playbook)
    try:
        incident = str(at.bench.incidents.incident_of(found.id, at.scope).id)
    except Refused:
        incident = ""
    identity = at.bench.runs.start(
        at.actor, shelf.playbooks, loaded.playbook.id, given_by(loaded, found),
        organization=found.organization_id, incident=incident, alert=found.id,
    )  # fmt: skip
    return {"run": identity}


@routes.call("POST", "v1/runs/{name}/steps/{number}/answer", may="playbook.run")
def answer(at: At, name: RunId, number: StepNumber, body: Answer) -> dict[str, Any]:
    """Say that a step is done, or could not be."""
    found = at.bench.runs.rows.run(name, at.scope)
    at.bench.runs.answer(
        at.actor, found, _key(at, found.id, number), body.outputs, note=body.note,
        failed=body.failed,
    )  # fmt: skip
    return run(at, found.id)


@routes.call("POST", "v1/runs/{name}/steps/{number}/approve", may="playbook.approve")
def approve(at: At, name: RunId, number: StepNumber, body: Agreement) -> dict[str, Any]:
    """Agree to a step, or say no."""
    found = at.bench.runs.rows.run(name, at.scope)
    at.bench.runs.approve(
        at.actor, found, _key(at, found.id, number), agree=body.agree, note=body.note
    )
    return run(at, found.id)


@routes.call("POST", "v1/runs/{name}/steps/{number}/decide", may="playbook.approve")
def decide(at: At, name: RunId, number: StepNumber, body: Choice) -> dict[str, Any]:
    """Decide about a step that does not go on by itself."""
    found = at.bench.runs.rows.run(name, at.scope)
    at.bench.runs.decide(at.actor, found, _key(at, found.id, number), body.decision, body.note)
    return run(at, found.id)


@routes.call("POST", "v1/runs/{name}/undo", may="playbook.approve")
def undo(at: At, name: RunId) -> dict[str, Any]:
    """Take back what a run changed, newest first."""
    found = at.bench.runs.rows.run(name, at.scope)
    at.bench.runs.undo(at.actor, found)
    return run(at, found.id)


def _key(at: At, identity: str, number: int) -> str:
    steps = at.bench.runs.rows.steps(identity)
    if number > len(steps):
        raise Refused(f"run {identity[:10]} has {len(steps)} steps")
    return steps[number - 1].key
