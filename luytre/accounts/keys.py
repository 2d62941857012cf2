"""API keys: a program acts as the user who made its key, with that user's present roles."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from luytre.audit.canonical import stamp
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from luytre.audit.database import CaseDatabase, Change
    from luytre.core.actor import Actor
    from luytre.core.clock import Clock

PREFIX = "luytre_"
DAYS_MAX, TITLE_CHARS_MAX = 366, 100


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed; the key itself is shown once, when it is made."""

    id: str
    user: str
    title: str
    created_at: str
    expires_at: str
    revoked_at: str


class ApiKeys:
    """The keys of an installation."""

    def __init__(self, cases: CaseDatabase, clock: Clock) -> None:
        self._cases, self._clock = cases, clock

    def create(self, actor: Actor, title: str, days: int) -> tuple[ApiKey, str]:
        """Make a key for the actor's own user, and return it with the secret."""
        if not title.strip() or len(title) > TITLE_CHARS_MAX:
            raise Refused("say in a few words what the key is for")
        if not 0 < days <= DAYS_MAX:
            raise Refused(f"a key lasts from 1 to {DAYS_MAX} days")
        secret, now = PREFIX + secrets.token_urlsafe(32), self._clock.now()
        key = ApiKey(
            secrets.token_hex(4), actor.user, title.strip(), stamp(now),
            stamp(now + timedelta(days=days)), "",
        )  # fmt: skip
        with self._cases.change(actor) as change:
            change.connection.execute(
                "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, '')",
                (key.id, key.user, key.title, _digest(secret), key.created_at, key.expires_at),
            )
            after = {"title": key.title, "expires": key.expires_at}
            self._record(change, "key.create", key.id, after=after)
        return key, secret

    def revoke(self, actor: Actor, identity: str) -> None:
        """End a key of one's own at once; who manages people ends anybody's."""
        with self._cases.change(actor) as change:
            change.connection.execute(
                "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at = ''"
                " AND (user = ? OR ?)",
                (stamp(self._clock.now()), identity, actor.user, actor.may("people")),
            )
            if not change.connection.changes():
                raise Refused(f"{actor.user} has no key {identity}")
            self._record(change, "key.revoke", identity)

    def of(self, user: str) -> list[ApiKey]:
        """Return the keys of a user, newest first."""
        sql = (
            "SELECT id, user, title, created_at, expires_at, revoked_at FROM api_keys"
            " WHERE user = ? ORDER BY created_at DESC"
        )
        return [ApiKey(*row) for row in self._rows(sql, user)]

    def user_of(self, secret: str) -> str | None:
        """Return whose key a secret is, or None: unknown, revoked or expired."""
        sql = "SELECT user FROM api_keys WHERE digest = ? AND revoked_at = '' AND expires_at > ?"
        found = self._rows(sql, _digest(secret), stamp(self._clock.now()))
        return str(found[0][0]) if found else None

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        return list(self._cases.connection.execute(sql, values))

    def _record(self, change: Change, action: str, identity: str, **detail: Any) -> None:
        own = change.actor.organization
        change.record(action, f"key:{identity}", organization=own, **detail)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
