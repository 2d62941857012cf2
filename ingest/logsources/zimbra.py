"""Zimbra's audit.log and mailbox.log: who logged on from where, over what, and what failed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.decode.layout import Row
from ingest.decode.times import iso_us
from ingest.logsources.lines import line_layout
from luytre.core.batch import LogSource

if TYPE_CHECKING:
    from ingest.decode.layout import Origin

_HEADER = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (TRACE|DEBUG|INFO|WARN|ERROR|FATAL) {1,2}"
    r"\[([^\]]{0,2000})\] \[([^\]]{0,4000})\] (\w{1,40}) - "
)
_SITE_PORT = re.compile(r":\d{1,5}$")
_PASSWORD_PROTOCOLS = frozenset({"smtp", "imap", "pop3"})

_COLUMNS = {
    "oip": "source.ip",
    "oport": "source.port",
    "account": "user.name",
    "ua": "user_agent.original",
    "error": "error.message",
}
_NATIVE = ("name", "ip", "cmd", "protocol", "oproto", "admin", "aname", "id", "mid", "via")

LAYOUT = line_layout(
    "zimbra/audit",
    (LogSource("zimbra", None, "audit"),),
    (*_COLUMNS.values(), *_NATIVE, "message", "host.name", "log.level", "log.logger", "url.domain",
     "url.path", "event.action", "event.category", "event.outcome", "network.protocol"),
    _COLUMNS,
)  # fmt: skip


def read_line(line: str, origin: Origin) -> Row | None:
    """Return the row of a Zimbra line, None if the line is none.

    The client is the first address of ``oip`` (``ip`` may be the proxy). A password that the SMTP
    server checks arrives at ``/service/admin/soap``: with ``oproto=smtp`` it is a login over SMTP
    and not one of the administration.
    """
    found = _HEADER.match(line)
    if found is None:
        return None
    thread, context, category = found[3], found[4], found[5]
    message = line[found.end() :]
    values = _pairs(context.split(";")) | _message_pairs(message)
    fields = {name: values[name] for name in _NATIVE if values.get(name)}
    fields |= {_COLUMNS[name]: values[name] for name in _COLUMNS if values.get(name)}
    client = (values.get("oip") or values.get("ip") or "").partition(",")[0].strip()
    if client:
        fields["source.ip"] = client
    fields |= {"message": line, "log.level": found[2].lower(), "log.logger": category}
    site, _, path = thread.partition("://")[2].partition("/")
    if site:
        fields["url.domain"] = _SITE_PORT.sub("", site)
    if path:
        fields["url.path"] = "/" + path
    if origin.host:
        fields["host.name"] = origin.host
    if category == "security":
        fields |= _outcome(values, fields.get("url.path", ""))
    return Row(LAYOUT, iso_us(found[1]), fields)


def _pairs(pieces: list[str]) -> dict[str, str]:
    found = {}
    for piece in pieces:
        name, equals, value = piece.strip().partition("=")
        if equals and name not in found:
            found[name] = value
    return found


def _message_pairs(message: str) -> dict[str, str]:
    """Split ``cmd=Auth; account=a@b; protocol=soap; error=text;``: the error may hold anything."""
    before, marked, error = message.partition("error=")
    found = _pairs(before.split(";"))
    if marked:
        found["error"] = error.removesuffix(";")
    return found


def _outcome(values: dict[str, str], path: str) -> dict[str, str]:
    fields = {"event.outcome": "failure" if values.get("error") else "success"}
    command = values.get("cmd", "")
    if command not in {"Auth", "AdminAuth"}:
        return {**fields, "event.action": command} if command else fields
    protocol = values.get("oproto") or values.get("protocol") or "soap"
    if protocol in _PASSWORD_PROTOCOLS:
        action = f"{protocol}_login"
    else:
        action = "admin_login" if command == "AdminAuth" or "/admin/" in path else "login"
    return {
        **fields,
        "event.action": action,
        "event.category": "authentication",
        "network.protocol": protocol,
    }
