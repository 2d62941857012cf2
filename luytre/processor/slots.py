"""Places of one machine that processes hold: the only one for a role, or a number among many."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from luytre.core.endpoint import serve
from luytre.core.errors import NeighbourError
from luytre.core.health import HEALTH
from luytre.processor.space import space

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from luytre.core.clock import Clock
    from luytre.core.config import Config

NUMBERS_MAX = 256
_PORTS = {
    "index-0": 0, "shipper": 1, "console": 295, "upkeep": 296, "signer": 297, "respond": 298,
    "triage": 299,
}  # fmt: skip
_FIRST_PORTS = {"detect": 2, "correlate": 300, "index": 400}
"""How far behind ``metrics.listen``; all detect workers of a machine come before the others."""


def is_taken(config: Config, role: str) -> bool:
    """Tell whether a process holds the machine's only place for ``role`` now."""
    path = config.data_dir / f"{role}.lock"
    if not path.exists():
        return False
    with path.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def taken(config: Config) -> set[str]:
    """Return every place of this machine that a process holds now."""
    roles = {path.stem for path in config.data_dir.glob("*.lock")}
    return {role for role in roles if is_taken(config, role)}


@contextmanager
def alone(config: Config, role: str, clock: Clock) -> Iterator[None]:
    """Hold the machine's only place for ``role``; the kernel lets go when the process ends.

    Raises:
        NeighbourError: another process kept the place for ten seconds.
    """
    for _attempt in range(100):
        handle = _taken(config, role)
        if handle is not None:
            break
        clock.sleep(0.1)
    else:
        path = config.data_dir / f"{role}.lock"
        raise NeighbourError(f"another {role} holds {path}: stop it first")
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def numbered(config: Config, role: str, number: int | None, clock: Clock) -> Iterator[int]:
    """Hold the place ``role-number`` of this machine, or the first free one; give the number.

    Raises:
        NeighbourError: another process kept the place for ten seconds, or there are too many.
    """
    if number is not None:
        with alone(config, f"{role}-{number}", clock):
            yield number
        return
    for free in range(NUMBERS_MAX):
        handle = _taken(config, f"{role}-{free}")
        if handle is not None:
            break
    else:
        raise NeighbourError(f"{NUMBERS_MAX} processes {role} run here already")
    try:
        yield free
    finally:
        os.close(handle)


def _taken(config: Config, role: str) -> int | None:
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = config.data_dir / f"{role}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def port_of(role: str) -> int | None:
    """Return how far behind ``metrics.listen`` a process answers; None if it does not."""
    if role in _PORTS:
        return _PORTS[role]
    name, _, number = role.rpartition("-")
    is_known = name in _FIRST_PORTS and number.isdigit()
    return _FIRST_PORTS[name] + int(number) if is_known else None


@contextmanager
def metrics(config: Config, role: str, folder: Path | None = None) -> Iterator[None]:
    """Serve what the process of a role says of itself, at ``port_of`` it.

    ``folder`` is where it writes, if that is not the data folder.

    Raises:
        NeighbourError: the port cannot be had.
    """
    if not config.metrics.listen:
        yield
        return
    HEALTH.ask("disk", partial(_full, folder or config.data_dir))
    host, _, first = config.metrics.listen.rpartition(":")
    port = int(first) + (0 if config.metrics.one_port else port_of(role) or 0)
    try:
        stop = serve(host.strip("[]"), port)
    except (OSError, OverflowError) as error:
        raise NeighbourError(f"metrics.listen {host}:{port}: {error}") from error
    try:
        yield
    finally:
        stop()


def _full(folder: Path) -> str:
    found = space(folder)
    return f"{found}: nearly full" if found.is_nearly_full else ""
