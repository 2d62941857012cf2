"""The history for auditors: who did what to what, with what was before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from starlette.responses import Response

from luytre.audit.book import LogQuery
from luytre.audit.canonical import stamp
from luytre.audit.reading import read_history
from luytre.console.render import render
from luytre.console.routes import At, NavItem, Routes
from luytre.console.text import moment_of, typed
from luytre.console.words import N_
from luytre.processor.case_host import wake_signer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import QueryParams

    from luytre.console.visit import Desk

routes = Routes()
NAV = (NavItem("/history", N_("History"), "audit.read", order=80),)
PAGE, OFFSET_MAX, TEXT_CHARS_MAX = 30, 1_000_000, 200
VALUE_CHARS_MAX, FIELDS_MAX = 240, 30
"""A detail may be a mebibyte; a page on a thin line shows its beginning, an export all of it."""
WILD = str.maketrans(dict.fromkeys("*?[]"))


class Side(NamedTuple):
    """One field of what was changed."""

    name: str
    before: str
    after: str


@routes.get("/history", may="audit.read")
def show(at: At) -> Response:
    """Show entries, newest first; that somebody looked is an entry too."""
    params = at.request.query_params
    query = read_query(at, params)
    wake_signer(at.house.config)
    found, unlogged = read_history(at.bench.cases, at.actor, query)
    return render(
        at,
        "history/history.html",
        query=query,
        asked={name: params.get(name, "")[:TEXT_CHARS_MAX] for name in ("since", "until")},
        rows=[(each, *sides(each.detail)) for each in found[:PAGE]],
        page=PAGE,
        more=len(found) > PAGE,
        unlogged=unlogged,
        signed=at.bench.cases.book.last_checkpoint(),
        size=at.bench.cases.book.size(),
    )


def read_query(at: Desk, params: QueryParams) -> LogQuery:
    """Return the query that an address asks: one entry more than a page, to know of the next."""
    offset = params.get("offset", "")
    action, user, subject = (
        params.get(name, "")[:TEXT_CHARS_MAX].strip() for name in ("action", "user", "subject")
    )
    return LogQuery(
        action=action.translate(WILD),
        user=user,
        subject=subject,
        since=_time(params.get("since", ""), at.zone),
        until=_time(params.get("until", ""), at.zone),
        limit=PAGE + 1,
        offset=min(int(offset[:9]), OFFSET_MAX) if offset.isascii() and offset.isdigit() else 0,
    )


def sides(detail: Mapping[str, Any] | None) -> tuple[list[Side], list[tuple[str, str]], int]:
    """Return what was before and after, what else the detail says, and how many fields more."""
    if detail is None:
        return [], [], 0
    before, after = _fields(detail, "before"), _fields(detail, "after")
    names = list(dict.fromkeys([*before, *after]))
    changed = [
        Side(name, _text(before.get(name)), _text(after.get(name)))
        for name in names
        if name not in before or name not in after or before[name] != after[name]
    ]
    said = [(k, _text(v)) for k, v in detail.items() if k not in {"before", "after", "nonce"}]
    left = max(len(changed) - FIELDS_MAX, 0) + max(len(said) - FIELDS_MAX, 0)
    return changed[:FIELDS_MAX], said[:FIELDS_MAX], left


def _fields(detail: Mapping[str, Any], side: str) -> Mapping[str, Any]:
    found = detail.get(side)
    if found is None:
        return {}
    return found if isinstance(found, dict) else {"": found}


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[:VALUE_CHARS_MAX]}…"


def _time(text: str, zone: str) -> str:
    found = moment_of(text) if text.endswith("Z") else typed(text, zone) if text else None
    return stamp(found) if found else ""
