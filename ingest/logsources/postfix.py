"""Postfix: who sends to whom through which queue id, what was refused and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.decode.layout import Row
from ingest.logsources.lines import SYSLOG_COLUMNS, header_fields, line_layout
from luytre.core.batch import LogSource

if TYPE_CHECKING:
    from ingest.decode.layout import Origin
    from ingest.decode.syslog import Syslog

# Short ids are hexadecimal, long ones (enable_long_queue_ids) are 10 letters and digits or more.
_QUEUE_ID = re.compile(r"([0-9A-F]{5,15}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,20}): ")
_CLIENT = re.compile(r"([\w.\-]{1,255})\[([0-9A-Fa-f.:]{2,45})\](?::(\d{1,5}))?")
_ENHANCED = re.compile(r"\b([245]\d\d) (?:([245]\.\d{1,3}\.\d{1,3}) )?")
_PAIR = re.compile(r"\b([a-z_]{2,32})=(<[^>]*>|[^\s,;]*)")
_ACTIONS = ("reject", "reject_warning", "warning", "discard", "hold", "filter", "redirect")

_PAIRS = {
    "from": "email.from.address",
    "to": "email.to.address",
    "orig_to": "postfix.orig_to",
    "relay": "postfix.relay",
    "status": "postfix.status",
    "dsn": "postfix.dsn",
    "delay": "postfix.delay",
    "size": "email.size",
    "nrcpt": "postfix.nrcpt",
    "message-id": "email.message_id",
    "helo": "postfix.helo",
    "proto": "network.protocol",
    "sasl_username": "user.name",
    "sasl_method": "postfix.sasl_method",
}

LAYOUT = line_layout(
    "postfix/mail",
    (LogSource("postfix", None, "postfix"), LogSource("linux", None, "postfix"),
     LogSource("linux", None, "syslog")),
    (*SYSLOG_COLUMNS, *_PAIRS.values(), "postfix.queue_id", "source.ip", "source.port",
     "source.domain", "event.action", "event.outcome", "event.category", "event.reason",
     "postfix.code", "email.subject", "postfix.stage"),
    {"from": "email.from.address", "to": "email.to.address", "sasl_username": "user.name",
     "queue_id": "postfix.queue_id", "status": "postfix.status", "relay": "postfix.relay"},
)  # fmt: skip


def read_message(line: Syslog, origin: Origin) -> Row:
    """Return the row of one message of any Postfix daemon."""
    fields = header_fields(line, origin)
    message = line.message
    queue = _QUEUE_ID.match(message)
    if queue:
        fields["postfix.queue_id"] = queue[1]
        message = message[queue.end() :]
    message = message.removeprefix("NOQUEUE: ")
    more = _refused(message) or _sasl(message) or _delivery(message)
    fields.update({name: value for name, value in more.items() if value})
    return Row(LAYOUT, line.time, fields)


def _refused(message: str) -> dict[str, str]:
    """Read ``reject: RCPT from host[1.2.3.4]: 554 5.7.1 <x>: Relay access denied; from=<..> ..``.

    header_checks write ``warning: header Subject: text from host[1.2.3.4]; from=<..> to=<..>``.
    """
    action, colon, rest = message.partition(": ")
    if not colon or action not in _ACTIONS:
        return {}
    fields = {"event.action": action}
    if action == "warning" and not rest.startswith(("header ", "body ")):
        return {**fields, "event.reason": rest, **_sasl(rest), **_client(rest)}
    what, _, tail = rest.rpartition("; from=")
    if not what:
        what, tail = rest, ""
    # Pairs stand behind the last "; from=": what stands before is the sender's own text.
    pairs = _pairs("from=" + tail) if tail else {}
    stage, _, place = what.partition(" from ")
    if rest.startswith(("header ", "body ")):
        text, _, place = what.rpartition(" from ")
        fields |= _header(text)
        reason = ""
    else:
        fields["postfix.stage"] = stage
        reason = place.partition("]: ")[2] or place.partition(": ")[2]
        code = _ENHANCED.match(reason)
        if code:
            fields |= {"postfix.code": code[1], "postfix.dsn": code[2] or ""}
    if action == "reject":
        fields["event.outcome"] = "failure"
    return {**pairs, **fields, "event.reason": reason, **_client(place)}


def _header(text: str) -> dict[str, str]:
    _, _, header = text.partition(" ")
    name, _, value = header.partition(": ")
    return {"email.subject": value} if name.lower() == "subject" else {}


def _sasl(message: str) -> dict[str, str]:
    """Read ``host[1.2.3.4]: SASL LOGIN authentication failed: reason, sasl_username=u``."""
    if "SASL " not in message or "authentication failed" not in message:
        return {}
    method = message.partition("SASL ")[2].partition(" ")[0]
    reason = message.partition("authentication failed")[2].removeprefix(": ")
    return {
        "event.action": "sasl_login",
        "event.category": "authentication",
        "event.outcome": "failure",
        "event.reason": reason.partition(", sasl_username=")[0],
        "postfix.sasl_method": method,
        "user.name": reason.partition("sasl_username=")[2],
        **_client(message),
    }


def _delivery(message: str) -> dict[str, str]:
    """Read pairs, and the reason in the parentheses at the end of a delivery's line."""
    fields = _pairs(message)
    if message.startswith("message-id="):
        return {"email.message_id": message.removeprefix("message-id=").strip("<>")}
    status = fields.get("postfix.status", "")
    if status:
        fields["event.action"] = "delivery"
        fields["event.outcome"] = "success" if status == "sent" else "failure"
        fields["event.reason"] = message.partition(" (")[2].removesuffix(")")
    elif fields.get("user.name"):
        fields |= {"event.action": "sasl_login", "event.category": "authentication"}
        fields["event.outcome"] = "success"
    else:
        fields["event.action"] = _action(message)
    return {**fields, **_client(message)}


def _action(message: str) -> str:
    for start, action in (
        ("connect from ", "connect"),
        ("disconnect from ", "disconnect"),
        ("lost connection after ", "lost_connection"),
        ("timeout after ", "timeout"),
        ("removed", "removed"),
        ("client=", "client"),
        ("from=", "queued"),
    ):
        if message.startswith(start):
            return action
    return ""


def _pairs(message: str) -> dict[str, str]:
    return {
        _PAIRS[name]: value[1:-1] if value.startswith("<") else value
        for name, value in _PAIR.findall(message.partition(" (")[0])
        if name in _PAIRS
    }


def _client(text: str) -> dict[str, str]:
    found = _CLIENT.search(text[:4096])
    if found is None:
        return {}
    domain = "" if found[1] == "unknown" else found[1]
    return {"source.domain": domain, "source.ip": found[2], "source.port": found[3] or ""}
