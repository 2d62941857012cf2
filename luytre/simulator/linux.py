"""Everyday lines of a Linux server's auth.log: SSH, sudo, cron, and guesses from the Internet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.simulator.province import ADMIN_PC, BACKUP_SERVER, WEB_HOST, stranger
from luytre.simulator.scene import Scene, chance, likely

if TYPE_CHECKING:
    from random import Random

AUTH = "logs/servers/auth.log"
GUESSED = ("admin", "oracle", "test", "ubuntu", "postgres", "ftpuser", "guest", "deploy", "hotro")
COMMANDS = (
    "/usr/bin/systemctl reload nginx", "/usr/bin/journalctl -u nginx -n 200", "/usr/bin/apt update",
    "/usr/bin/tail -n 100 /var/log/nginx/error.log", "/usr/sbin/logrotate -f /etc/logrotate.conf",
)  # fmt: skip
FINGERPRINT = "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg"


def syslog(scene: Scene, at_s: float, host: str, program: str, text: str) -> str:
    """Return a line as rsyslog writes it, with the zone in its time (RFC 3339)."""
    when = scene.at(at_s).isoformat(timespec="microseconds")
    return f"{when} {host} {program}: {text}"


def servers(scene: Scene) -> None:
    """Write the guesses, the administrators' sessions, and what cron does."""
    dice = chance(scene.seed, "auth")
    for at_s in scene.times(dice, 45):
        _guess(scene, dice, at_s)
    for at_s in scene.times(dice, 4):
        _session(scene, dice, at_s)
    for at_s in scene.times(dice, 6):
        pid = dice.randrange(2000, 60_000)
        for offset, state in ((0.0, "opened"), (0.4, "closed")):
            by = " by root(uid=0)" if state == "opened" else ""
            text = f"pam_unix(cron:session): session {state} for user root(uid=0){by}"
            _note(scene, at_s + offset, f"CRON[{pid}]", text)


def _note(scene: Scene, at_s: float, program: str, text: str) -> None:
    moment = min(at_s, scene.seconds)
    scene.journal.add(AUTH, moment, syslog(scene, moment, WEB_HOST, program, text))


def _guess(scene: Scene, dice: Random, at_s: float) -> None:
    """Write a password that was guessed wrongly from the Internet."""
    client, port, pid = stranger(dice), dice.randrange(30_000, 60_000), dice.randrange(2000, 60_000)
    program = f"sshd[{pid}]"
    if likely(dice, 0.4):
        _note(scene, at_s, program, f"Failed password for root from {client} port {port} ssh2")
        text = f"Connection closed by authenticating user root {client} port {port} [preauth]"
    else:
        user = dice.choice(GUESSED)
        _note(scene, at_s, program, f"Invalid user {user} from {client} port {port}")
        text = f"Failed password for invalid user {user} from {client} port {port} ssh2"
    _note(scene, at_s + 0.5, program, text)


def _session(scene: Scene, dice: Random, at_s: float) -> None:
    """Write somebody's work: by key, or as root by password from inside, which is tolerated."""
    pid, port = dice.randrange(2000, 60_000), dice.randrange(30_000, 60_000)
    user, client, how, tail = dice.choice((
        ("quantri", ADMIN_PC, "publickey", f": ED25519 {FINGERPRINT}"),
        ("quantri", ADMIN_PC, "password", ""),
        ("root", ADMIN_PC, "password", ""),
        ("backup", BACKUP_SERVER, "publickey", f": RSA {FINGERPRINT}"),
    ))  # fmt: skip
    text = f"Accepted {how} for {user} from {client} port {port} ssh2{tail}"
    _note(scene, at_s, f"sshd[{pid}]", text)
    opened = f"pam_unix(sshd:session): session opened for user {user}(uid=1001) by (uid=0)"
    _note(scene, at_s + 0.1, f"sshd[{pid}]", opened)
    if user == "quantri":
        command = dice.choice(COMMANDS)
        sudo = f"  quantri : TTY=pts/0 ; PWD=/home/quantri ; USER=root ; COMMAND={command}"
        _note(scene, at_s + 4, "sudo", sudo)
    closed = f"pam_unix(sshd:session): session closed for user {user}"
    _note(scene, at_s + 20, f"sshd[{pid}]", closed)
