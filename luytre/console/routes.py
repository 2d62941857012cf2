"""Routes that say who may use them: the one way to add a page or an API call.

A route without its need is a programming error (``may`` is mandatory), and one that came in by
another way is refused, since ``admit`` reads the need from the route itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse
from pydantic import AfterValidator

from luytre.console import csrf
from luytre.console.house import Bench, House
from luytre.console.visit import SESSION, Desk, Visit
from luytre.core.actor import Actor, Permission
from luytre.core.errors import Forbidden
from luytre.processor.case_host import wake_signer

Needs = Permission | Literal["anybody", "login"]
"""``anybody``: no login; ``login``: whoever is logged in; else what one of their roles grants."""
NEEDS = "x-luytre-needs"
API = "/api/"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class NotLoggedInError(Forbidden):
    """There is no session, or it has ended."""


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry of the console's menu, shown to those who may use it."""

    path: str
    label: str
    may: Needs
    order: int


async def ours(request: Request) -> None:
    """Refuse a change that does not come from a page of ours, or from a program with its key."""
    house: House = request.app.state.house
    if _key(request):
        return
    visit = Visit.of(request, house)
    await csrf.check(request, origin_of(request, house), visit.token)


def admit(request: Request, _ours: Annotated[None, Depends(ours)]) -> Iterator[Visit]:
    """Give a route its visit: a ``Desk`` for a person, checked against what the route needs."""
    house: House = request.app.state.house
    needs: Needs = request.scope["route"].openapi_extra[NEEDS]
    visit = Visit.of(request, house)
    request.state.visit = visit
    with house.bench() as bench:
        if request.method not in csrf.SAFE:
            wake_signer(house.config)
        if needs == "anybody":
            request.state.bench = bench
            yield visit
            return
        desk = _desk(visit, bench)
        request.state.visit = desk
        if needs != "login":
            desk.actor.require(needs)
        yield desk


At = Annotated[Desk, Depends(admit)]
"""What a route takes as its first parameter."""
Anybody = Annotated[Visit, Depends(admit)]
"""The same for routes that need no login."""


async def _fields(request: Request) -> dict[str, str]:
    form = await request.form()
    return {name: _lines(value) for name, value in form.items() if isinstance(value, str)}


def _lines(text: str) -> str:
    """Browsers end the lines of a form's text as mail does."""
    return text.replace("\r\n", "\n")


Typed = Annotated[str, Form(), AfterValidator(_lines)]
"""A form's field in which a person writes."""
Fields = Annotated[dict[str, str], Depends(_fields)]
"""All fields of a form, for one whose fields depend on what it is about."""


class Routes:
    """The routes of one topic."""

    def __init__(self) -> None:
        self.router = APIRouter(dependencies=[Depends(admit)])

    def get(self, path: str, *, may: Needs) -> Callable[[Endpoint], Endpoint]:
        """Add a page."""
        return self._add(path, "GET", may)

    def post(self, path: str, *, may: Needs) -> Callable[[Endpoint], Endpoint]:
        """Add what a form of a page does."""
        return self._add(path, "POST", may)

    def call(
        self, method: Literal["GET", "POST", "DELETE"], path: str, *, may: Needs, **more: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Add a call of the JSON API; it is described in the OpenAPI document."""
        return self._add(API + path, method, may, in_schema=True, **more)

    def _add(
        self, path: str, method: str, may: Needs, *, in_schema: bool = False, **more: Any
    ) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            if not in_schema:
                more["response_class"] = HTMLResponse
                # What a page answers with is made by ``render``.
                more["response_model"] = None
            self.router.add_api_route(
                path, endpoint, methods=[method], include_in_schema=in_schema,
                openapi_extra={NEEDS: may}, **more,
            )  # fmt: skip
            return endpoint

        return add


def origin_of(request: Request, house: House) -> str:
    """Return the console's own origin: the configured one, or that of this machine."""
    if house.config.console.url:
        return house.config.console.url
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


def _desk(visit: Visit, bench: Bench) -> Desk:
    """Return the desk of whoever asks. Raises ``NotLoggedInError``."""
    secret = _key(visit.request)
    session = None
    if secret:
        name, via = bench.keys.user_of(secret), "API key"
    else:
        session = bench.sessions.find(visit.request.cookies.get(SESSION, ""))
        name, via = (session.user, session.via) if session else (None, "")
    user = bench.users.get(name) if name else None
    if user is None or not user.enabled:
        raise NotLoggedInError("log in first")
    actor: Actor = user.actor(f"console, {via}", visit.address)
    return Desk(
        visit.request, visit.house, visit.language, visit.theme,
        bench=bench, actor=actor, session=session,
    )  # fmt: skip


def _key(request: Request) -> str:
    """Return the API key that a program sends; pages take none."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    is_api = request.url.path.startswith(API)
    return secret.strip() if is_api and scheme.lower() == "bearer" else ""
