"""Programs that log through syslog: each to its own part, the rest to ``linux/syslog``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.decode.layout import Layout, Row
from ingest.logsources import postfix, sshd, sudo
from ingest.logsources.lines import SYSLOG_COLUMNS, header_fields, line_layout
from luytre.core.batch import LogSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ingest.decode.layout import Origin
    from ingest.decode.syslog import Syslog

_AUTH_COLUMNS = (
    *SYSLOG_COLUMNS, "user.name", "user.target.name", "event.action", "event.outcome",
    "event.category",
)  # fmt: skip


def _layout(service: str, *others: str) -> Layout:
    services = (service, *others)
    return line_layout(
        f"linux/{service}", [LogSource("linux", None, s) for s in services], _AUTH_COLUMNS
    )


AUTH = _layout("auth")
SYSLOG = _layout("syslog")
_CRON = _layout("cron", "syslog")
_VSFTPD = _layout("vsftpd", "syslog")
_CLAMAV = _layout("clamav", "syslog")
_GUACAMOLE = _layout("guacamole", "syslog")
LAYOUTS = (AUTH, SYSLOG, _CRON, _VSFTPD, _CLAMAV, _GUACAMOLE)

_LAYOUT_OF: Mapping[str, Layout] = {
    **dict.fromkeys(
        ("su", "login", "systemd-logind", "polkitd", "pkexec", "passwd", "chpasswd", "useradd",
         "userdel", "usermod", "groupadd", "groupdel", "groupmod", "gpasswd", "chage", "chfn",
         "runuser", "doas", "gdm", "gdm-password", "lightdm", "sddm", "sssd", "pam_unix",
         "unix_chkpwd", "kinit", "newgrp", "remote", "vlock", "at", "atd"),
        AUTH,
    ),
    **dict.fromkeys(("cron", "crond", "crontab", "anacron", "fcron"), _CRON),
    "vsftpd": _VSFTPD,
    **dict.fromkeys(("clamd", "clamav", "freshclam", "clamscan", "clamav-milter"), _CLAMAV),
    "guacd": _GUACAMOLE,
}  # fmt: skip
_SSHD = frozenset({"sshd", "sshd-session", "sshd-auth", "dropbear"})


def read_message(line: Syslog, origin: Origin) -> Row:
    """Return the row of a program's message."""
    program = _program(line)
    reader = _reader(program)
    if reader is not None:
        return reader(line, origin)
    return _plain(_LAYOUT_OF.get(program, SYSLOG), line, origin)


def read_auth(line: Syslog, origin: Origin) -> Row:
    """Return the row of a line of auth.log or secure: what no reader knows is ``linux/auth``."""
    program = _program(line)
    reader = _reader(program)
    if reader is not None:
        return reader(line, origin)
    return _plain(_LAYOUT_OF.get(program, AUTH), line, origin)


def _reader(program: str) -> Callable[[Syslog, Origin], Row] | None:
    if program in _SSHD:
        return sshd.read_message
    if program == "sudo":
        return sudo.read_message
    return postfix.read_message if program.startswith("postfix") else None


def _program(line: Syslog) -> str:
    """Return the program in lower case, without a path or ``(pam_unix)``."""
    name = line.program if line.program.startswith("postfix") else line.program.rpartition("/")[2]
    return name.partition("(")[0].lower()


def _plain(layout: Layout, line: Syslog, origin: Origin) -> Row:
    fields = header_fields(line, origin)
    if layout is AUTH:
        fields |= {name: value for name, value in _session(line.message).items() if value}
    elif layout is _CRON:
        fields |= {name: value for name, value in _cron_user(line.message).items() if value}
    return Row(layout, line.time, fields)


def _session(message: str) -> dict[str, str]:
    """Read ``pam_unix(su:session): session opened for user root(uid=0) by ann(uid=1000)``."""
    for mark, action in (
        ("session opened for user ", "session_opened"),
        ("session closed for user ", "session_closed"),
    ):
        if mark in message:
            target, _, by = message.partition(mark)[2].partition(" by ")
            fields = {"event.action": action, "user.target.name": target.partition("(")[0].strip()}
            return fields | {"user.name": by.partition("(")[0].strip()}
    if "authentication failure" in message:
        pairs = dict(word.split("=", 1) for word in message.split() if "=" in word)
        fields = {"event.action": "authentication", "event.category": "authentication"}
        fields |= {"event.outcome": "failure", "user.name": pairs.get("ruser", "")}
        return fields | {"user.target.name": pairs.get("user", "")}
    return {}


def _cron_user(message: str) -> dict[str, str]:
    """Read ``(root) CMD (command)``."""
    if not message.startswith("("):
        return {}
    user, _, rest = message[1:].partition(") ")
    return {"user.name": user, "event.action": rest.partition(" ")[0].lower()} if rest else {}
