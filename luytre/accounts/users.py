"""Users of the console: made, changed, and read, each change with its entry in the history."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from luytre.accounts.passwords import hash_password, matches
from luytre.audit.canonical import stamp
from luytre.core.actor import ROLES, Actor, Role
from luytre.core.errors import Refused
from luytre.core.organization import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from luytre.audit.database import CaseDatabase, Change
    from luytre.core.clock import Clock

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_COLUMNS = "name, roles, organizations, enabled, created_at, password <> ''"


@dataclass(frozen=True, slots=True)
class User:
    """A person who may log in. ``organizations`` is empty for all of them."""

    name: str
    roles: tuple[Role, ...]
    organizations: tuple[str, ...]
    enabled: bool
    created_at: str
    has_password: bool

    @property
    def scope(self) -> Scope:
        """What this person may see."""
        return Scope.only(*self.organizations) if self.organizations else Scope.everything()

    def actor(self, via: str, address: str) -> Actor:
        """Return who acts when this person does."""
        return Actor(self.name, frozenset(self.roles), self.scope, via, address)


class Users:
    """The users of an installation."""

    def __init__(self, cases: CaseDatabase, clock: Clock) -> None:
        self._cases, self._clock = cases, clock

    def get(self, name: str) -> User | None:
        """Return a user, or None."""
        sql = f"SELECT {_COLUMNS} FROM users WHERE name = ?"  # noqa: S608 - our own columns
        row = self._cases.connection.execute(sql, (name.strip().lower(),)).fetchone()
        return None if row is None else _user(row)

    def find(self, actor: Actor) -> list[User]:
        """Return the users whose organisations the actor serves. Raises ``Forbidden``."""
        actor.require("people")
        sql = f"SELECT {_COLUMNS} FROM users ORDER BY name"  # noqa: S608 - our own columns
        every = [_user(row) for row in self._cases.connection.execute(sql)]
        return [user for user in every if _covers(actor, user.organizations)]

    def colleagues(self, scope: Scope) -> list[str]:
        """Return the names of enabled users who see something of a scope, to assign work to."""
        sql = f"SELECT {_COLUMNS} FROM users WHERE enabled ORDER BY name"  # noqa: S608
        every = [_user(row) for row in self._cases.connection.execute(sql)]
        analysts = [user for user in every if "analyst" in user.roles]
        return [u.name for u in analysts if _shares(u.scope, scope)]

    def create(
        self,
        actor: Actor,
        name: str,
        roles: Iterable[str],
        organizations: Iterable[str],
        password: str,
    ) -> User:
        """Make a user; an empty ``password`` is for who logs in through a provider.

        Raises:
            Refused: the name is taken or no name, the roles are none, the password is weak.
        """
        name = name.strip().lower()
        if not _NAME.fullmatch(name):
            raise Refused("a user's name is letters, digits, . _ @ - and begins with one of them")
        if self.get(name) is not None:
            raise Refused(f"there is a user {name} already")
        given, own = _roles(roles), tuple(sorted(set(organizations)))
        kept = hash_password(password, name) if password else ""
        with self._cases.change(actor) as change:
            change.connection.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?, 1, ?)",
                (name, _json(given), _json(own), kept, stamp(self._clock.now())),
            )
            after = {"roles": list(given), "organizations": list(own)}
            self._record(change, "user.create", name, own, after=after)
        return User(name, given, own, enabled=True, created_at="", has_password=bool(kept))

    def change(
        self,
        actor: Actor,
        name: str,
        *,
        roles: Iterable[str] | None = None,
        organizations: Iterable[str] | None = None,
        enabled: bool | None = None,
    ) -> None:
        """Change what a user may do; None leaves it. Who is disabled is out at once.

        Raises:
            Refused: there is no such user, or it would leave nobody who can mend it.
        """
        user = self._known(name)
        given = user.roles if roles is None else _roles(roles)
        own = user.organizations if organizations is None else tuple(sorted(set(organizations)))
        on = user.enabled if enabled is None else enabled
        with self._cases.change(actor) as change:
            change.connection.execute(
                "UPDATE users SET roles = ?, organizations = ?, enabled = ? WHERE name = ?",
                (_json(given), _json(own), on, user.name),
            )
            self._refuse_nobody()
            before = _facts(user.roles, user.organizations, on=user.enabled)
            after = _facts(given, own, on=on)
            whose = (*own, *user.organizations) if own and user.organizations else ()
            self._record(change, "user.change", user.name, whose, before=before, after=after)

    def set_password(self, actor: Actor, name: str, password: str) -> None:
        """Give a user another password."""
        user = self._known(name)
        kept = hash_password(password, user.name)
        with self._cases.change(actor) as change:
            self._keep(change, user.name, kept)
            self._record(change, "user.password", user.name, user.organizations)

    def change_own_password(self, actor: Actor, old: str, new: str) -> None:
        """Change one's own password. Raises ``Refused`` if the old one is wrong."""
        user = self._known(actor.user)
        if not self.check(user.name, old):
            raise Refused("the present password is wrong")
        kept = hash_password(new, user.name)
        with self._cases.change(actor) as change:
            self._keep(change, user.name, kept)
            self._record(change, "user.own-password", user.name, user.organizations)

    def check(self, name: str, password: str) -> bool:
        """Tell whether an enabled user has this password, in the same time for any name."""
        sql = "SELECT password FROM users WHERE name = ? AND enabled"
        found = self._cases.connection.execute(sql, (name.strip().lower(),)).get
        return matches(str(found or ""), password)

    def note(self, actor: Actor, action: str, subject: str, **detail: Any) -> None:
        """Write down that somebody came, or was refused: an entry, and nothing else."""
        with self._cases.change(actor) as change:
            change.record(action, subject, organization=actor.organization, **detail)

    def any(self) -> bool:
        """Tell whether there is a user at all."""
        return bool(self._cases.connection.execute("SELECT count(*) FROM users").get)

    def _known(self, name: str) -> User:
        user = self.get(name)
        if user is None:
            raise Refused(f"there is no user {name}")
        return user

    def _keep(self, change: Change, name: str, kept: str) -> None:
        change.connection.execute("UPDATE users SET password = ? WHERE name = ?", (kept, name))

    def _refuse_nobody(self) -> None:
        sql = f"SELECT {_COLUMNS} FROM users WHERE enabled"  # noqa: S608 - our own columns
        left = [_user(row) for row in self._cases.connection.execute(sql)]
        if not any("admin" in user.roles and not user.organizations for user in left):
            raise Refused("that would leave no administrator of the whole installation")

    def _record(
        self, change: Change, action: str, name: str, organizations: Iterable[str], **detail: Any
    ) -> None:
        own = sorted(organizations)
        for organization in own[1:]:
            change.actor.require("read", organization)
        whose = own[0] if own else ""
        change.record(action, f"user:{name}", organization=whose, **detail)


def _facts(roles: Iterable[str], organizations: Iterable[str], *, on: bool) -> dict[str, Any]:
    state = "enabled" if on else "disabled"
    return {"roles": list(roles), "organizations": list(organizations), "state": state}


def _roles(names: Iterable[str]) -> tuple[Role, ...]:
    asked = {name.replace("-", "_") for name in names}
    known = tuple(role for role in ROLES if role in asked and role != "service")
    if not known or len(known) != len(asked):
        people = ", ".join(role for role in ROLES if role != "service")
        raise Refused(f"a user has one role or more of: {people}")
    return known


def _covers(actor: Actor, organizations: tuple[str, ...]) -> bool:
    if not organizations:
        return actor.scope.allows("")
    return all(actor.scope.allows(name) for name in organizations)


def _shares(one: Scope, other: Scope) -> bool:
    both = one.intersect(other).organizations
    return both is None or bool(both)


def _json(names: Iterable[str]) -> str:
    return msgspec.json.encode(list(names)).decode()


def _user(row: Any) -> User:
    name, roles, organizations, enabled, created_at, has_password = row
    names = msgspec.json.decode(roles, type=tuple[Role, ...])
    own = msgspec.json.decode(organizations, type=tuple[str, ...])
    return User(name, names, own, bool(enabled), created_at, bool(has_password))
