"""What accounts keep in the case database, and who may change it."""

from __future__ import annotations

from luytre.audit.database import Room

MIGRATIONS = [
    """
    CREATE TABLE users (
        name TEXT PRIMARY KEY,
        roles TEXT NOT NULL,
        organizations TEXT NOT NULL,
        password TEXT NOT NULL,
        enabled INTEGER NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL REFERENCES users (name),
        title TEXT NOT NULL,
        digest BLOB NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        revoked_at TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX api_keys_of_user ON api_keys (user);
    """
]

ROOM = Room(
    "accounts",
    MIGRATIONS,
    {
        "user.create": "people",
        "user.change": "people",
        "user.password": "people",
        "user.own-password": "read",
        "session.open": "read",
        "session.refuse": "read",
        "session.revoke": "people",
        "session.own-revoke": "read",
        "key.create": "read",
        "key.revoke": "read",
    },
)
