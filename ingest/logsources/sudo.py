"""sudo: who ran what as whom, and what was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.decode.layout import Row
from ingest.logsources.lines import SYSLOG_COLUMNS, header_fields, line_layout
from luytre.core.batch import LogSource

if TYPE_CHECKING:
    from ingest.decode.layout import Origin
    from ingest.decode.syslog import Syslog

_FIELDS = {
    "USER": "user.target.name",
    "COMMAND": "process.command_line",
    "PWD": "process.working_directory",
    "TTY": "process.tty.name",
    "GROUP": "group.name",
    "ENV": "process.env_vars",
}

LAYOUT = line_layout(
    "linux/sudo",
    (LogSource("linux", None, "sudo"), LogSource("linux", None, "auth")),
    (*SYSLOG_COLUMNS, *_FIELDS.values(), "user.name", "event.action", "event.category",
     "event.outcome"),
    _FIELDS,
)  # fmt: skip


def read_message(line: Syslog, origin: Origin) -> Row:
    """Read ``ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/bin/su -``.

    The command is what follows ``COMMAND=`` to the end: it may hold semicolons.
    """
    fields = header_fields(line, origin)
    user, colon, rest = line.message.strip().partition(" : ")
    if colon and "=" in rest:
        fields["user.name"] = user
        before, marked, command = rest.partition("COMMAND=")
        for piece in before.split(" ; "):
            name, equals, value = piece.strip().strip(";").strip().partition("=")
            if equals and name in _FIELDS and value:
                fields[_FIELDS[name]] = value
        if marked:
            fields["process.command_line"] = command
        refused = "=" not in before.partition(";")[0]
        fields |= {
            "event.action": "sudo_refused" if refused else "sudo",
            "event.category": "process",
            "event.outcome": "failure" if refused else "success",
        }
    return Row(LAYOUT, line.time, fields)
