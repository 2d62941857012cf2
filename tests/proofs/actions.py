"""Proof: hostile values in every argument of every action reach nobody but who is allowed.

Real counterparts record what they get: a packet filter program, a mail server, web servers, and a
program to run. Whatever an action accepts must arrive as data, in its place; nothing may run.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from luytre.core.clock import ManualClock
from luytre.core.config_playbooks import PlaybooksConfig
from playbooks.actions import ACTIONS, Actions, Services
from playbooks.actions.action import ActionFailedError, ActionUnclearError, Order
from tests.playbooks.hostile import CANARY, values
from tests.playbooks.servers import Mailbox, Recorder, mail_server, web

GOOD: dict[str, dict[str, Any]] = {
    "assign": {"person": "lan"},
    "block-address": {"address": "203.0.113.9", "firewall": "nftables", "minutes": 5},
    "comment": {"text": "x"},
    "disable-account": {"account": "nam", "directory": "ad"},
    "enable-account": {"account": "nam", "directory": "ad"},
    "http-request": {
        "method": "POST",
        "url": "http://allowed.test:{port}/hook",
        "body": {"a": "b"},
    },
    "isolate-host": {"host": "pc-1", "edr": "edr"},
    "lookup-indicator": {"value": "x"},
    "notify-organisation": {"organization": "so-y-te", "subject": "s", "text": "t"},
    "open-ticket": {"system": "itop", "title": "t", "text": "x", "priority": "high"},
    "query-alerts": {"text": "x", "hours": 1},
    "query-archive": {"column": "source.ip", "value": "x", "hours": 1},
    "release-host": {"host": "pc-1", "edr": "edr"},
    "run-command": {"command": "tool", "arguments": ["203.0.113.9", "pc-1", "nam", "word"]},
    "send-mail": {"to": ["a@tinh.test"], "subject": "s", "text": "t"},
    "send-message": {"channel": "duty", "text": "x"},
    "start-clock": {"clock": "notice-24h"},
    "stop-clock": {"clock": "notice-24h"},
    "unblock-address": {"address": "203.0.113.9", "firewall": "nftables"},
    "wait": {"minutes": 5},
}
SHOWS_ITS_ARGUMENTS = '#!/bin/sh\nfor a in "$@"; do printf "%s\\n" "$a"; done\n'
KEEPS_ITS_INPUT = '#!/bin/sh\n/bin/cat >> "{kept}"\nprintf "\\n" >> "{kept}"\n'


@dataclass
class Outcome:
    """What came of it."""

    values: int = 0
    tried: int = 0
    done: int = 0
    refused: int = 0
    connections: int = 0
    problems: list[str] = field(default_factory=list)


class Desk:
    """Takes what is written; a comment may hold any text."""

    def assign(self, incident: str, person: str, actor: str) -> None:
        assert (
            person.replace(".", "").replace("@", "").replace("-", "").replace("$", "").isalnum()
            or "_" in person
        )

    def comment(self, incident: str, text: str, actor: str) -> None:
        assert "\x00" not in text

    def start_clock(self, incident: str, clock: str, actor: str) -> None:
        assert clock == "notice-24h"

    stop_clock = start_clock


class Book:
    """Counts nothing."""

    def count(self, *_args: Any) -> int:
        return 0

    def find(self, _value: str) -> list[str]:
        return []


def prove(folder: Path, count: int, seed: int) -> Outcome:
    """Try ``count`` values in every text argument of every action."""
    outcome = Outcome()
    Path(CANARY).unlink(missing_ok=True)
    authority = trustme.CA()
    resolved: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        resolved.append(host)
        return ["127.0.0.1"]

    with web() as allowed, web() as forbidden, mail_server(authority, folder) as box:
        settings = _settings(folder, allowed, box)
        services = Services(
            ManualClock(), archive=Book(), indicators=Book(), desk=Desk(), resolve=resolve
        )
        doing = Actions(settings, services)
        for value in values(count, seed):
            outcome.values += 1
            for name in ACTIONS:
                _try_all(doing, name, allowed.port, value, outcome)
        outcome.connections = allowed.connections
        if forbidden.connections or set(resolved) - {"allowed.test"}:
            outcome.problems.append(f"reached: {set(resolved)}, {forbidden.connections}")
        _check_mails(box, outcome)
    _check_filter(folder / "nft.json", outcome)
    if Path(CANARY).exists():
        outcome.problems.append("the canary ran")
    return outcome


def _settings(folder: Path, server: Recorder, box: Mailbox) -> PlaybooksConfig:
    tool, nft = Path("/usr/local/lib/luytre-proof-tool"), folder / "nft"
    nft.write_text(KEEPS_ITS_INPUT.format(kept=folder / "nft.json"))
    nft.chmod(0o755)
    (folder / "password").write_text("x")
    program = "/bin/echo" if os.geteuid() else _placed(tool)
    there = {"url": f"http://allowed.test:{server.port}/hook", "networks": ("127.0.0.0/8",)}
    return PlaybooksConfig.model_validate({
        "http": (there,), "channels": ({"name": "duty", **there},), "isolation": ({"name": "edr", **there},),
        "tickets": ({"name": "itop", **there},), "contacts": ({"organization": "so-y-te", "mail": "b@tinh.test"},),
        "mail": {"host": "localhost", "port": box.port, "ca_file": folder / "ca.pem", "sender": "soc@tinh.test", "recipients": ("@tinh.test",)},
        "nftables": {"enabled": True, "program": nft},
        "directories": ({"name": "ad", "url": "ldaps://127.0.0.1:1", "user": "a", "password_file": folder / "password", "search_in": "b"},),
        "commands": ({"name": "tool", "program": program, "arguments": ("address", "host", "account", "word")},),
    })  # fmt: skip


def _placed(tool: Path) -> str:
    """Put the program where the other user can reach it."""
    tool.parent.mkdir(parents=True, exist_ok=True)
    tool.write_text(SHOWS_ITS_ARGUMENTS)
    tool.chmod(0o755)
    return str(tool)


def _try_all(doing: Actions, name: str, port: int, value: str, outcome: Outcome) -> None:
    good = json.loads(json.dumps(GOOD[name]).replace("{port}", str(port)))
    for key, before in good.items():
        attacks: list[Any] = [value]
        if isinstance(before, list):
            attacks = [[*before[:n], value, *before[n + 1 :]] for n in range(len(before))]
        elif isinstance(before, dict):
            attacks = [{"a": value}, {value: "b"}]
        for attack in attacks:
            _try(doing, name, {**good, key: attack}, outcome)


def _try(doing: Actions, name: str, given: dict[str, Any], outcome: Outcome) -> None:
    outcome.tried += 1
    try:
        done = doing.perform(name, given, Order("k", "tinh", "i-1", "lan"))
    except (ActionFailedError, ActionUnclearError):
        outcome.refused += 1
        return
    except Exception as error:  # noqa: BLE001 - a proof reports whatever else comes out
        outcome.problems.append(f"{name} {given!r}: {type(error).__name__} {error}"[:300])
        return
    outcome.done += 1
    if name == "run-command" and done.outputs["output"].splitlines() != given["arguments"]:
        outcome.problems.append(f"arguments changed: {given!r}"[:300])


def _check_mails(box: Mailbox, outcome: Outcome) -> None:
    for mail in box.mails:
        wrong = [to for to in mail.rcpt_tos if not to.lower().endswith("@tinh.test")]
        head = bytes(mail.original_content or b"").split(b"\r\n\r\n")[0].lower()
        if wrong or b"\r\nbcc:" in head or b"\r\ncc:" in head:
            outcome.problems.append(f"a mail to {mail.rcpt_tos}: {head[:200]!r}")


def _check_filter(kept: Path, outcome: Outcome) -> None:
    for line in kept.read_text().splitlines() if kept.exists() else []:
        verbs = [verb for each in json.loads(line)["nftables"] for verb in each]
        if verbs not in (["add"], ["delete"]) or "element" not in line:
            outcome.problems.append(f"the packet filter was told {line[:200]}")
