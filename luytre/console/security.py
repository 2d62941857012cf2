"""What holds for every answer: security headers, and that the request means this host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse

from luytre.core.config_console import LOOPBACK

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from luytre.core.config_console import ConsoleConfig

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # "no-referrer" would send "Origin: null" with our own forms (Fetch standard, 3.2).
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex",
}
HSTS = "max-age=31536000"


class Guarded:
    """Adds the headers to every answer, and refuses requests that were meant for another host.

    A page elsewhere can have a name of its own lead to this machine (DNS rebinding): such a request
    names that host.
    """

    def __init__(self, app: ASGIApp, config: ConsoleConfig) -> None:
        self._app = app
        self._host = config.url.partition("://")[2].lower()
        self._headers = dict(HEADERS)
        if config.url.startswith("https://"):
            self._headers["Strict-Transport-Security"] = HSTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                # What somebody may see now is kept by no browser and no proxy for the next one.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if not self._is_meant(scope):
            refusal = PlainTextResponse("this is not the host that you asked for\n", 421)
            await refusal(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _is_meant(self, scope: Scope) -> bool:
        host = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"host"), "").lower()
        if self._host:
            return host == self._host
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        return name in LOOPBACK
