"""What follows from an incident's alerts: title, level, score, times, text; written anew."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from luytre.audit.canonical import stamp
from luytre.cases.grouping import ALARM
from luytre.cases.score import Weighed, score
from luytre.core.folding import fold_text

if TYPE_CHECKING:
    from luytre.core.database import Connection

RARE_FOR = timedelta(days=30)

_ALERTS = """
    SELECT level, tactics, asset_level, confidence, rule, title, at, received_at, backfill
    FROM incident_alerts
    WHERE incident = ? AND withdrawn = 0 AND superseded_by = '' ORDER BY level DESC, at, alert
"""
_BEFORE = """
    SELECT count(*) FROM incident_alerts a JOIN incidents i ON i.id = a.incident
    WHERE a.rule = ? AND i.organization = ? AND a.at >= ? AND a.at < ? AND a.incident <> ?
"""
_WORDS = """
    SELECT text FROM incident_comments WHERE incident = :id
    UNION SELECT text FROM incident_tasks WHERE incident = :id
    UNION SELECT e.entity FROM incident_entities e JOIN incident_alerts a ON a.alert = e.alert
        WHERE a.incident = :id
    UNION SELECT title FROM incident_alerts WHERE incident = :id
    UNION SELECT title FROM incidents WHERE id = :id
"""
_WRITE = """
    UPDATE incidents SET title = :title, level = :level, score = :score, score_parts = :parts,
        first_at = :first_at, last_at = :last_at, alarm_first_at = :alarm_first_at,
        alarm_last_at = :alarm_last_at, received_at = :received_at, backfill = :backfill,
        updated_at = :now, version = version + 1,
        changed_after_close = changed_after_close OR state = 'closed'
    WHERE id = :id RETURNING version, state
"""


def refresh(connection: Connection, incident: int, now: datetime) -> dict[str, Any]:
    """Write anew what follows from the alerts, and return it with organisation and version."""
    was: Any = connection.execute(
        "SELECT organization, title, first_at, last_at, received_at FROM incidents WHERE id = ?",
        (incident,),
    ).fetchone()
    organization, title, first_at, last_at, received_at = was
    rows: list[Any] = list(connection.execute(_ALERTS, (incident,)))
    start = min((str(row[6]) for row in rows), default=first_at)
    earlier = stamp(datetime.fromisoformat(start) - RARE_FOR)
    before = {
        rule: _count(connection, _BEFORE, rule, organization, earlier, start, incident)
        for rule in {str(row[4]) for row in rows}
    }
    points, parts = score(
        [
            Weighed(
                int(level),
                tuple(msgspec.json.decode(str(tactics))),
                int(asset),
                int(sure),
                str(rule),
                before[str(rule)],
            )
            for level, tactics, asset, sure, rule, *_ in rows
        ]
    )
    main = _main_entity(connection, incident)
    alarms = [str(row[6]) for row in rows if row[0] >= ALARM]
    found: dict[str, Any] = {
        "title": (f"{rows[0][5]}: {main}" if main else str(rows[0][5])) if rows else title,
        "level": int(rows[0][0]) if rows else 0,
        "score": points,
        "parts": msgspec.json.encode(parts).decode(),
        "first_at": start,
        "last_at": max((str(row[6]) for row in rows), default=last_at),
        "alarm_first_at": min(alarms, default=""),
        "alarm_last_at": max(alarms, default=""),
        "received_at": min((str(row[7]) for row in rows), default=received_at),
        "backfill": bool(rows) and all(row[8] for row in rows),
    }
    row: Any = connection.execute(_WRITE, {**found, "id": incident, "now": stamp(now)}).fetchone()
    write_text(connection, incident)
    kept = {key: found[key] for key in ("title", "level", "score", "backfill")}
    return {**kept, "organization": organization, "version": row[0], "state": row[1]}


def _count(connection: Connection, sql: str, *values: Any) -> int:
    found: Any = connection.execute(sql, values).get
    return int(found)


def write_text(connection: Connection, incident: int) -> None:
    """Make what search finds an incident by: titles, entities, comments and tasks, folded."""
    words = [str(text) for (text,) in connection.execute(_WORDS, {"id": incident})]
    connection.execute("DELETE FROM incident_text WHERE rowid = ?", (incident,))
    connection.execute(
        "INSERT INTO incident_text (rowid, text) VALUES (?, ?)",
        (incident, fold_text("\n".join(words))),
    )


def _main_entity(connection: Connection, incident: int) -> str:
    """Return what most alarms (else, alerts) are about; of equals, the strongest kind."""
    found = connection.execute(
        "SELECT e.entity FROM incident_entities e JOIN incident_alerts a ON a.alert = e.alert"
        " WHERE a.incident = ? GROUP BY e.entity"
        " ORDER BY sum(a.level >= ?) DESC, count(*) DESC,"
        " CASE substr(e.entity, 1, instr(e.entity, ':')) WHEN 'host:' THEN 1 WHEN 'machine:' THEN 2"
        " WHEN 'address:' THEN 3 WHEN 'site:' THEN 4 ELSE 5 END, e.entity LIMIT 1",
        (incident, ALARM),
    ).get
    kind, _, value = str(found or "").partition(":")
    # The name of a web server's log tells nobody anything: its organisation is known.
    return value.rpartition(" ")[2] if kind == "site" else value
