"""What is answered when something is not done: a page or JSON that says why, and what next."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from luytre.cases.model import Conflict
from luytre.console import csrf
from luytre.console.render import go_to, is_local, render
from luytre.console.routes import API, NotLoggedInError
from luytre.console.visit import Visit
from luytre.console.words import N_
from luytre.core.errors import Forbidden, LuytreError, NeighbourError, Refused
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

log = get_logger("console")

NOT_DONE = N_("Nothing was done")
TITLES = {
    400: NOT_DONE,
    403: N_("Not allowed"),
    404: N_("Not found"),
    405: N_("Not found"),
    409: NOT_DONE,
    413: N_("Too large"),
    422: N_("Not understood"),
    503: N_("Not possible now"),
}
KEPT_CHARS_MAX = 20_000


def add_to(app: FastAPI) -> None:
    """Have the app answer every error."""
    app.add_exception_handler(LuytreError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)


def _status(request: Request, error: LuytreError) -> int:
    match error:
        case NotLoggedInError():
            return 401
        case Forbidden():
            return 403
        case Conflict():
            return 409
        case Refused():
            return 404 if request.method in csrf.SAFE else 400
        case NeighbourError():
            return 503
    return 500


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, LuytreError)
    status = _status(request, error)
    if status == 401 and not _is_api(request):  # noqa: PLR2004 - HTTP's own number
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        here = path if request.method in csrf.SAFE and path != "/" else ""
        return go_to(f"/login?next={quote(here, safe='')}" if here else "/login")
    return await _answer(request, status, str(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = sorted({str(item["loc"][-1]) for item in error.errors() if item["loc"]})
    return await _answer(request, 422, f"not understood: {', '.join(fields)}")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _answer(request, error.status_code, "")


async def _fault(request: Request, error: Exception) -> Response:
    number = secrets.token_hex(4)
    log.error("a page failed", number=number, path=request.url.path, exc_info=error)
    return await _answer(request, 500, "", number=number)


async def _answer(request: Request, status: int, why: str, number: str = "") -> Response:
    if _is_api(request):
        return JSONResponse({"error": why or TITLES.get(status, "error"), "number": number}, status)
    visit = getattr(request.state, "visit", None) or Visit.of(request, request.app.state.house)
    title = TITLES.get(status, N_("Something failed"))
    kept = await _typed(request)
    return render(
        visit, "shell/error.html", status, title=title, why=why, number=number,
        back=_back(request), kept=kept,
    )  # fmt: skip


async def _typed(request: Request) -> list[str]:
    """Return the longer texts of a form, so that nobody types them again."""
    form = getattr(request, "_form", None)
    if form is None:
        return []
    hidden = {csrf.FIELD, "password", "old", "new", "again"}
    every = [(k, v) for k, v in form.multi_items() if isinstance(v, str) and k not in hidden]
    return [v[:KEPT_CHARS_MAX] for _, v in every if len(v) > 20 or "\n" in v]  # noqa: PLR2004


def _back(request: Request) -> str:
    """Return the page that the request came from, if it is one of ours."""
    parts = urlsplit(request.headers.get("referer", ""))
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    same_host = parts.netloc == request.headers.get("host", "")
    return path if same_host and is_local(path) else "/"


def _is_api(request: Request) -> bool:
    return request.url.path.startswith(API)
