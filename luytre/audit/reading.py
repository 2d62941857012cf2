"""Reading the history as a person: who looked at what of it is an entry too."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from luytre.audit.book import LogQuery, Read
from luytre.audit.canonical import stamp
from luytre.core.errors import NeighbourError, Refused

if TYPE_CHECKING:
    from luytre.audit.database import CaseDatabase
    from luytre.core.actor import Actor
    from luytre.core.organization import Scope

LOOK, SUBJECT = "audit.look", "history"
AGAIN_AFTER = timedelta(minutes=15)
"""Turning pages, or loading one again, is the same look for so long."""
LOOKS_MAX = 50


class Reading(NamedTuple):
    """What was found, and why the look could not be logged ("" if it is)."""

    found: list[Read]
    unlogged: str


def read_history(cases: CaseDatabase, actor: Actor, query: LogQuery) -> Reading:
    """Return entries that the actor may see, newest first; the look is logged before.

    While the signer fails, the history is shown all the same, and ``unlogged`` says so:
    evidence is worth most when something is wrong.

    Raises:
        Forbidden: the actor is no reader of the history.
    """
    actor.require("audit.read")
    unlogged = ""
    try:
        _log_look(cases, actor, query)
    except (NeighbourError, Refused) as error:
        unlogged = str(error)
    return Reading(cases.book.find(query, actor.scope), unlogged)


def _log_look(cases: CaseDatabase, actor: Actor, query: LogQuery) -> None:
    names = ("action", "user", "subject", "since", "until")
    asked = {name: value for name in names if (value := getattr(query, name))}
    if not _is_new(cases, actor, asked):
        return
    with cases.change(actor) as change:
        for organization in _organizations(actor.scope):
            change.record(LOOK, SUBJECT, organization=organization, asked=asked)


def _is_new(cases: CaseDatabase, actor: Actor, asked: dict[str, str]) -> bool:
    now = cases.now()
    recent = LogQuery(LOOK, actor.user, SUBJECT, since=stamp(now - AGAIN_AFTER), limit=LOOKS_MAX)
    looks = cases.book.find(replace(recent, until=stamp(now + AGAIN_AFTER)), actor.scope)
    return all(each.detail is None or each.detail.get("asked") != asked for each in looks)


def _organizations(scope: Scope) -> list[str]:
    return [""] if scope.organizations is None else sorted(scope.organizations)
