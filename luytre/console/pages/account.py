"""One's own account: password, sessions, and API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form
from starlette.responses import Response

from luytre.console.render import go_to, render
from luytre.console.routes import At, Routes
from luytre.core.errors import Refused

routes = Routes()


@routes.get("/account", may="login")
def show(at: At) -> Response:
    """Show who I am, where I am logged in, and my keys."""
    return _page(at)


@routes.post("/account/password", may="login")
def change_password(
    at: At,
    old: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Change my password; every other session of mine ends."""
    if new != again:
        raise Refused("the two new passwords differ")
    at.bench.users.change_own_password(at.actor, old, new)
    at.bench.sessions.close_of(at.actor.user, but=at.token)
    at.say("Your password is changed; your other sessions have ended.")
    return go_to("/account")


@routes.post("/account/sessions/end", may="login")
def end_session(at: At, key: Annotated[str, Form()] = "") -> Response:
    """End one of my sessions, or all others."""
    ended = at.bench.sessions.close_of(at.actor.user, key=key, but="" if key else at.token)
    if ended:
        at.bench.users.note(at.actor, "session.own-revoke", f"user:{at.actor.user}", sessions=ended)
    at.say("Sessions ended: %(count)s", count=ended)
    return go_to("/account")


@routes.post("/account/keys", may="login")
def make_key(
    at: At, title: Annotated[str, Form()] = "", days: Annotated[int, Form()] = 90
) -> Response:
    """Make an API key, and show its secret this once."""
    _, secret = at.bench.keys.create(at.actor, title, days)
    return _page(at, secret=secret)


@routes.post("/account/keys/revoke", may="login")
def revoke_key(at: At, key: Annotated[str, Form()] = "") -> Response:
    """End one of my keys at once."""
    at.bench.keys.revoke(at.actor, key)
    at.say("The key is revoked.")
    return go_to("/account")


def _page(at: At, secret: str = "") -> Response:
    return render(
        at,
        "account/account.html",
        user=at.bench.users.get(at.actor.user),
        sessions=at.bench.sessions.of(at.actor.user),
        keys=at.bench.keys.of(at.actor.user),
        secret=secret,
    )
