"""One incident: why it is urgent, its alerts, what is done about it, and the clocks of the law."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path as Folder
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Form, Path
from starlette.responses import Response

from luytre.audit.canonical import stamp
from luytre.cases.clocks import read_profiles
from luytre.cases.model import DISPOSITIONS, OPEN_STATES
from luytre.console import plots
from luytre.console.pages.incidents import disposition_of
from luytre.console.queue_query import states_of
from luytre.console.render import go_to, render
from luytre.console.routes import At, Routes, Typed
from luytre.console.text import typed
from luytre.core.alert import LEVELS
from luytre.core.errors import Refused
from luytre.core.zone import parse_zone
from luytre.processor.kept import Kept
from luytre.processor.pack import Rooms, pack
from luytre.processor.places import Places
from playbooks.binding import fitting, given_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.cases.model import Member, Step
    from luytre.console.visit import Desk
    from luytre.core.alert import Alert
    from playbooks.load import Loaded

routes = Routes()
Number = Annotated[int, Path(ge=1, le=2**53)]
Version = Annotated[int, Form()]
SUGGESTED = 4
UNSAID = frozenset({"version", "backfill", "level", "score", "state"})
"""Shown elsewhere on the page, or for machines."""


@routes.get("/incidents/{number:int}", may="read")
def show(at: At, number: Number) -> Response:
    """Show all that is known and decided about an incident."""
    bench = at.bench
    incident = bench.incidents.get(number, at.scope)
    members, hidden = bench.incidents.members(number, at.scope)
    runs = bench.runs.rows.of_incident(number, at.scope)
    return render(
        at,
        "incidents/incident.html",
        incident=incident,
        members=members,
        hidden=hidden,
        plot=_plot(at, members),
        things=_things(members),
        life=list(reversed(bench.incidents.life(number, at.scope))),
        line=_line,
        comments=bench.incidents.comments(number, at.scope),
        tasks=bench.incidents.tasks(number, at.scope),
        clocks=_clocks(at, number),
        runs=runs,
        playbooks=suggested(at, _gravest(at, members)),
        people=bench.users.colleagues(at.scope),
        open_states=OPEN_STATES,
        dispositions=DISPOSITIONS,
    )


@routes.post("/incidents/{number:int}/take", may="triage")
def take(at: At, number: Number, version: Version) -> Response:
    """Take it: it is mine, and in progress."""
    at.bench.decisions.assign(at.actor, number, at.actor.user, version)
    if at.bench.incidents.get(number, at.scope).state != "in progress":
        at.bench.decisions.set_state(at.actor, number, "in progress")
    return _back(at, number, at._("It is yours."))


@routes.post("/incidents/{number:int}/assign", may="triage")
def assign(at: At, number: Number, version: Version, person: Typed = "") -> Response:
    """Give it to somebody, or to nobody."""
    at.bench.decisions.assign(at.actor, number, person, version)
    return _back(at, number, at._("Given to %(name)s.", name=person or at._("nobody")))


@routes.post("/incidents/{number:int}/state", may="triage")
def set_state(at: At, number: Number, version: Version, state: Typed = "") -> Response:
    """Set an open state; what was closed is so opened again."""
    chosen = states_of(state)
    if chosen is None:
        raise Refused("say which state")
    at.bench.decisions.set_state(at.actor, number, chosen, version)
    return _back(at, number, at._("The state is set."))


@routes.post("/incidents/{number:int}/close", may="triage")
def close(
    at: At, number: Number, version: Version, disposition: Typed = "", comment: Typed = ""
) -> Response:
    """Close it with what it turned out to be."""
    word = disposition_of(disposition)
    if word is None:
        raise Refused("an incident is closed with its disposition")
    at.bench.decisions.close(at.actor, number, word, comment, version)
    return _back(at, number, at._("It is closed."))


@routes.post("/incidents/{number:int}/comments", may="triage")
def comment(at: At, number: Number, text: Typed = "") -> Response:
    """Write a comment."""
    at.bench.decisions.comment(at.actor, number, text)
    return _back(at, number, at._("The comment is written."), "#comments")


@routes.post("/incidents/{number:int}/tasks", may="triage")
def add_task(at: At, number: Number, text: Typed = "", person: Typed = "") -> Response:
    """Add a task."""
    at.bench.decisions.add_task(at.actor, number, text, person)
    return _back(at, number, at._("The task is added."), "#tasks")


@routes.post("/incidents/{number:int}/tasks/done", may="triage")
def finish_task(at: At, number: Number, task: Annotated[int, Form(ge=0, le=2**53)]) -> Response:
    """Say that a task is done."""
    at.bench.decisions.finish_task(at.actor, number, task)
    return _back(at, number, at._("The task is done."), "#tasks")


@routes.post("/incidents/{number:int}/clocks", may="triage")
def start_clock(at: At, number: Number, clock: Typed = "", since: Typed = "") -> Response:
    """Start a legal clock, at a time or when the incident was opened."""
    begins = typed(since, at.zone) if since else None
    if since and begins is None:
        raise Refused("this is no time")
    at.bench.clocks.start(at.actor, number, clock, begins)
    return _back(at, number, at._("The clock runs."))


@routes.post("/incidents/{number:int}/clocks/stop", may="triage")
def stop_clock(at: At, number: Number, clock: Typed = "") -> Response:
    """Say that what a clock asks for is done."""
    at.bench.clocks.stop(at.actor, number, clock)
    return _back(at, number, at._("The clock is stopped."))


@routes.post("/incidents/{number:int}/merge", may="triage")
def merge(
    at: At, number: Number, version: Version, into: Annotated[int, Form(ge=1, le=2**53)]
) -> Response:
    """Make it a part of another incident."""
    at.bench.regrouping.merge(at.actor, number, into, version)
    return _back(at, into, at._("Incident %(number)s is part of this one now.", number=number))


@routes.post("/incidents/{number:int}/split", may="triage")
def split(
    at: At, number: Number, version: Version, alert: Annotated[list[str] | None, Form()] = None
) -> Response:
    """Move the ticked alerts to an incident of their own."""
    if not alert:
        raise Refused("no alert is ticked")
    fresh = at.bench.regrouping.split(at.actor, number, alert, version)
    return _back(at, fresh, at._("Split off from incident %(number)s.", number=number))


@routes.post("/incidents/{number:int}/runs", may="playbook.run")
def start_run(at: At, number: Number, playbook: Typed = "") -> Response:
    """Start a playbook for the gravest alert of the incident."""
    incident = at.bench.incidents.get(number, at.scope)
    members, _ = at.bench.incidents.members(number, at.scope)
    shelf = at.house.shelf()
    loaded = shelf.get(playbook)
    alert = _gravest(at, members)
    run = at.bench.runs.start(
        at.actor,
        shelf.playbooks,
        loaded.playbook.id,
        given_by(loaded, alert) if alert else {},
        organization=incident.organization,
        incident=str(number),
        alert=alert.id if alert else "",
    )
    at.say("The playbook has begun.")
    return go_to(f"/runs/{run}")


@routes.post("/incidents/{number:int}/pack", may="read")
def pack_evidence(at: At, number: Number) -> Response:
    """Give the evidence of the incident as a file; that it was packed is in the history."""
    places = Places(at.house.config.data_dir)
    with TemporaryDirectory() as folder, closing(Kept(places.kept)) as kept:
        target = Folder(folder) / f"incident-{number}.zip"
        rooms = Rooms(at.bench.cases, at.bench.alerts, at.bench.archive, kept)
        pack(rooms, at.actor, number, target)
        answer = Response(target.read_bytes(), media_type="application/zip")
    answer.headers["Content-Disposition"] = f'attachment; filename="incident-{number}.zip"'
    return answer


def suggested(at: Desk, alert: Alert | None) -> list[tuple[str, str, str]]:
    """Return id, name and description of the playbooks for an alert, the closest first."""
    if alert is None:
        return []
    found: Sequence[Loaded] = fitting(at.house.shelf().playbooks.values(), alert)
    return [(p.playbook.id, *p.words(at.language)) for p in found[:SUGGESTED]]


def _gravest(at: Desk, members: Sequence[Member]) -> Alert | None:
    """Return the alert of the highest level, the first of several."""
    best = max(members, key=lambda each: LEVELS.index(each.level), default=None)
    return at.bench.alerts.get(best.document, at.scope) if best else None


def _things(members: Sequence[Member]) -> list[tuple[str, str, int]]:
    """Return kind, value and number of alerts of what the alerts are about."""
    counted: dict[str, int] = {}
    for member in members:
        for entity in member.entities:
            counted[entity] = counted.get(entity, 0) + 1
    ordered = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    return [(*entity.partition(":")[::2], count) for entity, count in ordered]


def _clocks(at: Desk, number: int) -> list[dict[str, Any]]:
    """Return the clocks that the law has now, with how each stands for an incident."""
    now = at.house.clock.now()
    rows = {row[0]: row for row in at.bench.incidents.clocks(number, at.scope)}
    held = [p for p in read_profiles() if p.effective_from <= now.date()]
    known = {clock.id: clock for profile in held for clock in profile.clocks}
    current = {clock.id for clock in held[-1].clocks} if held else set()
    found = []
    for name, clock in known.items():
        if name not in rows and name not in current:
            continue
        _, _, started, due, stopped = rows.get(name, ("", "", "", "", ""))
        found.append({
            "id": name, "what": clock.vi if at.language == "vi" else clock.en,
            "source": clock.source, "hours": clock.hours, "started": started, "due": due,
            "stopped": stopped, "late": bool(due) and (stopped or stamp(now)) > due,
        })  # fmt: skip
    return found


def _plot(at: Desk, members: Sequence[Member]) -> Any:
    """Return the alerts on a line of time; of one moment nothing is drawn."""
    times = [datetime.fromisoformat(member.at) for member in members]
    if len(set(times)) < 2:  # noqa: PLR2004 - one moment is no line
        return None
    first, last = min(times), max(times)
    length = (last - first).total_seconds()
    points = [
        ((when - first).total_seconds() / length, member.level, at.rule(member.title, member.rule))
        for when, member in zip(times, members, strict=True)
    ]
    zone = parse_zone(at.zone)
    ends = tuple(f"{when.astimezone(zone):%H:%M:%S}" for when in (first, last))
    return plots.strip(at._("Alerts in the order of their events"), points, (ends[0], ends[1]))


def _line(step: Step) -> str:
    """Return in a few words what a line of the history says."""
    after = step.detail.get("after")
    if isinstance(after, dict):
        return ", ".join(
            f"{name}: {len(value) if isinstance(value, list) else value}"
            for name, value in after.items()
            if value not in (None, "", []) and name not in UNSAID
        )
    return str(after or "")


def _back(at: Desk, number: int, line: str, anchor: str = "") -> Response:
    at.bench.sessions.say(at.token, line)
    return go_to(f"/incidents/{number}{anchor}")
