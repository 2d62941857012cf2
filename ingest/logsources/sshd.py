"""OpenSSH's server: who tried to log on from where, and whether it worked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.decode.layout import Row
from ingest.logsources.lines import SYSLOG_COLUMNS, header_fields, line_layout
from luytre.core.batch import LogSource

if TYPE_CHECKING:
    from ingest.decode.layout import Origin
    from ingest.decode.syslog import Syslog

LAYOUT = line_layout(
    "linux/sshd",
    (LogSource("linux", None, "sshd"), LogSource("linux", None, "auth")),
    (*SYSLOG_COLUMNS, "event.action", "event.outcome", "event.category", "user.name",
     "source.ip", "source.port", "ssh.method"),
)  # fmt: skip

_LOGIN = ("ssh_login", "authentication")


def read_message(line: Syslog, origin: Origin) -> Row:
    """Return the row of one message of sshd."""
    fields = header_fields(line, origin)
    fields.update({name: value for name, value in _outcome(line.message).items() if value})
    return Row(LAYOUT, line.time, fields)


def _outcome(message: str) -> dict[str, str]:
    word, _, rest = message.partition(" ")
    if word in {"Accepted", "Failed"}:
        method, _, who = rest.partition(" for ")
        outcome = "success" if word == "Accepted" else "failure"
        return {**_result(outcome), "ssh.method": method, **_who(who)}
    if word in {"Invalid", "Illegal"}:
        return {**_result("failure"), **_who(rest.removeprefix("user "))}
    if message.startswith("pam_") and "rhost=" in message:
        return _pam(message)
    return _closed(message) or _place(message)


def _result(outcome: str) -> dict[str, str]:
    action, category = _LOGIN
    return {"event.action": action, "event.category": category, "event.outcome": outcome}


def _who(text: str) -> dict[str, str]:
    """Split ``invalid user NAME from ADDRESS port N``.

    The last " from " counts: the name is the attacker's and may hold one of its own.
    """
    name, _, place = text.rpartition(" from ")
    user = name.removeprefix("invalid user ").removeprefix("illegal user ")
    words = place.split()
    port = words[2] if len(words) > 2 and words[1] == "port" else ""  # noqa: PLR2004
    return {"user.name": user, "source.ip": words[0] if words else "", "source.port": port}


def _closed(message: str) -> dict[str, str]:
    """Split ``Connection closed by invalid user NAME ADDRESS port N [preauth]``."""
    words = message.partition(" user ")[2].split()
    if len(words) > 3 and words[2] == "port":  # noqa: PLR2004
        return {"user.name": words[0], "source.ip": words[1], "source.port": words[3]}
    return {}


def _place(message: str) -> dict[str, str]:
    for mark in (" from ", " by "):
        words = message.rpartition(mark)[2].split() if mark in message else []
        if len(words) > 2 and words[1] == "port":  # noqa: PLR2004
            return {"source.ip": words[0].rstrip(":"), "source.port": words[2].partition(":")[0]}
        if words and _is_address(words[0].rstrip(":,")):
            return {"source.ip": words[0].rstrip(":,")}
    return {}


def _is_address(word: str) -> bool:
    return (word.count(".") == 3 and word.replace(".", "").isdigit()) or word.count(":") > 1  # noqa: PLR2004


def _pam(message: str) -> dict[str, str]:
    fields = dict(pair.split("=", 1) for pair in message.split() if "=" in pair)
    user = fields.get("user", "")
    if "authentication failure" not in message:
        return {"user.name": user, "source.ip": fields.get("rhost", "")}
    # One failed try also says "Failed password": only that line counts as the failure.
    return {"event.action": "pam_failure", "user.name": user, "source.ip": fields.get("rhost", "")}
