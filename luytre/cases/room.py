"""What triage keeps in the case database, and what may be done to it by whom."""

from __future__ import annotations

from luytre.audit.database import Room

MIGRATIONS = [
    """
    CREATE TABLE incidents (
        id INTEGER PRIMARY KEY,
        organization TEXT NOT NULL,
        title TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('new', 'in progress', 'on hold', 'closed')),
        disposition TEXT NOT NULL DEFAULT '',
        assignee TEXT NOT NULL DEFAULT '',
        level INTEGER NOT NULL,
        score INTEGER NOT NULL,
        score_parts TEXT NOT NULL,
        first_at TEXT NOT NULL,
        last_at TEXT NOT NULL,
        received_at TEXT NOT NULL,
        opened_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        closed_at TEXT NOT NULL DEFAULT '',
        backfill INTEGER NOT NULL,
        changed_after_close INTEGER NOT NULL DEFAULT 0,
        merged_into INTEGER REFERENCES incidents (id),
        version INTEGER NOT NULL DEFAULT 1
    ) STRICT;
    CREATE INDEX incidents_queue ON incidents (state, organization, score);
    CREATE TABLE incident_alerts (
        alert TEXT PRIMARY KEY,
        incident INTEGER NOT NULL REFERENCES incidents (id),
        document TEXT NOT NULL,
        revision INTEGER NOT NULL,
        organization TEXT NOT NULL,
        rule TEXT NOT NULL,
        title TEXT NOT NULL,
        level INTEGER NOT NULL,
        tactics TEXT NOT NULL,
        asset_level INTEGER NOT NULL,
        confidence INTEGER NOT NULL,
        at TEXT NOT NULL,
        received_at TEXT NOT NULL,
        delay_s INTEGER,
        reason TEXT NOT NULL,
        backfill INTEGER NOT NULL,
        withdrawn INTEGER NOT NULL,
        superseded_by TEXT NOT NULL DEFAULT '',
        disposition TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX alerts_of_incident ON incident_alerts (incident);
    CREATE INDEX alerts_of_rule ON incident_alerts (rule, at);
    CREATE TABLE incident_entities (
        alert TEXT NOT NULL REFERENCES incident_alerts (alert) ON DELETE CASCADE,
        entity TEXT NOT NULL,
        PRIMARY KEY (entity, alert)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX entities_of_alert ON incident_entities (alert);
    CREATE VIRTUAL TABLE incident_text USING fts5 (text, tokenize = 'unicode61');
    CREATE TABLE incident_comments (
        id INTEGER PRIMARY KEY,
        incident INTEGER NOT NULL REFERENCES incidents (id),
        at TEXT NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL
    ) STRICT;
    CREATE TABLE incident_tasks (
        id INTEGER PRIMARY KEY,
        incident INTEGER NOT NULL REFERENCES incidents (id),
        text TEXT NOT NULL, assignee TEXT NOT NULL DEFAULT '', done_at TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE TABLE saved_views (
        name TEXT PRIMARY KEY, owner TEXT NOT NULL, query TEXT NOT NULL
    ) STRICT;
    CREATE TABLE notifications (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        person TEXT NOT NULL,
        organization TEXT NOT NULL,
        incident INTEGER NOT NULL REFERENCES incidents (id),
        what TEXT NOT NULL,
        read_at TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX notifications_unread ON notifications (person, read_at);
    CREATE TABLE incident_clocks (
        incident INTEGER NOT NULL REFERENCES incidents (id),
        clock TEXT NOT NULL,
        profile TEXT NOT NULL,
        started_at TEXT NOT NULL,
        due_at TEXT NOT NULL,
        stopped_at TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (incident, clock)
    ) STRICT;
    CREATE TABLE triage_offsets (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)
    ) STRICT;
    """,
    # What a page shows of a queue: alerts by time, and each incident's things.
    """
    CREATE INDEX alerts_by_time ON incident_alerts (at, organization, level);
    CREATE INDEX alerts_by_document ON incident_alerts (document);
    CREATE INDEX incidents_by_score ON incidents (score DESC, last_at DESC, id);
    """,
    # When alarms were, by which they are grouped; and accounts without their domain.
    r"""
    ALTER TABLE incidents ADD COLUMN alarm_first_at TEXT NOT NULL DEFAULT '';
    ALTER TABLE incidents ADD COLUMN alarm_last_at TEXT NOT NULL DEFAULT '';
    UPDATE incidents SET
        alarm_first_at = coalesce((SELECT min(a.at) FROM incident_alerts a
            WHERE a.incident = incidents.id AND a.level >= 3 AND a.withdrawn = 0), ''),
        alarm_last_at = coalesce((SELECT max(a.at) FROM incident_alerts a
            WHERE a.incident = incidents.id AND a.level >= 3 AND a.withdrawn = 0), '');
    UPDATE OR REPLACE incident_entities
        SET entity = 'user:' || substr(entity, instr(entity, '\') + 1)
        WHERE entity LIKE 'user:%\%';
    UPDATE OR REPLACE incident_entities
        SET entity = substr(entity, 1, instr(entity, '@') - 1)
        WHERE entity LIKE 'user:_%@%';
    """,
]

ROOM = Room(
    "cases",
    MIGRATIONS,
    {
        "triage.read": "triage",
        "incident.open": "triage",
        "incident.grow": "triage",
        "incident.revise": "triage",
        "incident.state": "triage",
        "incident.close": "triage",
        "incident.assign": "triage",
        "incident.comment": "triage",
        "incident.task": "triage",
        "incident.merge": "triage",
        "incident.split": "triage",
        "incident.clock": "triage",
        "incident.pack": "read",
        "alert.close": "triage",
        "view.save": "triage",
        "view.delete": "triage",
        "notification.read": "read",
    },
)
DUTY = "duty"
"""Whom a new incident notifies: everybody on duty."""
