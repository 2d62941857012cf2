"""Places of one machine that processes hold: the only one for a role, or a number among many."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from luytre.core.endpoint import serve
from luytre.core.errors import NeighbourError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.core.clock import Clock
    from luytre.core.config import Config

NUMBERS_MAX = 256


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


@contextmanager
def metrics(config: Config, process: int) -> Iterator[None]:
    """Serve this process' metrics: the configured port is the index's, the others follow.

    Raises:
        NeighbourError: the port cannot be had.
    """
    if not config.metrics.listen:
        yield
        return
    host, _, port = config.metrics.listen.rpartition(":")
    try:
        stop = serve(host.strip("[]"), int(port) + process)
    except (OSError, OverflowError) as error:
        raise NeighbourError(f"metrics.listen {host}:{int(port) + process}: {error}") from error
    try:
        yield
    finally:
        stop()
