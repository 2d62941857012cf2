"""A queue's address as a query, and back: filters live in the URL, so they can be kept and sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from luytre.audit.canonical import stamp
from luytre.cases.model import OPEN_STATES, STATES, IncidentQuery, IncidentState
from luytre.console.text import moment_of, typed
from luytre.core.alert import LEVELS, Level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.datastructures import QueryParams

    from luytre.console.visit import Desk

PAGE = 40
OFFSET_MAX = 1_000_000
TEXT_CHARS_MAX = 500
TEXTS = ("assignee", "rule", "entity", "organization")
ME = "me"


def read_query(at: Desk, params: QueryParams) -> IncidentQuery:
    """Return the query that an address asks; what is no value of ours asks for nothing."""
    states = tuple(state for state in STATES if state in params.getlist("state"))
    levels = tuple(level for level in LEVELS if level in params.getlist("level"))
    given = {name: params.get(name, "")[:TEXT_CHARS_MAX].strip() for name in (*TEXTS, "text")}
    if given["assignee"] == ME:
        given["assignee"] = at.actor.user
    everything = "all" in params.getlist("state")
    return IncidentQuery(
        states=STATES if everything else states or OPEN_STATES,
        levels=levels,
        since=_time(params.get("since", ""), at.zone),
        until=_time(params.get("until", ""), at.zone),
        backfill={"only": True, "without": False}.get(params.get("backfill", "")),
        limit=PAGE,
        offset=_number(params.get("offset", ""), OFFSET_MAX),
        assignee=given["assignee"],
        rule=given["rule"],
        entity=given["entity"],
        organization=given["organization"],
        text=given["text"],
    )


def write_query(query: IncidentQuery, **changes: str) -> str:
    """Return the address's part after ``?`` for a query."""
    pairs: list[tuple[str, str]] = []
    if query.states == STATES:
        pairs.append(("state", "all"))
    elif query.states != OPEN_STATES:
        pairs += [("state", state) for state in query.states]
    pairs += [("level", level) for level in query.levels]
    pairs += [(name, getattr(query, name)) for name in (*TEXTS, "text", "since", "until")]
    if query.backfill is not None:
        pairs.append(("backfill", "only" if query.backfill else "without"))
    pairs = [(name, value) for name, value in pairs if name not in changes]
    pairs += changes.items()
    return urlencode([(name, value) for name, value in pairs if value])


def tabs(at: Desk, query: IncidentQuery) -> list[tuple[str, str, bool]]:
    """Return path, label and whether it is shown, of the views that everybody has."""
    own = at.actor.user
    views: Sequence[tuple[str, IncidentQuery]] = (
        (at._("All open"), IncidentQuery()),
        (at._("Mine"), IncidentQuery(assignee=own)),
        (at._("Nobody's"), IncidentQuery(assignee="-")),
        (at._("New"), IncidentQuery(states=("new",))),
        (at._("Critical and high"), IncidentQuery(levels=("high", "critical"))),
        (at._("Closed"), IncidentQuery(states=("closed",))),
    )
    return [(path_of(view), label, same(view, query)) for label, view in views]


def path_of(query: IncidentQuery) -> str:
    """Return the address of a queue."""
    asked = write_query(query)
    return f"/incidents?{asked}" if asked else "/incidents"


def same(one: IncidentQuery, other: IncidentQuery) -> bool:
    """Tell whether two queries ask for the same, whatever page of it."""
    return replace(one, limit=0, offset=0) == replace(other, limit=0, offset=0)


def choices(query: IncidentQuery) -> Mapping[str, str]:
    """Return what the filter's fields hold."""
    state: str = query.states[0] if len(query.states) == 1 else ""
    level: str = query.levels[0] if len(query.levels) == 1 else ""
    return {"state": "all" if query.states == STATES else state, "level": level}


def states_of(name: str) -> IncidentState | None:
    """Return an open state by its name."""
    return next((state for state in OPEN_STATES if state == name), None)


def level_of(name: str) -> Level | None:
    """Return a level by its name."""
    return next((level for level in LEVELS if level == name), None)


def _time(text: str, zone: str) -> str:
    moment = (moment_of(text) if text.endswith("Z") else typed(text, zone)) if text else None
    return stamp(moment) if moment else ""


def _number(text: str, most: int) -> int:
    return min(int(text), most) if text.isascii() and text.isdigit() else 0
