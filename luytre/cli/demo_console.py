"""The end of the demo: the console on the filled example, with one login for each role."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from luytre.accounts.passwords import made_up
from luytre.accounts.users import Users
from luytre.cli.output import console, say, table, text
from luytre.core.actor import Actor, Role
from luytre.core.clock import SystemClock
from luytre.core.organization import Scope
from luytre.processor import case_host

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from luytre.core.config import Config

PEOPLE: Mapping[str, tuple[Role, str]] = {
    "lan": ("analyst", "triages incidents, runs playbooks"),
    "hoa": ("rule_admin", "looks after rules"),
    "binh": ("auditor", "reads everything, changes nothing"),
    "quan": ("admin", "looks after people and the installation"),
}
PORT = 8460


def make_people(settings: Config) -> str:
    """Make one user for each role; return the password that all of them have."""
    password, clock = made_up(), SystemClock()
    maker = Actor("demo", frozenset({"admin"}), Scope.everything(), "demo")
    with case_host.case_database(settings) as cases:
        users = Users(cases, clock)
        for name, (role, _) in PEOPLE.items():
            users.create(maker, name, [role], [], password)
    return password


def listen() -> str:
    """Return where the demo's console listens: its usual place, or a free one."""
    for port in (PORT, 0):
        with socket.socket() as found:
            # As the server will: a port that is only just left may be taken again.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
            return f"127.0.0.1:{found.getsockname()[1]}"
    return f"127.0.0.1:{PORT}"


def answers(address: str, wait_s: float) -> bool:
    """Tell whether somebody listens at an address within some seconds."""
    host, _, port = address.rpartition(":")
    clock = SystemClock()
    until_s = clock.monotonic_s() + wait_s
    while clock.monotonic_s() < until_s:
        try:
            with socket.create_connection((host, int(port)), timeout=1):
                return True
        except OSError:
            clock.sleep(0.2)
    return False


def show_logins(password: str) -> None:
    """Print who may log in."""
    rows = [
        (text(name), text(password), text(role.replace("_", " ")), text(does))
        for name, (role, does) in PEOPLE.items()
    ]
    console().print(table("", ["name", "password", "role", ""], rows))


def offer(config: Path, password: str) -> None:
    """Say how to open the console, and who may log in."""
    console().print("\nThe console (pages in Vietnamese and English)")
    say(f"  .venv/bin/luytre console -c {config}")
    show_logins(password)
