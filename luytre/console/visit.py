"""One request: who asks, in which language, and the rooms that answer it."""

from __future__ import annotations

import gettext
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from luytre.console import csrf
from luytre.console.words import LANGUAGES, Language, preferred, translations

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from luytre.accounts.sessions import Session
    from luytre.console.house import Bench, House
    from luytre.core.actor import Actor
    from luytre.core.organization import Scope

SESSION, LOGIN = "__Host-luytre", "__Host-luytre-login"
LANGUAGE, THEME = "__Host-luytre-language", "__Host-luytre-theme"
THEMES = ("light", "dark")
YEAR_S = 365 * 24 * 3600


@dataclass(slots=True)
class Visit:
    """A request of anybody, before or without a login."""

    request: Request
    house: House
    language: Language
    theme: str
    _fresh: str = field(default="")

    @classmethod
    def of(cls, request: Request, house: House) -> Visit:
        """Read what the browser says of its user's wishes."""
        chosen = request.cookies.get(LANGUAGE, "")
        accepted = request.headers.get("accept-language", "")
        language = next(
            (known for known in LANGUAGES if known == chosen),
            None,
        ) or preferred(accepted, house.config.console.language)
        theme = request.cookies.get(THEME, "")
        return cls(request, house, language, theme if theme in THEMES else "")

    @property
    def words(self) -> gettext.NullTranslations:
        """The messages of the reader's language."""
        return translations(self.language)

    def _(self, message: str, **values: Any) -> str:
        """Return a message in the reader's language, as plain text."""
        text = self.words.gettext(message)
        return text % values if values else text

    def rule(self, title: str, rule: str = "") -> str:
        """Return the title of a rule, or of an incident, in the reader's language if it has one."""
        return self.house.rule_words.title(title, rule) if self.language == "vi" else title

    @property
    def zone(self) -> str:
        """The zone in which times are shown."""
        return self.house.config.console.time_zone

    @property
    def token(self) -> str:
        """The secret that this browser holds: its session's, or one for logging in."""
        cookies = self.request.cookies
        return cookies.get(SESSION) or cookies.get(LOGIN) or self._fresh

    @property
    def csrf(self) -> str:
        """A token for a form of this page."""
        if not self.token:
            self._fresh = secrets.token_urlsafe(32)
        return csrf.token_of(self.token)

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return self.request.client.host if self.request.client else ""

    def keep(self, response: Response) -> None:
        """Have the browser keep the secret that a form of this page was made with."""
        if self._fresh:
            set_cookie(response, LOGIN, self._fresh)


@dataclass(slots=True)
class Desk(Visit):
    """A request of somebody who is logged in, with the rooms they work in."""

    bench: Bench = field(kw_only=True)
    actor: Actor = field(kw_only=True)
    session: Session | None = field(kw_only=True)

    @property
    def scope(self) -> Scope:
        """Whose alerts, incidents and events this person may see."""
        return self.actor.scope

    def say(self, message: str, **values: Any) -> None:
        """Leave a line of what was done for the next page."""
        self.bench.sessions.say(self.token, self._(message, **values))

    def said(self) -> str:
        """Take the line that the last request left."""
        return self.bench.sessions.said(self.token) if self.session else ""


def set_cookie(response: Response, name: str, value: str, *, max_age_s: int | None = None) -> None:
    """Set a cookie that only this host gets, over TLS, and no script reads."""
    response.set_cookie(
        name, value, max_age=max_age_s, path="/", secure=True, httponly=True, samesite="lax"
    )


def drop_cookie(response: Response, name: str) -> None:
    """Have the browser forget a cookie."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")
