"""Who is logged in: opaque tokens kept as digests, with limits, and ended at once when asked.

They lie in a database of their own: they say nothing that must be proven later (that somebody came
is an entry of the history), and each request touches them.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from luytre.core.database import open_database, transaction

if TYPE_CHECKING:
    from pathlib import Path

    from luytre.core.clock import Clock

MIGRATIONS = [
    """
    CREATE TABLE sessions (
        digest BLOB PRIMARY KEY,
        user TEXT NOT NULL,
        via TEXT NOT NULL,
        address TEXT NOT NULL,
        agent TEXT NOT NULL,
        opened_s INTEGER NOT NULL,
        seen_s INTEGER NOT NULL,
        flash TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX sessions_of_user ON sessions (user);
    CREATE TABLE attempts (key TEXT NOT NULL, at_s INTEGER NOT NULL) STRICT;
    CREATE INDEX attempts_by_key ON attempts (key, at_s);
    """
]
TOUCH_S = 30
"""How exactly is known when somebody was last here: a request a second writes nothing."""
AGENT_CHARS_MAX = 200
ATTEMPTS_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a session ends by itself."""

    idle: timedelta
    whole: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in. ``key`` names it to its owner without giving it away."""

    key: str
    user: str
    via: str
    address: str
    agent: str
    opened_at: datetime
    seen_at: datetime


class Sessions:
    """The sessions of an installation. One object for each thread."""

    def __init__(self, path: Path, clock: Clock, limits: Limits) -> None:
        self._db = open_database(path, MIGRATIONS)
        self._clock, self._limits = clock, limits

    def open(self, user: str, via: str, address: str, agent: str) -> str:
        """Return the token of a new session; a token is never given twice."""
        token, now = secrets.token_urlsafe(32), self._now()
        with transaction(self._db):
            self._db.execute(
                "DELETE FROM sessions WHERE opened_s < ? OR seen_s < ?", self._oldest(now)
            )
            self._db.execute(
                "INSERT INTO sessions (digest, user, via, address, agent, opened_s, seen_s)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_digest(token), user, via, address, agent[:AGENT_CHARS_MAX], now, now),
            )
        return token

    def find(self, token: str) -> Session | None:
        """Return the session of a token, or None: unknown, ended, or over its limits."""
        now, digest = self._now(), _digest(token)
        sql = (
            "SELECT digest, user, via, address, agent, opened_s, seen_s FROM sessions"
            " WHERE digest = ? AND opened_s >= ? AND seen_s >= ?"
        )
        row = self._db.execute(sql, (digest, *self._oldest(now))).fetchone()
        if row is None:
            return None
        found = _session(row)
        if now - int(found.seen_at.timestamp()) >= TOUCH_S:
            self._db.execute("UPDATE sessions SET seen_s = ? WHERE digest = ?", (now, digest))
        return found

    def of(self, user: str) -> list[Session]:
        """Return a user's sessions that are still good, newest first."""
        sql = (
            "SELECT digest, user, via, address, agent, opened_s, seen_s FROM sessions"
            " WHERE user = ? AND opened_s >= ? AND seen_s >= ? ORDER BY opened_s DESC"
        )
        rows: Any = self._db.execute(sql, (user, *self._oldest(self._now())))
        return [_session(row) for row in rows]

    def close(self, token: str) -> None:
        """End the session of a token."""
        self._db.execute("DELETE FROM sessions WHERE digest = ?", (_digest(token),))

    def close_of(self, user: str, *, key: str = "", but: str = "") -> int:
        """End a user's sessions: all, that of a ``key``, or all ``but`` the token's own."""
        kept = _digest(but) if but else b""
        self._db.execute(
            "DELETE FROM sessions WHERE user = ? AND digest <> ?"
            " AND (? = '' OR lower(substr(hex(digest), 1, 16)) = ?)",
            (user, kept, key, key),
        )
        return self._db.changes()

    def say(self, token: str, text: str) -> None:
        """Leave a line for the session's next page."""
        self._db.execute("UPDATE sessions SET flash = ? WHERE digest = ?", (text, _digest(token)))

    def said(self, token: str) -> str:
        """Take the line that was left; it is given once."""
        digest = _digest(token)
        found = self._db.execute("SELECT flash FROM sessions WHERE digest = ?", (digest,)).get
        if found:
            self._db.execute("UPDATE sessions SET flash = '' WHERE digest = ?", (digest,))
        return str(found or "")

    def failed(self, *keys: str) -> None:
        """Remember a failed login under each key (a name, an address, both)."""
        now = self._now()
        with transaction(self._db):
            self._db.execute("DELETE FROM attempts WHERE at_s < ?", (self._since(now),))
            self._db.executemany("INSERT INTO attempts VALUES (?, ?)", [(k, now) for k in keys])

    def failures(self, key: str) -> int:
        """Return how often logins under a key failed in the last quarter of an hour."""
        sql = "SELECT count(*) FROM attempts WHERE key = ? AND at_s >= ?"
        found: Any = self._db.execute(sql, (key, self._since(self._now()))).get
        return int(found)

    def forgive(self, key: str) -> None:
        """Forget the failures of a key: the right password was given."""
        self._db.execute("DELETE FROM attempts WHERE key = ?", (key,))

    def shut(self) -> None:
        """Close the database."""
        self._db.close()

    def _oldest(self, now: int) -> tuple[int, int]:
        whole, idle = self._limits.whole, self._limits.idle
        return now - int(whole.total_seconds()), now - int(idle.total_seconds())

    def _since(self, now: int) -> int:
        return now - int(ATTEMPTS_FOR.total_seconds())

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _session(row: Any) -> Session:
    digest, user, via, address, agent, opened_s, seen_s = row
    key = bytes(digest).hex()[:16]
    opened, seen = (datetime.fromtimestamp(s, UTC) for s in (opened_s, seen_s))
    return Session(key, user, via, address, agent, opened, seen)
