"""Refuses changes that another site's page sends with our user's cookie.

Two things must hold: the browser says that the request comes from our own origin, and the form (or
the header ``X-CSRF-Token``) holds a token that only a page of this session knows. The token is
masked anew in each page, so that compression cannot give it away (BREACH).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from luytre.core.errors import Forbidden

if TYPE_CHECKING:
    from starlette.requests import Request

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FIELD, HEADER = "csrf", "x-csrf-token"
_BYTES = 32
FIELDS_MAX, PART_BYTES_MAX = 500, 512 * 1024


class ForeignError(Forbidden):
    """The request does not come from a page of this session."""


def token_of(session: str) -> str:
    """Return a token for a page of a session; each call gives another one."""
    secret, pad = _secret(session), secrets.token_bytes(_BYTES)
    return base64.urlsafe_b64encode(pad + _xor(pad, secret)).decode().rstrip("=")


async def check(request: Request, origin: str, session: str) -> None:
    """Raise ``ForeignError`` if a request that may change something is not one of ours."""
    if request.method in SAFE:
        return
    said = request.headers.get("origin") or ""
    if said != origin:
        raise ForeignError("this request does not come from the console's own pages")
    given: object = request.headers.get(HEADER)
    if given is None:
        form = await request.form(max_files=0, max_fields=FIELDS_MAX, max_part_size=PART_BYTES_MAX)
        given = form.get(FIELD)
    if not isinstance(given, str) or not session or not _is_token(given, session):
        raise ForeignError("this page is too old, or of another session: load it again")


def _is_token(given: str, session: str) -> bool:
    try:
        raw = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
    except ValueError:
        return False
    pad, masked = raw[:_BYTES], raw[_BYTES:]
    return len(raw) == 2 * _BYTES and hmac.compare_digest(_xor(pad, masked), _secret(session))


def _secret(session: str) -> bytes:
    return hmac.digest(session.encode(), b"luytre console csrf", hashlib.sha256)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
