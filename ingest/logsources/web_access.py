"""Access logs of nginx and Apache: common and combined, with or without the virtual host.

Sigma's ``cs-uri-query`` is the whole request target, because SigmaHQ's web rules look for paths in
it. Nothing is percent-decoded: rules see what the client sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.decode.layout import Layout, Row
from ingest.decode.times import web_us
from ingest.logsources.lines import line_layout
from luytre.core.batch import LogSource

if TYPE_CHECKING:
    from ingest.decode.layout import Origin

_COLUMNS = {
    "cs-uri-query": "url.original",
    "cs-uri": "url.original",
    "c-uri": "url.original",
    "cs-uri-stem": "url.path",
    "c-uri-query": "url.query",
    "cs-method": "http.request.method",
    "sc-status": "http.response.status_code",
    "sc-bytes": "http.response.body.bytes",
    "cs-version": "http.version",
    "cs-referer": "http.request.referrer",
    "cs-referrer": "http.request.referrer",
    "cs-user-agent": "user_agent.original",
    "c-useragent": "user_agent.original",
    "cs-username": "user.name",
    "cs-host": "url.domain",
    "c-ip": "source.ip",
    "src_ip": "source.ip",
}


def _layout(server: str) -> Layout:
    product = None if server == "web" else server
    source = LogSource(product, "webserver", product)
    known = (*_COLUMNS.values(), "message", "host.name")
    return line_layout(f"{server}/access", (source,), known, _COLUMNS, {"event.category": "web"})


NGINX, APACHE, WEB = _layout("nginx"), _layout("apache"), _layout("web")
LAYOUTS = (NGINX, APACHE, WEB)


def read_line(line: str, origin: Origin, program: str = "") -> Row | None:
    """Return the row of an access line, None if the line is none."""
    opened = line.find(" [", 0, 1024)
    closed = line.find('] "', opened)
    if opened < 0 or closed < 0 or closed - opened > 40:  # noqa: PLR2004 - a time is 28 long
        return None
    end = _closing_quote(line, closed + 3)
    if end < 0:
        return None
    tail = line[end + 1 :].split(None, 2)
    if not tail or not _is_status(tail[0]):
        return None
    fields = _client(line[:opened])
    if origin.host:
        fields["host.name"] = origin.host
    fields["http.response.status_code"] = tail[0]
    if len(tail) > 1:
        fields["http.response.body.bytes"] = tail[1]
    if len(tail) > 2:  # noqa: PLR2004
        fields |= _agents(tail[2])
    fields |= _request(line[closed + 3 : end])
    given = {name: value for name, value in fields.items() if value not in {"", "-"}}
    given["message"] = line
    return Row(_server(origin, program), web_us(line[opened + 2 : closed]), given)


def _server(origin: Origin, program: str) -> Layout:
    for name, layout in (("nginx", NGINX), ("apache", APACHE), ("httpd", APACHE)):
        if origin.hint == name or program.startswith(name) or name in origin.path:
            return layout
    return WEB


def _closing_quote(line: str, at: int) -> int:
    """Return where the quote that ends at ``at`` is: one without an odd run of backslashes."""
    while (end := line.find('"', at)) >= 0:
        run = 0
        while line[end - 1 - run] == "\\":
            run += 1
        if run % 2 == 0:
            return end
        at = end + 1
    return -1


def _is_status(word: str) -> bool:
    return len(word) == 3 and word.isascii() and word.isdigit()  # noqa: PLR2004


def _client(text: str) -> dict[str, str]:
    """Split ``[virtual host] address ident user``; a user name may hold blanks."""
    words = text.removeprefix('"').split(" ", 3)
    if len(words) > 3 and words[2] == "-" and words[1] != "-":  # noqa: PLR2004
        host = words.pop(0)
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return {"url.domain": name, "source.ip": words[0], "user.name": words[2]}
    user = " ".join(words[2:])
    return {"source.ip": words[0], "user.name": user}


def _agents(text: str) -> dict[str, str]:
    """Read ``"referrer" "user agent"``, and leave what a longer format adds."""
    if not text.startswith('"'):
        return {}
    end = _closing_quote(text, 1)
    if end < 0:
        return {}
    fields = {"http.request.referrer": text[1:end]}
    start = text.find('"', end + 1)
    if start < 0:
        return fields
    stop = _closing_quote(text, start + 1)
    fields["user_agent.original"] = text[start + 1 : stop] if stop >= 0 else text[start + 1 :]
    return fields


def _request(request: str) -> dict[str, str]:
    """Split ``GET /path?query HTTP/1.1``; what is no HTTP stays whole in ``url.original``."""
    method, _, rest = request.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not version.startswith("HTTP/"):
        if not (method.isascii() and method.isalpha() and rest):
            return {"url.original": request}
        target, version = rest, ""
    path, _, query = target.partition("?")
    return {
        "http.request.method": method,
        "http.version": version.removeprefix("HTTP/"),
        "url.original": target,
        "url.path": path,
        "url.query": query,
    }
