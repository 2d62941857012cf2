"""What review keeps in the case database, and who may do what to it."""

from __future__ import annotations

from luytre.audit.database import Room

MIGRATIONS = [
    """
    CREATE TABLE content_drafts (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('rule', 'filter')),
        name TEXT NOT NULL,
        title TEXT NOT NULL,
        organization TEXT NOT NULL,
        text TEXT NOT NULL,
        digest TEXT NOT NULL,
        reason TEXT NOT NULL,
        expires_at TEXT NOT NULL DEFAULT '',
        state TEXT NOT NULL CHECK (state IN
            ('checked', 'tested', 'approved', 'active', 'retired', 'refused')),
        drafted_by TEXT NOT NULL,
        drafted_at TEXT NOT NULL,
        test TEXT NOT NULL DEFAULT '',
        approved_by TEXT NOT NULL DEFAULT '',
        changed_at TEXT NOT NULL,
        search TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX content_drafts_by_name ON content_drafts (name, state);
    """
]

ROOM = Room(
    "review",
    MIGRATIONS,
    {
        "content.draft": "content.propose",
        "content.test": "content.propose",
        "content.approve": "content.approve",
        "content.refuse": "content.approve",
        "content.activate": "content.approve",
        "content.retire": "content.approve",
        "content.search": "triage",
    },
)
