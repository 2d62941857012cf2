"""Logging in and out, and choosing language and colours."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form
from starlette.responses import Response

from luytre.console.render import go_to, is_local, render
from luytre.console.routes import Anybody, At, Routes
from luytre.console.visit import (
    LANGUAGE,
    LOGIN,
    SESSION,
    THEME,
    THEMES,
    YEAR_S,
    Visit,
    drop_cookie,
    set_cookie,
)
from luytre.console.words import LANGUAGES
from luytre.core.actor import Actor

routes = Routes()
PAIR_MAX, ADDRESS_MAX, USER_MAX = 5, 30, 50
"""Failed logins in a quarter of an hour: of a name from an address, of an address, of a name."""
HOME = "/"


@routes.get("/login", may="anybody")
def show(at: Anybody, next: str = HOME) -> Response:  # noqa: A002 - the word in the address
    """Show the form."""
    there_are = at.request.state.bench.users.any()
    return render(
        at, "shell/login.html", next=_target(next), problem="", name="", there_are=there_are
    )


@routes.post("/login", may="anybody")
def log_in(
    at: Anybody,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = HOME,  # noqa: A002 - the word in the address
) -> Response:
    """Open a session with a token of its own, whatever token the browser came with."""
    bench = at.request.state.bench
    name = name.strip().lower()[:64]
    keys = {
        f"pair:{name} {at.address}": PAIR_MAX,
        f"address:{at.address}": ADDRESS_MAX,
        f"user:{name}": USER_MAX,
    }
    if any(bench.sessions.failures(key) >= most for key, most in keys.items()):
        return _again(at, 429, name, next, at._("Too many attempts: wait a quarter of an hour."))
    # Counted before the password is looked at, so that many at once do not all slip through.
    bench.sessions.failed(*keys)
    user = bench.users.get(name)
    if not bench.users.check(name, password) or user is None:
        if user is not None:
            loop = Actor.loop("console")
            bench.users.note(loop, "session.refuse", f"user:{user.name}", address=at.address)
        return _again(at, 403, name, next, at._("The name or the password is wrong."))
    for key in keys:
        bench.sessions.forgive(key)
    return begin(at, user.name, "password", _target(next))


def begin(at: Visit, name: str, via: str, target: str) -> Response:
    """Open a session for a user who has proven who they are, and go on to a page."""
    bench = at.request.state.bench
    user = bench.users.get(name)
    agent = at.request.headers.get("user-agent", "")
    actor = user.actor(f"console, {via}", at.address)
    bench.users.note(actor, "session.open", f"user:{user.name}", agent=agent[:200])
    bench.sessions.close(at.request.cookies.get(SESSION, ""))
    token = bench.sessions.open(user.name, via, at.address, agent)
    answer = go_to(target)
    set_cookie(answer, SESSION, token)
    drop_cookie(answer, LOGIN)
    return answer


@routes.post("/logout", may="login")
def log_out(at: At) -> Response:
    """End this session."""
    at.bench.sessions.close(at.token)
    answer = go_to("/login")
    drop_cookie(answer, SESSION)
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


@routes.post("/look", may="anybody")
def look(
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    back: Annotated[str, Form()] = HOME,
) -> Response:
    """Choose language and colours; the browser remembers them."""
    answer = go_to(_target(back))
    if language in LANGUAGES:
        set_cookie(answer, LANGUAGE, language, max_age_s=YEAR_S)
    if theme in THEMES:
        set_cookie(answer, THEME, theme, max_age_s=YEAR_S)
    elif theme == "system":
        drop_cookie(answer, THEME)
    return answer


@routes.get("/", may="login")
def home(at: At) -> Response:
    """Go to the first page of the menu that this person may see."""
    menu = at.request.app.state.nav
    allowed = (item.path for item in menu if item.may == "login" or at.actor.may(item.may))
    return go_to(next(allowed, "/account"))


def _again(at: Visit, status: int, name: str, target: str, problem: str) -> Response:
    return render(
        at, "shell/login.html", status, next=_target(target), problem=problem, name=name,
        there_are=True,
    )  # fmt: skip


def _target(path: str) -> str:
    return path if is_local(path) and not path.startswith("/login") else HOME
