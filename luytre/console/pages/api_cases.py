"""The JSON API of incidents and alerts: what their pages show and do, for programs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Path, Query
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from luytre.cases.model import Disposition, Incident, IncidentQuery, IncidentState, Member
from luytre.console.pages import alerts
from luytre.console.queue_query import read_query
from luytre.console.routes import API, At, Routes
from luytre.core.errors import Refused

routes = Routes()
PAGE_MAX, NUMBER_MAX = 500, 2**53
Number = Annotated[int, Path(ge=1, le=NUMBER_MAX, description="An incident's number.")]
AlertId = Annotated[str, Path(pattern="^[0-9a-zA-Z]{1,64}$", description="An alert's id.")]
Version = Annotated[
    int | None,
    Field(ge=0, le=NUMBER_MAX, description="Only if this is still the incident's version."),
]
OpenState = Literal["new", "in progress", "on hold"]


class Body(BaseModel):
    """What a call is told; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


Words = Annotated[str, Field(max_length=500)]


class IncidentFilters(Body):
    """Which incidents; empty fields ask for all open ones."""

    text: Words = ""
    state: Literal["", "new", "in progress", "on hold", "closed", "all"] = ""
    level: Literal["", "informational", "low", "medium", "high", "critical"] = ""
    entity: Words = ""
    organization: Words = ""
    assignee: Words = Field("", description="A person, `me`, or `-` for nobody.")
    rule: Words = ""
    since: Words = Field("", description="Of the last alert: a time, as 2026-11-25T01:00:00Z.")
    until: Words = ""
    limit: int = Field(50, ge=1, le=PAGE_MAX)
    offset: int = Field(0, ge=0, le=1_000_000)


class AlertFilters(Body):
    """Which alerts; empty fields ask for all."""

    text: Words = ""
    level: Literal["", "informational", "low", "medium", "high", "critical"] = ""
    rule: Words = Field("", description="A rule's id, or words of its title.")
    host: Words = ""
    user: Words = ""
    tag: Words = ""
    since: Words = Field("", description="Of the event: a time, as 2026-11-25T01:00:00Z.")
    until: Words = ""
    limit: int = Field(50, ge=1, le=PAGE_MAX)
    offset: int = Field(0, ge=0, le=10_000)


class Person(Body):
    """Who is to work on it; empty for nobody."""

    person: str = Field("", max_length=64)
    version: Version = None


class State(Body):
    """An open state."""

    state: OpenState
    version: Version = None


class Closing(Body):
    """What it turned out to be."""

    disposition: Disposition
    comment: str = Field("", max_length=20_000)
    version: Version = None


class Comment(Body):
    """A comment."""

    text: str = Field(min_length=1, max_length=20_000)


class Task(Body):
    """What is to be done, and by whom."""

    text: str = Field(min_length=1, max_length=20_000)
    person: str = Field("", max_length=64)


class Clock(Body):
    """A legal clock; without a time it began when the incident was opened."""

    clock: str = Field(max_length=64)
    since: datetime | None = None


class Many(Body):
    """A decision about all that match; without ``expected`` they are only counted."""

    query: dict[Literal["text", "level", "state", "entity", "organization", "assignee", "rule"],
                Annotated[str, Field(max_length=500)]]  # fmt: skip
    expected: int | None = Field(None, ge=0, le=NUMBER_MAX)
    disposition: Disposition | None = None
    state: OpenState | None = None
    person: str | None = Field(None, max_length=64)
    comment: str = Field("", max_length=20_000)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of incidents, and how many there are."""

    total: int
    incidents: list[Incident]


@dataclass(frozen=True, slots=True)
class Whole:
    """An incident with all that is known of it."""

    incident: Incident
    alerts: list[Member]
    alerts_of_others: int
    comments: list[tuple[str, str, str]]
    tasks: list[tuple[int, str, str, str]]
    clocks: list[tuple[str, str, str, str, str]]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many a decision was, or would be, about."""

    count: int
    decided: bool


@routes.call("GET", "v1/openapi.json", may="login")
def describe(at: At) -> Response:
    """Give the description of this API."""
    app = at.request.app
    every = [route for route in app.routes if getattr(route, "include_in_schema", False)]
    ours = [route for route in every if route.path.startswith(API)]
    return JSONResponse(get_openapi(title="Luytre", version="1", routes=ours))


@routes.call("GET", "v1/me", may="login")
def me(at: At) -> dict[str, Any]:
    """Say who asks: user, roles, and organisations (none: all)."""
    names = at.scope.organizations
    return {
        "user": at.actor.user,
        "roles": sorted(at.actor.roles),
        "organizations": None if names is None else sorted(names),
    }


@routes.call("GET", "v1/incidents", may="read")
def find(at: At, asked: Annotated[IncidentFilters, Query()]) -> Found:
    """Give incidents, the most urgent first; the filters are those of the queue's address."""
    query = read_query(at, at.request.query_params)
    query = replace(query, limit=asked.limit, offset=asked.offset)
    found = at.bench.incidents.find(query, at.scope)
    return Found(at.bench.incidents.count(query, at.scope), found)


@routes.call("GET", "v1/incidents/{number}", may="read")
def get(at: At, number: Number) -> Whole:
    """Give one incident with its alerts, comments, tasks and clocks."""
    reads = at.bench.incidents
    incident = reads.get(number, at.scope)
    members, hidden = reads.members(number, at.scope)
    return Whole(
        incident, members, hidden, reads.comments(number, at.scope),
        reads.tasks(number, at.scope), reads.clocks(number, at.scope),
    )  # fmt: skip


@routes.call("POST", "v1/incidents/many", may="triage")
def decide_many(at: At, body: Many) -> Counted:
    """Decide about all that match, if they are as many as expected; else only count them."""
    asked = IncidentQuery()
    if body.query:
        asked = read_query(at, type(at.request.query_params)(body.query))
    if body.expected is None:
        return Counted(at.bench.incidents.count(asked, at.scope), decided=False)
    if body.disposition is None and body.state is None and body.person is None:
        raise Refused("say what to decide")
    done = at.bench.decisions.decide_many(
        at.actor, asked, body.expected, disposition=body.disposition, state=body.state,
        person=body.person, comment=body.comment,
    )  # fmt: skip
    return Counted(done, decided=True)


@routes.call("POST", "v1/incidents/{number}/assign", may="triage")
def assign(at: At, number: Number, body: Person) -> Incident:
    """Give it to somebody, or to nobody."""
    at.bench.decisions.assign(at.actor, number, body.person, body.version)
    return at.bench.incidents.get(number, at.scope)


@routes.call("POST", "v1/incidents/{number}/state", may="triage")
def set_state(at: At, number: Number, body: State) -> Incident:
    """Set an open state; a closed incident is so opened again."""
    state: IncidentState = body.state
    at.bench.decisions.set_state(at.actor, number, state, body.version)
    return at.bench.incidents.get(number, at.scope)


@routes.call("POST", "v1/incidents/{number}/close", may="triage")
def close(at: At, number: Number, body: Closing) -> Incident:
    """Close it with what it turned out to be."""
    at.bench.decisions.close(at.actor, number, body.disposition, body.comment, body.version)
    return at.bench.incidents.get(number, at.scope)


@routes.call("POST", "v1/incidents/{number}/comments", may="triage")
def comment(at: At, number: Number, body: Comment) -> Incident:
    """Write a comment."""
    at.bench.decisions.comment(at.actor, number, body.text)
    return at.bench.incidents.get(number, at.scope)


@routes.call("POST", "v1/incidents/{number}/tasks", may="triage")
def add_task(at: At, number: Number, body: Task) -> dict[str, int]:
    """Add a task, and give its number."""
    return {"task": at.bench.decisions.add_task(at.actor, number, body.text, body.person)}


@routes.call("POST", "v1/incidents/{number}/tasks/{task}/done", may="triage")
def finish_task(
    at: At, number: Number, task: Annotated[int, Path(ge=1, le=NUMBER_MAX)]
) -> Incident:
    """Say that a task is done."""
    at.bench.decisions.finish_task(at.actor, number, task)
    return at.bench.incidents.get(number, at.scope)


@routes.call("POST", "v1/incidents/{number}/clocks", may="triage")
def start_clock(at: At, number: Number, body: Clock) -> dict[str, str]:
    """Start a legal clock, and give when it is due."""
    found = at.bench.clocks.start(at.actor, number, body.clock, body.since)
    return {"clock": found.clock.id, "due": found.due_at.isoformat()}


@routes.call("POST", "v1/incidents/{number}/clocks/{clock}/stop", may="triage")
def stop_clock(at: At, number: Number, clock: str) -> Incident:
    """Say that what a clock asks for is done."""
    at.bench.clocks.stop(at.actor, number, clock)
    return at.bench.incidents.get(number, at.scope)


@routes.call("GET", "v1/alerts", may="read")
def find_alerts(at: At, asked: Annotated[AlertFilters, Query()]) -> Response:
    """Give alerts, newest first; each with its event, reasons and original (base64)."""
    query = alerts.read_query(at, at.request.query_params)
    query = replace(query, limit=asked.limit, offset=asked.offset)
    found = at.bench.alerts.find(query, at.scope)
    return _json({"total": at.bench.alerts.count(query, at.scope), "alerts": found})


@routes.call("GET", "v1/alerts/{name}", may="read")
def get_alert(at: At, name: AlertId) -> Response:
    """Give one alert by its id, or the beginning of it."""
    found = at.bench.alerts.get(name, at.scope)
    if found is None:
        raise Refused(f"no alert, or more than one, begins with {name}")
    return _json(found)


@routes.call("POST", "v1/alerts/{name}/close", may="triage")
def close_alert(at: At, name: AlertId, body: Closing) -> dict[str, int]:
    """Say what one alert turned out to be, and give its incident, which stays as it is."""
    number = at.bench.regrouping.close_alert(at.actor, name, body.disposition, body.comment)
    return {"incident": number}


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
