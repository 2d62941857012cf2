"""People: who may log in, for what and for whom; for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Path
from starlette.responses import Response

from luytre.accounts.passwords import made_up
from luytre.console.render import go_to, render
from luytre.console.routes import At, NavItem, Routes
from luytre.console.words import N_
from luytre.core.actor import ROLES
from luytre.core.errors import Refused

routes = Routes()
NAV = (NavItem("/users", N_("People"), "people", order=90),)
Name = Annotated[str, Path(max_length=64)]
PEOPLES_ROLES = tuple(role for role in ROLES if role != "service")


@routes.get("/users", may="people")
def show(at: At) -> Response:
    """Show who may log in, and what they may do."""
    return _page(at)


@routes.post("/users", may="people")
def add(
    at: At,
    name: Annotated[str, Form()] = "",
    role: Annotated[list[str] | None, Form()] = None,
    organizations: Annotated[str, Form()] = "",
) -> Response:
    """Make a user with a made-up password, and show it this once."""
    password = made_up()
    user = at.bench.users.create(at.actor, name, role or [], _names(organizations), password)
    return _page(at, secret=(user.name, password))


@routes.post("/users/{name}/change", may="people")
def change(
    at: At,
    name: Name,
    role: Annotated[list[str] | None, Form()] = None,
    organizations: Annotated[str, Form()] = "",
) -> Response:
    """Give a user other roles and organisations; it holds from the next request on."""
    at.bench.users.change(at.actor, name, roles=role or [], organizations=_names(organizations))
    at.say("%(name)s is changed.", name=name)
    return go_to("/users")


@routes.post("/users/{name}/disable", may="people")
def disable(at: At, name: Name) -> Response:
    """Shut a user out at once."""
    if name == at.actor.user:
        raise Refused("nobody shuts themselves out: another administrator does it")
    at.bench.users.change(at.actor, name, enabled=False)
    at.bench.sessions.close_of(name)
    at.say("%(name)s is shut out.", name=name)
    return go_to("/users")


@routes.post("/users/{name}/enable", may="people")
def enable(at: At, name: Name) -> Response:
    """Let a user in again."""
    at.bench.users.change(at.actor, name, enabled=True)
    at.say("%(name)s may log in again.", name=name)
    return go_to("/users")


@routes.post("/users/{name}/password", may="people")
def set_password(at: At, name: Name) -> Response:
    """Give a user a made-up password, and end their sessions."""
    password = made_up()
    at.bench.users.set_password(at.actor, name, password)
    at.bench.sessions.close_of(name)
    return _page(at, secret=(name, password))


def _names(text: str) -> list[str]:
    """Return the organisations that were typed, one a line or with commas between."""
    return [
        name for line in text.splitlines() for part in line.split(",") if (name := part.strip())
    ]


def _page(at: At, secret: tuple[str, str] | None = None) -> Response:
    users = at.bench.users.find(at.actor)
    return render(
        at,
        "users/users.html",
        users=[(user, at.bench.sessions.of(user.name)) for user in users],
        roles=PEOPLES_ROLES,
        secret=secret,
    )
