"""Which open incident an alert belongs to, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from luytre.audit.canonical import stamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from luytre.core.database import Connection

WINDOW, SPAN_MAX = timedelta(hours=4), timedelta(days=3)
"""How far apart in event time two alerts may be, and how long one incident may last."""

_SHARING = """
    SELECT DISTINCT i.id, e.entity, i.state, i.assignee FROM incident_entities e
    JOIN incident_alerts a ON a.alert = e.alert JOIN incidents i ON i.id = a.incident
    WHERE e.entity = ? AND i.organization = ? AND i.first_at <= ? AND i.last_at >= ?
      AND i.first_at >= ? AND i.last_at <= ? AND i.merged_into IS NULL
    ORDER BY i.id
"""


@dataclass(frozen=True, slots=True)
class Home:
    """Where an alert goes: ``incident`` (None: a new one), the reason, and what else it joins.

    ``joined`` are incidents that nobody has touched and that this alert shows to be the same.
    """

    incident: int | None
    reason: str
    joined: tuple[int, ...] = ()


def home_of(
    connection: Connection, organization: str, entities: Sequence[str], at: datetime
) -> Home:
    """Return the incident that shares the strongest entity; of several, the first opened."""
    near = stamp(at + WINDOW), stamp(at - WINDOW)
    span = stamp(at - SPAN_MAX), stamp(at + SPAN_MAX)
    sharing: dict[int, str] = {}
    untouched: set[int] = set()
    closed: dict[int, str] = {}
    for entity in entities:
        rows = connection.execute(_SHARING, (entity, organization, *near, *span))
        for number, shared, state, assignee in rows:
            if state == "closed":
                closed.setdefault(int(str(number)), str(shared))
                continue
            sharing.setdefault(int(str(number)), str(shared))
            if state == "new" and not assignee:
                untouched.add(int(str(number)))
    if not sharing:
        return Home(None, _opened(entities, closed))
    home, shared = next(iter(sharing.items()))
    others = [number for number in sharing if number != home]
    if home in untouched and others and min(others) < home:
        home = min((home, *(n for n in others if n in untouched)))
        shared = sharing[home]
    joined = tuple(n for n in others if n in untouched and n != home) if home in untouched else ()
    return Home(home, f"same {_words(shared)} within {WINDOW.seconds // 3600} hours", joined)


def _opened(entities: Sequence[str], closed: dict[int, str]) -> str:
    if closed:
        number, shared = next(iter(closed.items()))
        return f"new, since incident {number} with the same {_words(shared)} is closed"
    about = ", ".join(map(_words, entities[:3]))
    return f"the first about {about}" if about else "it names nothing to group by"


def _words(entity: str) -> str:
    kind, _, value = entity.partition(":")
    return f"{kind} {value}"
