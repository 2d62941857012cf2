"""The console as an ASGI application over one installation."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route

from luytre.console import errors, files
from luytre.console.csrf import FIELDS_MAX, PART_BYTES_MAX
from luytre.console.house import House
from luytre.console.pages import PAGES
from luytre.console.security import Guarded
from luytre.core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from luytre.core.clock import Clock
    from luytre.core.config import Config

THREADS = 12
"""Requests that are worked on at once; each has its own connections."""
BODY_BYTES_MAX = 2 * 1024 * 1024
PACKED_FROM_BYTES = 600


def make_app(config: Config, clock: Clock | None = None) -> FastAPI:
    """Return the application, with every page and call."""
    house = House(config, clock or SystemClock())

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield
        house.close()

    app = FastAPI(
        title="Luytre", lifespan=life, docs_url=None, redoc_url=None, openapi_url=None,
        max_body_size=BODY_BYTES_MAX,
        form_limits={"max_files": 0, "max_fields": FIELDS_MAX, "max_part_size": PART_BYTES_MAX},
    )  # fmt: skip
    app.state.house = house
    items = [item for page in PAGES for item in getattr(page, "NAV", ())]
    app.state.nav = sorted(items, key=lambda item: item.order)
    for page in PAGES:
        # Not included as a router: a test looks at each route with its need.
        app.router.routes += page.routes.router.routes
    app.router.routes += [
        Route("/static/{name}", files.send),
        Route("/health", _health),
        Route("/favicon.ico", _no_icon),
    ]
    errors.add_to(app)
    app.add_middleware(Guarded, config=config.console)
    app.add_middleware(GZipMiddleware, minimum_size=PACKED_FROM_BYTES, compresslevel=6)
    return app


async def _health(_request: Request) -> Response:
    """Say that the process answers: for a supervisor or a proxy, and nothing more."""
    return PlainTextResponse("ok\n")


async def _no_icon(_request: Request) -> Response:
    return PlainTextResponse("", 204)
