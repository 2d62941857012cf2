"""Calls commands as a user does, and small logs to call them on."""

import json
import os
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LUYTRE = (sys.executable, "-m", "luytre")

ACCESS = (
    b'203.0.113.7 - - [23/Nov/2026:06:00:00 +0000] "GET /?id=1 HTTP/1.1" 200 1 "-" "sqlmap/1.7"\n'
    b'203.0.113.8 - - [23/Nov/2026:06:00:01 +0000] "GET /a HTTP/1.1" 200 1 "-" "Mozilla"\n'
)
AUTH = (
    b"Nov 23 06:00:00 web-1 sshd[9]: Failed password for root from 203.0.113.7 port 5000 ssh2\n"
    b"Nov 23 06:00:01 web-1 sshd[9]: Accepted password for root from 203.0.113.7 port 5000 ssh2\n"
    b"Nov 23 06:00:02 web-1 sudo: www-data : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/bash\n"
)
WINDOWS = (
    json.dumps(
        {
            "EventID": 4688,
            "Channel": "Security",
            "Computer": "pc-1",
            "TimeCreated": "2026-11-23T06:00:03Z",
            "NewProcessName": r"C:\Windows\System32\vssadmin.exe",
            "CommandLine": "vssadmin delete shadows /all",
            "SubjectUserName": "bob",
        }
    ).encode()
    + b"\n"
)
UNREADABLE = b"\x00 no log line\n"

HOSTILE_TEXT = "sqlmap \x1b[31m[red]x[/red]\x07\x7f\x9b2J\u202egnp.exe\u2066"
"""Escape sequences, markup, C1 and bidi controls."""
HOSTILE = (
    b'203.0.113.9 - - [23/Nov/2026:06:00:04 +0000] "GET /h HTTP/1.1" 200 1 "-" "%s"\n'
    % HOSTILE_TEXT.encode()
)

RULE = """
title: {title}
id: {id}
status: test
description: a rule of the tests
logsource: {{category: webserver}}
detection: {{s: {{cs-user-agent|contains: Mozilla}}, condition: s}}
level: low
"""
RULE_ID = "6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a11"
GOOD_RULE = RULE.format(title="mozilla", id=RULE_ID)
BAD_RULE = "title: bad\nlogsource: {category: webserver}\ndetection:\n  s: {a|nonsense: b}\n  condition: s\n"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def lines(self) -> list[str]:
        """Lines of the result without the padding of tables."""
        return [line.rstrip() for line in self.out.splitlines() if line.strip()]


Call = Callable[..., Ran]


def forbidden(text: str) -> set[str]:
    """Return what a terminal would obey or hide: controls and format characters."""
    return {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} and c != "\n"}


def process(*arguments: str | Path, folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [*LUYTRE, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def drain(running: subprocess.Popen[bytes]) -> int:
    """Stop a process as an init system does; return its exit code."""
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=40)
    return running.returncode


def wait_until(holds: Callable[[], bool], timeout_s: float = 60) -> None:
    """Return when ``holds``; fail if that takes too long."""
    give_up_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < give_up_s, "it did not happen"
        time.sleep(0.2)
