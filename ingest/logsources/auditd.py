"""The Linux audit daemon: one part, the fields of auditd by their own names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ingest.decode.columns import decode_documents
from ingest.decode.layout import Layout, Origin, Row
from ingest.decode.times import epoch_us
from ingest.logsources.syscalls import X86_64
from luytre.core.batch import LogSource, Part

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = re.compile(
    r"(?:node=(\S{1,255}) )?type=(\w{1,40}) (?:msg=)?audit\((\d{1,12}\.\d{1,6}):(\d{1,20})\):? ?"
)
_PAIR = re.compile(r"""([A-Za-z0-9_.\-\[\]]+)=(?:"([^"]*)"|'([^']*)'|([^\s"']*))""")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_ARGUMENT = re.compile(r"a(\d{1,4})(?:\[\d{1,4}\])?")
_ENCODED = frozenset(
    {"proctitle", "exe", "comm", "ocomm", "cwd", "name", "acct", "cmd", "data", "dir", "path",
     "key", "old-comm", "watch", "unit", "grp", "vm", "new-disk", "old-disk", "file"}
)  # fmt: skip
"""Fields that auditd writes in hexadecimal if they hold blanks, quotes or controls."""

_ABSENT = frozenset({"?", "(null)", "(none)"})
_ARCH_X86_64 = "c000003e"
_KERNEL_TYPES = {
    "1006": "LOGIN", "1100": "USER_AUTH", "1101": "USER_ACCT", "1103": "CRED_ACQ",
    "1104": "CRED_DISP", "1105": "USER_START", "1106": "USER_END", "1112": "USER_LOGIN",
    "1130": "SERVICE_START", "1131": "SERVICE_STOP", "1300": "SYSCALL", "1302": "PATH",
    "1305": "CONFIG_CHANGE", "1306": "SOCKADDR", "1307": "CWD", "1309": "EXECVE",
    "1320": "EOE", "1325": "NETFILTER_CFG", "1326": "SECCOMP", "1327": "PROCTITLE",
    "1400": "AVC", "1404": "MAC_STATUS", "1700": "ANOM_PROMISCUOUS", "1701": "ANOM_ABEND",
}  # fmt: skip
"""Through syslog the kernel writes numbers (linux/audit.h)."""

_COLUMNS: Mapping[str, str] = {
    "exe": "process.executable",
    "comm": "process.name",
    "pid": "process.pid",
    "ppid": "process.parent.pid",
    "proctitle": "process.title",
    "cwd": "process.working_directory",
    "uid": "user.id",
    "auid": "user.audit.id",
    "acct": "user.name",
    "addr": "source.ip",
    "name": "file.path",
    "node": "host.name",
}

LAYOUT = Layout(
    Part("linux/auditd", (LogSource("linux", None, "auditd"),), _COLUMNS,
         {"event.dataset": "linux.auditd"}),
    decode_documents,
    open=True,
)  # fmt: skip


def read_line(line: str, origin: Origin) -> Row | None:
    """Return the row of an audit record, None if the line is none.

    Hexadecimal values become the text they stand for, the words of ``msg='...'`` fields of their
    own, and x86-64 system call numbers also the name ``SYSCALL`` where auditd did not enrich.
    """
    start = line.removeprefix("audit: ")
    found = _HEADER.match(start)
    if found is None:
        return None
    kind = _KERNEL_TYPES.get(found[2], found[2])
    fields: dict[str, Any] = {"type": kind}
    if found[1] or origin.host:
        fields["node"] = found[1] or origin.host
    _collect(start[found.end() :], fields, execve=kind == "EXECVE")
    _complete(fields, kind)
    fields["message"] = start
    fields["auditd.sequence"] = found[4]
    return Row(LAYOUT, epoch_us(found[3]), fields)


def _collect(text: str, fields: dict[str, Any], *, execve: bool) -> None:
    for name, double, single, bare in _PAIR.findall(text):
        if name == "msg" and single:
            _collect(single, fields, execve=False)
        elif double:
            _put(fields, name, double, execve=execve)
        else:
            value = single or bare
            if name in _ENCODED or (execve and _ARGUMENT.fullmatch(name)):
                value = _decoded(value)
            if value and value not in _ABSENT:
                _put(fields, name, value, execve=execve)
    if text.startswith("avc:"):
        _put(
            fields, "seresult", text[4:].split(None, 1)[0] if text[4:].strip() else "", execve=False
        )
        _put(fields, "seperms", text.partition("{")[2].partition("}")[0].strip(), execve=False)


def _put(fields: dict[str, Any], name: str, value: str, *, execve: bool) -> None:
    """Keep a field; the first of one name wins, the pieces of a long argument are joined."""
    base, bracket, _ = name.partition("[")
    if bracket and execve:
        fields[base] = fields.get(base, "") + value
    elif value:
        fields.setdefault(name, value)


def _decoded(value: str) -> str:
    if len(value) < 2 or not _HEX.fullmatch(value):  # noqa: PLR2004
        return value
    return bytes.fromhex(value).rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")


def _complete(fields: dict[str, Any], kind: str) -> None:
    key = fields.get("key")
    if isinstance(key, str) and "\x01" in key:
        fields["key"] = key.split("\x01")
    if kind == "SYSCALL" and fields.get("arch") == _ARCH_X86_64 and "SYSCALL" not in fields:
        name = X86_64.get(fields.get("syscall", ""))
        if name is not None:
            fields["SYSCALL"] = name
    if kind == "EXECVE":
        arguments: list[str] = []
        while (name := f"a{len(arguments)}") in fields:
            arguments.append(fields[name])
        fields["process.command_line"] = " ".join(arguments)
    result = fields.get("res") or fields.get("success")
    if result in {"success", "yes", "1"}:
        fields["event.outcome"] = "success"
    elif result in {"failed", "no", "0"}:
        fields["event.outcome"] = "failure"
    fields["event.action"] = kind.lower()
