"""The queue: open incidents, the most urgent first, with filters, views, and decisions on many."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Form
from markupsafe import Markup
from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response

from luytre.audit.canonical import stamp
from luytre.cases.model import DISPOSITIONS, OPEN_STATES, STATES, Disposition, IncidentQuery
from luytre.cases.overview import GROUPINGS, Grouping
from luytre.console import plots
from luytre.console.queue_query import (
    choices,
    path_of,
    read_query,
    same,
    states_of,
    tabs,
    write_query,
)
from luytre.console.render import go_to, render
from luytre.console.routes import At, NavItem, Routes, Typed
from luytre.console.words import N_
from luytre.core.alert import LEVELS
from luytre.core.errors import Forbidden, LuytreError, NeighbourError, Refused
from luytre.core.zone import parse_zone

if TYPE_CHECKING:
    from luytre.console.visit import Desk

routes = Routes()
NAV = (NavItem("/incidents", N_("Incidents"), "read", order=10),)
HOURS = 24
CHOSEN_MAX = 500


@routes.get("/incidents", may="read")
def queue(at: At) -> Response:
    """Show incidents, the most urgent first."""
    query = read_query(at, at.request.query_params)
    by = next((g for g in GROUPINGS if g == at.request.query_params.get("group")), None)
    total = at.bench.incidents.count(query, at.scope)
    found = [] if by else at.bench.incidents.find(query, at.scope)
    newest = at.bench.overview.newest(at.scope)
    return render(
        at,
        "incidents/queue.html",
        query=query,
        chosen=choices(query),
        tabs=tabs(at, query),
        views=_views(at, query),
        total=total,
        found=found,
        things=at.bench.overview.entities([each.id for each in found], at.scope),
        by=by,
        groups=_groups(at, query, by) if by else [],
        groupings=GROUPINGS,
        plot=_plot(at),
        live=f"/incidents/live?{write_query(query, after=str(newest))}",
        many=f"/incidents/many?{write_query(query)}",
        asked=write_query(query),
        now=at.house.clock.now(),
        people=at.bench.users.colleagues(at.scope),
        states=STATES,
        open_states=OPEN_STATES,
        dispositions=DISPOSITIONS,
    )


@routes.get("/incidents/live", may="read")
def live(at: At, after: int = 0) -> Response:
    """Say how many incidents of a queue were opened after the newest that its page shows."""
    query = replace(read_query(at, at.request.query_params), after=max(after, 0))
    count = at.bench.incidents.count(query, at.scope)
    words = at.words.ngettext("%(count)s new incident", "%(count)s new incidents", count)
    return JSONResponse({"count": count, "text": words % {"count": count}})


@routes.post("/incidents/chosen", may="triage")
def decide_chosen(
    at: At,
    number: Annotated[list[str] | None, Form()] = None,
    do: Annotated[str, Form()] = "",
    person: Annotated[str, Form()] = "",
    state: Annotated[str, Form()] = "",
    disposition: Annotated[str, Form()] = "",
    comment: Typed = "",
    back: Annotated[str, Form()] = "",
) -> Response:
    """Decide about the incidents that were ticked; each says why if it was not done."""
    chosen = [_chosen(each) for each in (number or [])[:CHOSEN_MAX]]
    if not chosen:
        raise Refused("no incident is ticked")
    done, not_done = 0, []
    for identity, version in chosen:
        try:
            _decide(at, do, identity, version, {
                "person": person, "state": state, "disposition": disposition, "comment": comment,
            })  # fmt: skip
            done += 1
        except (Forbidden, NeighbourError):
            raise
        except LuytreError as error:
            not_done.append(f"{identity}: {error}")
    line = at._("Decided: %(count)s", count=done)
    at.say(f"{line}. {'; '.join(not_done)[:1000]}" if not_done else line)
    return go_to(f"/incidents?{QueryParams(back)}" if back else "/incidents")


@routes.get("/incidents/many", may="triage")
def count_many(at: At) -> Response:
    """Show what a decision about all that match would be about, before it is taken."""
    query = read_query(at, at.request.query_params)
    return render(
        at,
        "incidents/many.html",
        total=at.bench.incidents.count(query, at.scope),
        first=at.bench.incidents.find(replace(query, limit=10, offset=0), at.scope),
        asked=write_query(query),
        people=at.bench.users.colleagues(at.scope),
        open_states=OPEN_STATES,
        dispositions=DISPOSITIONS,
    )


@routes.post("/incidents/many", may="triage")
def decide_many(
    at: At,
    asked: Annotated[str, Form()] = "",
    expected: Annotated[int, Form()] = 0,
    do: Annotated[str, Form()] = "",
    person: Annotated[str, Form()] = "",
    state: Annotated[str, Form()] = "",
    disposition: Annotated[str, Form()] = "",
    comment: Typed = "",
) -> Response:
    """Decide about all that match, if they are still as many as were counted."""
    query = read_query(at, QueryParams(asked))
    decisions: dict[str, dict[str, Any]] = {
        "assign": {"person": person},
        "state": {"state": states_of(state)},
        "close": {"disposition": disposition_of(disposition)},
    }
    what = decisions.get(do, {})
    if not any(value is not None for value in what.values()):
        raise Refused("say what to decide")
    done = at.bench.decisions.decide_many(at.actor, query, expected, comment=comment, **what)
    at.say("Decided: %(count)s", count=done)
    return go_to(path_of(query))


@routes.post("/incidents/views", may="triage")
def save_view(at: At, name: Typed = "", asked: Annotated[str, Form()] = "") -> Response:
    """Keep the shown filters under a name, for everybody."""
    query = replace(read_query(at, QueryParams(asked)), offset=0)
    at.bench.decisions.save_view(at.actor, name.strip()[:60], query)
    at.say("The view is kept.")
    return go_to(path_of(query))


@routes.post("/incidents/views/delete", may="triage")
def delete_view(at: At, name: Typed = "") -> Response:
    """Forget a view of one's own."""
    at.bench.decisions.delete_view(at.actor, name)
    at.say("The view is forgotten.")
    return go_to("/incidents")


def disposition_of(name: str) -> Disposition | None:
    """Return a disposition by its name."""
    return next((known for known in DISPOSITIONS if known == name), None)


def _decide(at: Desk, do: str, number: int, version: int, given: dict[str, str]) -> None:
    decisions = at.bench.decisions
    match do:
        case "take":
            decisions.assign(at.actor, number, at.actor.user, version)
        case "assign":
            decisions.assign(at.actor, number, given["person"], version)
        case "state":
            state = states_of(given["state"])
            if state is None:
                raise Refused("say which state")
            decisions.set_state(at.actor, number, state, version)
        case "close":
            disposition = disposition_of(given["disposition"])
            if disposition is None:
                raise Refused("an incident is closed with its disposition")
            decisions.close(at.actor, number, disposition, given["comment"], version)
        case _:
            raise Refused("say what to decide")


def _chosen(text: str) -> tuple[int, int]:
    number, _, version = text.partition(":")
    if not (number.isascii() and number.isdigit() and version.isascii() and version.isdigit()):
        raise Refused("no incident is ticked")
    return int(number[:18]), int(version[:18])


def _views(at: Desk, query: IncidentQuery) -> list[dict[str, Any]]:
    return [
        {"name": name, "path": path_of(view), "here": same(view, query),
         "mine": owner == at.actor.user, "owner": owner}
        for name, (owner, view) in at.bench.decisions.views().items()
    ]  # fmt: skip


def _groups(at: Desk, query: IncidentQuery, by: Grouping) -> list[dict[str, Any]]:
    return [
        {"group": group, "path": f"/incidents?{write_query(query, **{by: group.value or '-'})}"}
        for group in at.bench.overview.groups(query, at.scope, by)
    ]


def _plot(at: Desk) -> dict[str, Any]:
    """Return the alerts of the last day by the hour, as a picture and as rows."""
    now = at.house.clock.now()
    last = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    hours = [last - timedelta(hours=n) for n in range(HOURS, 0, -1)]
    found = at.bench.overview.per_time(at.scope, stamp(hours[0]), stamp(last))
    zone = parse_zone(at.zone)
    local = {hour: hour.astimezone(zone).strftime("%H:%M") for hour in hours}
    values: dict[tuple[str, str], int] = {
        (local[hour], level): found.get((_key(hour), level), 0)
        for hour in hours
        for level in LEVELS
    }
    links = {
        local[hour]: f"/alerts?since={_key(hour)}:00Z&until={_key(hour + timedelta(hours=1))}:00Z"
        for hour in hours
    }
    series = [(level, f"bar-{level}") for level in reversed(LEVELS)]
    title = at._("Alerts by the hour, last 24 hours")
    rows = [(local[hour], [values[local[hour], level] for level in LEVELS]) for hour in hours]
    total = sum(values.values())
    drawn = (
        plots.stacked(title, list(local.values()), series, values, links) if total else Markup("")
    )
    return {"title": title, "svg": drawn, "rows": rows, "total": total}


def _key(hour: datetime) -> str:
    return stamp(hour)[:13]
