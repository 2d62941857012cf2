"""Every route says who may use it, and nobody else can: each route with each role."""

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.routing import Route

from luytre.console import csrf
from luytre.console.app import make_app
from luytre.console.routes import NEEDS
from luytre.console.visit import LOGIN
from luytre.core.actor import GRANTS, PERMISSIONS
from luytre.core.config import Config
from luytre.core.config_console import ConsoleConfig
from tests.console.installation import PEOPLE, URL, Browser, Installation

OPEN = {"/login", "/look", "/static/{name}", "/health", "/favicon.ico"}
"""What needs no login."""


def routes(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Yield method, path and need of every route."""
    for route in app.routes:
        assert isinstance(route, Route)
        extra = getattr(route, "openapi_extra", None) or {}
        for method in sorted(route.methods or {"GET"}):
            if method != "HEAD":
                yield method, route.path, str(extra.get(NEEDS, "nobody said"))


EVERY = sorted(routes(make_app(Config(console=ConsoleConfig(url=URL)))))


def test_there_are_routes() -> None:
    assert ("GET", "/account", "login") in EVERY


@pytest.mark.parametrize(("method", "path", "needs"), EVERY)
def test_a_route_says_who_may_use_it(method: str, path: str, needs: str) -> None:
    assert needs in {*PERMISSIONS, "login", "anybody"} or path in OPEN
    assert (needs == "anybody") <= (path in OPEN), method


@pytest.mark.parametrize("user", PEOPLE)
@pytest.mark.parametrize(("method", "path", "needs"), [r for r in EVERY if r[1] not in OPEN])
def test_a_role_reaches_what_it_may_and_nothing_else(
    shared: Installation, user: str, method: str, path: str, needs: str
) -> None:
    roles = PEOPLE[user][0]
    may = needs == "login" or any(needs in GRANTS[role] for role in roles)
    browser = shared.browser(user)

    status = _asked(browser, method, path)

    assert (status == 403) == (not may)
    assert status < 500


@pytest.mark.parametrize(("method", "path", "needs"), [r for r in EVERY if r[1] not in OPEN])
def test_nobody_gets_in_without_a_login(
    shared: Installation, method: str, path: str, needs: str
) -> None:
    answer = shared.browser()
    answer.client.cookies.set("__Host-luytre-login", "x", domain="console.test")

    status = _asked(answer, method, path)

    assert needs
    assert status == (401 if path.startswith("/api/") else 303)


def _asked(browser: Browser, method: str, path: str) -> int:
    if path == "/logout" and browser.token:
        # The session is shared by what comes after.
        return 303
    filled = re.sub(r"\{[^}]*\}", "999999", path)
    token = browser.token or browser.client.cookies.get(LOGIN) or ""
    headers = {"origin": URL, csrf.HEADER: csrf.token_of(token)}
    return int(browser.client.request(method, filled, headers=headers).status_code)
