"""Which open incident an alert belongs to, and why.

Alarms (level high and above) make incidents. What is milder is *background*: it joins the incident
of an alarm on the same machine or address, before and after it, but it never makes an incident
longer, nor one of two. Else a noisy rule on every machine would make one incident of them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from luytre.audit.canonical import stamp
from luytre.core.alert import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from luytre.core.alert import Level
    from luytre.core.database import Connection

WINDOW, SPAN_MAX = timedelta(hours=4), timedelta(days=3)
"""How far apart in event time two alerts may be, and how long one incident may last."""

ALARM, CONTEXT = LEVELS.index("high"), LEVELS.index("low")
"""From which level on an alert is an alarm, and is context of one; below, it is only a note."""

STRONG = ("host:", "machine:", "address:")
"""What context shares with its alarm; that one account was on two machines is no such thing."""

_SHARING = """
    SELECT DISTINCT i.id, e.entity, i.state, i.assignee FROM incident_entities e
    JOIN incident_alerts a ON a.alert = e.alert JOIN incidents i ON i.id = a.incident
    WHERE e.entity = :entity AND i.organization = :organization AND i.merged_into IS NULL
"""
_ALARMS = f"""
    {_SHARING} AND a.level >= {ALARM} AND a.withdrawn = 0 AND i.alarm_first_at <> ''
      AND i.alarm_first_at <= :end AND i.alarm_last_at >= :start
      AND i.alarm_first_at >= :earliest AND i.alarm_last_at <= :latest
    ORDER BY i.id
"""
_BACKGROUND = f"""
    {_SHARING} AND i.alarm_first_at = '' AND i.first_at <= :end AND i.last_at >= :start
      AND i.first_at >= :earliest AND i.last_at <= :latest
    ORDER BY i.id
"""
_AROUND = """
    SELECT DISTINCT a.alert, a.incident FROM incident_entities e
    JOIN incident_alerts a ON a.alert = e.alert JOIN incidents i ON i.id = a.incident
    WHERE e.entity = ? AND a.at >= ? AND a.at <= ? AND a.level >= ? AND i.organization = ?
      AND i.alarm_first_at = '' AND i.state = 'new' AND i.assignee = '' AND i.merged_into IS NULL
    ORDER BY a.alert
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
    connection: Connection, organization: str, entities: Sequence[str], at: datetime, level: Level
) -> Home:
    """Return the incident that shares the strongest entity; of several, the first opened."""
    rank = LEVELS.index(level)
    strong = [entity for entity in entities if entity.startswith(STRONG)]
    if rank >= ALARM:
        return _home(entities, _near(connection, _ALARMS, organization, entities, at), joins=True)
    if rank >= CONTEXT:
        near = _near(connection, _ALARMS, organization, strong, at)
        if near.sharing:
            return _home(entities, near)
    # On a machine the machine says more than the account, which an administrator has everywhere.
    own = [e for e in entities if not strong or not e.startswith("user:")]
    return _home(own, _near(connection, _BACKGROUND, organization, own, at))


def around(
    connection: Connection, organization: str, entities: Iterable[str], at: datetime
) -> dict[str, int]:
    """Return the context of an alarm: alerts of untouched background, each with its incident."""
    start, end = stamp(at - WINDOW), stamp(at + WINDOW)
    found: dict[str, int] = {}
    for entity in entities:
        if entity.startswith(STRONG):
            rows: Any = connection.execute(_AROUND, (entity, start, end, CONTEXT, organization))
            found |= {str(alert): int(incident) for alert, incident in rows}
    return found


@dataclass(slots=True)
class _Near:
    """Incidents by number, with what they share; ``untouched`` ones nobody has taken up."""

    sharing: dict[int, str]
    untouched: set[int]
    closed: dict[int, str]


def _near(
    connection: Connection, sql: str, organization: str, entities: Iterable[str], at: datetime
) -> _Near:
    found = _Near({}, set(), {})
    bounds = {
        "organization": organization,
        "start": stamp(at - WINDOW),
        "end": stamp(at + WINDOW),
        "earliest": stamp(at - SPAN_MAX),
        "latest": stamp(at + SPAN_MAX),
    }
    for entity in entities:
        rows: Any = connection.execute(sql, {**bounds, "entity": entity})
        for number, shared, state, assignee in rows:
            if state == "closed":
                found.closed.setdefault(number, shared)
                continue
            found.sharing.setdefault(number, shared)
            if state == "new" and not assignee:
                found.untouched.add(number)
    return found


def _home(entities: Sequence[str], near: _Near, *, joins: bool = False) -> Home:
    sharing, untouched = near.sharing, near.untouched
    if not sharing:
        return Home(None, _opened(entities, near.closed))
    home, shared = next(iter(sharing.items()))
    others = [number for number in sharing if number != home] if joins else []
    if home in untouched and others and min(others) < home:
        home = min((home, *(n for n in others if n in untouched)))
        shared = sharing[home]
    joined = tuple(n for n in others if n in untouched and n != home) if home in untouched else ()
    return Home(home, f"same {words(shared)} within {WINDOW.seconds // 3600} hours", joined)


def _opened(entities: Sequence[str], closed: dict[int, str]) -> str:
    if closed:
        number, shared = next(iter(closed.items()))
        return f"new, since incident {number} with the same {words(shared)} is closed"
    about = ", ".join(map(words, entities[:3]))
    return f"the first about {about}" if about else "it names nothing to group by"


def words(entity: str) -> str:
    """Return an entity as a reason says it."""
    kind, _, value = entity.partition(":")
    return f"{kind} {value}"
