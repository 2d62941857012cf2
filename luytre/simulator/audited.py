"""Everyday lines of Linux servers' audit daemon: backups, the gazette's publisher, people."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from luytre.simulator.province import DATABASE_HOST, WEB_HOST
from luytre.simulator.scene import Scene, chance

if TYPE_CHECKING:
    from random import Random

AUDIT = "logs/servers/kernel-audit.log"
NOBODY = 4_294_967_295
"""The login id of what nobody logged on for: services."""

EXECVE, OPENAT, UNLINKAT = 59, 257, 263
PUBLISHER = "/opt/cong-bao/bin/publish"
# host, program, system call, key, login id, user id: what a day on the servers consists of.
DEEDS = (
    (DATABASE_HOST, "/usr/bin/pg_dump", EXECVE, "exec", NOBODY, 26),
    (DATABASE_HOST, "/usr/bin/psql", EXECVE, "exec", 1001, 26),
    (DATABASE_HOST, "/usr/bin/rsync", EXECVE, "exec", NOBODY, 0),
    (DATABASE_HOST, "/usr/sbin/logrotate", EXECVE, "exec", NOBODY, 0),
    (WEB_HOST, PUBLISHER, OPENAT, "cong-bao", NOBODY, 997),
    (WEB_HOST, "/usr/bin/rsync", OPENAT, "cong-bao", NOBODY, 0),
    (WEB_HOST, "/usr/bin/systemctl", EXECVE, "exec", 1001, 0),
)


def syscall(
    scene: Scene, at_s: float, host: str, program: str, number: int, key: str,
    login: int, user: int,
) -> str:  # fmt: skip
    """Return a SYSCALL record as auditd writes it with ``name_format = hostname``."""
    moment = (scene.start + timedelta(seconds=at_s)).timestamp()
    name, session = program.rsplit("/", 1)[-1], NOBODY if login == NOBODY else 7
    ids = " ".join(f"{kind}={user}" for kind in ("uid", "gid", "euid", "suid", "fsuid", "egid"))
    return (
        f"node={host} type=SYSCALL msg=audit({moment:.3f}:{100_000 + int(at_s * 100)}): "
        f"arch=c000003e syscall={number} success=yes exit=0 a0=55d0 a1=55d1 a2=55d2 a3=8 items=2 "
        f"ppid=1201 pid={2000 + int(at_s * 10) % 60_000} auid={login} {ids} sgid={user} "
        f'fsgid={user} tty=(none) ses={session} comm="{name}" exe="{program}" key="{key}"'
    )


def daemons(scene: Scene) -> None:
    """Write what services and administrators do."""
    dice = chance(scene.seed, "audited")
    for at_s in scene.times(dice, 30):
        scene.journal.add(AUDIT, at_s, _deed(scene, dice, at_s))


def _deed(scene: Scene, dice: Random, at_s: float) -> str:
    host, program, number, key, login, user = dice.choice(DEEDS)
    return syscall(scene, at_s, host, program, number, key, login, user)
