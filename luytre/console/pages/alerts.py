"""Alerts: searched, and each explained: why it fired, what stood around it, what is like it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
from fastapi import Form
from starlette.responses import Response

from luytre.cases.model import DISPOSITIONS
from luytre.console.pages.incident import suggested
from luytre.console.pages.incidents import disposition_of
from luytre.console.queue_query import level_of
from luytre.console.render import go_to, render
from luytre.console.routes import At, NavItem, Routes, Typed
from luytre.console.text import moment_of, typed
from luytre.console.words import N_
from luytre.core.alert import AlertQuery
from luytre.core.errors import Refused
from playbooks.binding import given_by
from playbooks.rehearse import rehearse

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from luytre.cases.model import Incident
    from luytre.console.visit import Desk
    from luytre.core.alert import Alert

routes = Routes()
NAV = (NavItem("/alerts", N_("Alerts"), "read", order=20),)
PAGE, SIMILAR, OFFSET_MAX, TEXT_CHARS_MAX = 50, 6, 10_000, 500
AROUND = timedelta(minutes=15)
CONTEXT_ROWS_MAX = 100
SAID = ("event.action", "event.outcome", "process.command_line", "process.executable",
        "process.parent.executable", "file.path", "registry.path", "dns.question.name",
        "http.request.method", "url.original", "http.response.status_code", "source.ip",
        "destination.ip", "destination.port", "rule.name", "message")  # fmt: skip
"""What an event of the archive says of itself in one line."""
SHOWN = ("event.id", "@timestamp", "event.dataset", "host.name", "user.name", *SAID,
         "event.original")  # fmt: skip
FIRST = ("host.name", "user.name", "source.ip", "destination.ip", "process.command_line",
         "url.original", "message")  # fmt: skip
TECHNICAL = ("@timestamp", "event.id", "event.ingested", "log.", "luytre.", "organization.")
"""Fields that say how an event was kept, not what happened."""


@routes.get("/alerts", may="read")
def search(at: At) -> Response:
    """Show alerts, newest first."""
    query = read_query(at, at.request.query_params)
    return render(
        at,
        "alerts/alerts.html",
        query=query,
        found=at.bench.alerts.find(query, at.scope),
        total=at.bench.alerts.count(query, at.scope),
        level=query.levels[0] if query.levels else "",
    )


@routes.get("/alerts/{name}", may="read")
def show(at: At, name: str) -> Response:
    """Show one alert with all that a person needs to judge it."""
    alert = _alert(at, name)
    seen = alert.seen_at or alert.ingested_at
    facts = _facts(alert)
    similar = AlertQuery(rule=alert.rule.id, limit=SIMILAR)
    incident = _incident(at, alert)
    playbooks = suggested(at, alert)
    return render(
        at,
        "alerts/alert.html",
        alert=alert,
        seen=seen,
        original=alert.original.decode(errors="backslashreplace"),
        marks={r.column: r for r in alert.reasons if r.column},
        technical=[(n, v) for n, v in facts if n.startswith(TECHNICAL)],
        history=at.bench.alerts.history(alert.id, at.scope) if alert.episode else [],
        facts=[(n, v) for n, v in facts if not n.startswith(TECHNICAL)],
        assets=[(name, value) for name, value in facts if ".asset." in name or "threat." in name],
        similar=[each for each in at.bench.alerts.find(similar, at.scope) if each.id != alert.id],
        similar_count=at.bench.alerts.count(replace(similar, limit=0), at.scope),
        incident=incident,
        member=_member(at, incident, alert),
        comments=at.bench.incidents.comments(incident.id, at.scope) if incident else [],
        playbooks=playbooks,
        steps=_steps(at, alert, playbooks[0][0]) if playbooks else [],
        description=_description(at, alert),
        dispositions=DISPOSITIONS,
        techniques=[t.removeprefix("attack.").upper() for t in alert.rule.tags
                    if t.startswith("attack.t")],
    )  # fmt: skip


@routes.get("/alerts/{name}/context", may="read")
def context(at: At, name: str) -> Response:
    """Show what else the same host and user did, a quarter of an hour before and after."""
    alert = _alert(at, name)
    seen = alert.seen_at or alert.ingested_at
    same = {
        c: alert.event[c] for c in ("host.name", "user.name", "source.ip") if alert.event.get(c)
    }
    # A source address of somebody on the Internet says more than a server's own name in its log.
    wanted = {c: v for c, v in same.items() if c != "source.ip"} or same
    return render(
        at,
        "alerts/context.html",
        alert=alert,
        same=wanted,
        rows=_around(at, wanted, seen) if wanted else [],
        most=CONTEXT_ROWS_MAX,
        since=seen - AROUND,
        until=seen + AROUND,
    )


@routes.post("/alerts/{name}/close", may="triage")
def close(
    at: At,
    name: str,
    disposition: Annotated[str, Form()] = "",
    comment: Typed = "",
) -> Response:
    """Say what one alert turned out to be; its incident stays as it is."""
    word = disposition_of(disposition)
    if word is None:
        raise Refused("say what the alert turned out to be")
    alert = _alert(at, name)
    at.bench.regrouping.close_alert(at.actor, alert.id, word, comment)
    at.say("The alert is judged.")
    return go_to(f"/alerts/{alert.id}")


@routes.post("/alerts/{name}/comments", may="triage")
def comment(at: At, name: str, text: Typed = "") -> Response:
    """Write a comment to the alert's incident."""
    alert = _alert(at, name)
    incident = at.bench.incidents.incident_of(alert.id, at.scope)
    at.bench.decisions.comment(at.actor, incident.id, text)
    at.say("The comment is written.")
    return go_to(f"/alerts/{alert.id}#comments")


@routes.post("/alerts/{name}/runs", may="playbook.run")
def start_run(at: At, name: str, playbook: Annotated[str, Form()] = "") -> Response:
    """Start a playbook for this alert."""
    alert, shelf = _alert(at, name), at.house.shelf()
    loaded, incident = shelf.get(playbook), _incident(at, alert)
    run = at.bench.runs.start(
        at.actor,
        shelf.playbooks,
        loaded.playbook.id,
        given_by(loaded, alert),
        organization=alert.organization_id,
        incident=str(incident.id) if incident else "",
        alert=alert.id,
    )
    at.say("The playbook has begun.")
    return go_to(f"/runs/{run}")


def read_query(at: Desk, params: QueryParams) -> AlertQuery:
    """Return the query that an address asks; what is no value of ours asks for nothing."""
    given = {
        name: params.get(name, "")[:TEXT_CHARS_MAX].strip()
        for name in ("text", "rule", "host", "user", "tag")
    }
    level = level_of(params.get("level", ""))
    offset = params.get("offset", "")
    return AlertQuery(
        levels=(level,) if level else (),
        since=_time(params.get("since", ""), at.zone),
        until=_time(params.get("until", ""), at.zone),
        limit=PAGE,
        offset=min(int(offset), OFFSET_MAX) if offset.isascii() and offset.isdigit() else 0,
        text=given["text"],
        rule=given["rule"],
        host=given["host"],
        user=given["user"],
        tag=given["tag"],
    )


def _time(text: str, zone: str) -> datetime | None:
    return moment_of(text) if text.endswith("Z") else typed(text, zone) if text else None


def _alert(at: Desk, name: str) -> Alert:
    found = at.bench.alerts.get(name, at.scope) if name.isalnum() else None
    if found is None:
        raise Refused(f"no alert, or more than one, begins with {name}")
    return found


def _incident(at: Desk, alert: Alert) -> Incident | None:
    """Return the incident of an alert; None while triage has not taken the alert."""
    try:
        return at.bench.incidents.incident_of(alert.id, at.scope)
    except Refused:
        return None


def _member(at: Desk, incident: Incident | None, alert: Alert) -> Any:
    if incident is None:
        return None
    members, _ = at.bench.incidents.members(incident.id, at.scope)
    return next((m for m in members if alert.id in {m.alert, m.document}), None)


def _facts(alert: Alert) -> list[tuple[str, str]]:
    """Return the event's fields, those that are asked for first at the top."""

    def order(item: tuple[str, str]) -> tuple[int, str]:
        return (FIRST.index(item[0]) if item[0] in FIRST else len(FIRST), item[0])

    return sorted(alert.event.items(), key=order)


def _description(at: Desk, alert: Alert) -> str:
    if at.language == "vi":
        return at.house.rule_words.description(alert.rule.description, alert.rule.id)
    return alert.rule.description


def _steps(at: Desk, alert: Alert, playbook: str) -> list[Any]:
    """Return what a playbook would ask and do about an alert."""
    shelf = at.house.shelf()
    loaded = shelf.get(playbook)
    return list(rehearse(shelf.playbooks, playbook, given_by(loaded, alert), at.language).lines)


def _around(at: Desk, same: dict[str, str], seen: datetime) -> list[dict[str, Any]]:
    """Return the events of the same host or user, oldest first, from the archive."""
    where = pl.any_horizontal(pl.col(column) == value for column, value in same.items())
    found = at.bench.archive.scan(
        at.scope, since=seen - AROUND, until=seen + AROUND, columns=SHOWN, where=where
    )
    # The nearest ones, if there are more than a page shows.
    near = (
        found.with_columns((pl.col("@timestamp") - seen).abs().alias("far"))
        .sort("far", "event.id")
        .head(CONTEXT_ROWS_MAX)
        .sort("@timestamp", "event.id")
        .collect()
    )
    rows = near.drop("far").to_dicts()
    for row in rows:
        row["event.original"] = (row["event.original"] or b"").decode(errors="backslashreplace")
        row["said"] = [(name, str(row[name])) for name in SAID if row[name] not in {None, ""}]
    return rows
