"""What the signer and those who ask it say to each other: one line of JSON each way."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from luytre.audit.signer import Growth, SignedState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE_BYTES_MAX = 64 * 1024
SOCKET_PATH_MAX = 100
"""Bytes that the kernel takes as a socket's path (sun_path), with some to spare."""


class Question(msgspec.Struct, frozen=True):
    """Without ``growth``: what was signed last?

    ``leave`` asks a signer that was started for a moment to make room for the lasting one.
    """

    growth: Growth | None = None
    leave: bool = False


class Answer(msgspec.Struct, frozen=True):
    """The state; or why it was not signed (``refused``); or what failed."""

    state: SignedState | None = None
    refused: str = ""
    failed: str = ""


def encode(line: Question | Answer) -> bytes:
    """Return a line of the conversation."""
    return msgspec.json.encode(line) + b"\n"


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Give a name of the socket that is short enough for the kernel, however deep it lies."""
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect(path: Path, timeout_s: float) -> socket.socket:
    """Return a connection to the signer. Raises ``OSError``."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        with reachable(path) as name:
            connection.connect(name)
    except OSError:
        connection.close()
        raise
    return connection
