"""Makes pages of templates: all that is printed is escaped, and what is unseen made visible."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from luytre.console import files, phrases, text
from luytre.console.words import Language, translations
from luytre.core.alert import LEVELS
from luytre.core.zone import parse_zone

if TYPE_CHECKING:
    from luytre.console.visit import Visit

TEMPLATES = Path(__file__).parent / "templates"


@lru_cache(maxsize=4)
def environment(language: Language) -> Environment:
    """Return the templates in one language."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    words = translations(language)
    made.install_gettext_callables(  # type: ignore[attr-defined]
        words.gettext, words.ngettext, newstyle=True
    )
    made.filters["one_line"] = text.one_line
    made.filters["say"] = partial(phrases.say, words)
    made.filters["number"] = partial(phrases.number, language)
    made.filters["span"] = partial(phrases.span, words)
    made.globals["static"] = files.address
    made.globals["marked"] = text.marked
    made.globals["LEVELS"] = LEVELS
    return made


def render(at: Visit, template: str, status: int = 200, **values: Any) -> Response:
    """Return a page. Templates see ``at``, and what is named here."""
    page = environment(at.language).get_template(template)
    said = getattr(at, "said", None)
    html = page.render(
        at=at,
        nav=_nav(at),
        said=said() if said and status < 400 else "",  # noqa: PLR2004 - an error page takes no line
        when=partial(text.when, zone=at.zone),
        ago=partial(_ago, at),
        with_query=partial(_with_query, at),
        **values,
    )
    response = HTMLResponse(html, status)
    at.keep(response)
    return response


def go_to(path: str) -> Response:
    """Return the answer to a form that did its work: the browser loads a page."""
    return RedirectResponse(path, 303)


def is_local(path: str) -> bool:
    """Tell whether a path is one of ours, and leads nowhere else in any browser."""
    printable = path.isascii() and path.isprintable()
    return printable and path.startswith("/") and path[1:2] not in {"/", "\\"} and "\\" not in path


def _ago(at: Visit, value: Any) -> Markup:
    """Return how long ago a time was, with the time behind it; "in 3 h" if it is to come."""
    moment = text.moment_of(value)
    if moment is None:
        return Markup("-")
    past_s = (at.house.clock.now() - moment).total_seconds()
    said = phrases.span(at.words, past_s)
    if past_s < 0:
        said = at._("in %(span)s", span=said)
    exact = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    local = moment.astimezone(parse_zone(at.zone)).strftime("%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, local, said)


def _nav(at: Visit) -> list[tuple[str, str, bool]]:
    """Return path, label and whether it is the present one, of each entry of the menu."""
    actor = getattr(at, "actor", None)
    if actor is None:
        return []
    here = at.request.url.path
    return [
        (item.path, item.label, here == item.path or here.startswith(f"{item.path}/"))
        for item in at.request.app.state.nav
        if item.may == "login" or actor.may(item.may)
    ]


def _with_query(at: Visit, **changes: Any) -> str:
    """Return the present address with some of its query's values changed; None drops one."""
    query = at.request.query_params.multi_items()
    kept = [(k, v) for k, v in query if k not in changes]
    added = [(k, str(v)) for k, v in changes.items() if v not in {None, ""}]
    found = urlencode(kept + added)
    return f"{at.request.url.path}?{found}" if found else at.request.url.path
