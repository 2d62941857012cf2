"""A folder of logs, a shipper and a log in memory, and messages taken apart by the contract."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zstandard

from ingest.memory import MemoryLog
from ingest.shippers.ship import Shipper
from luytre.core.clock import ManualClock
from luytre.core.config import FileInput, ShipConfig

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from luytre.core.message import Message


@dataclass(frozen=True)
class Sent:
    stream: str
    seq: int
    origin: str
    position: str
    raw: bytes
    reject: str
    host: str

    @property
    def id(self) -> str:
        raw = hashlib.sha256(self.raw).hexdigest()
        return hashlib.sha256(f"{self.origin}\n{self.position}\n{raw}".encode()).hexdigest()


def take_apart(messages: Iterable[Message]) -> list[Sent]:
    return [sent for message in messages for sent in _events(message)]


def _events(message: Message) -> list[Sent]:
    headers = message.headers
    value = message.value
    payload = zstandard.decompress(value) if headers["encoding"] == "zstd" else value
    assert hashlib.sha256(payload).hexdigest() == headers["sha256"]
    assert message.key == headers["stream"].encode()
    lines = [(0, payload)]
    if headers["framing"] == "lines":
        lines, at = [], 0
        for line in payload.split(b"\n"):
            if line.strip():
                lines.append((at, line.removesuffix(b"\r")))
            at += len(line) + 1
    assert len(lines) == int(headers["count"])
    kind, _, rest = headers["position"].partition(":")
    found = []
    for number, (at, raw) in enumerate(lines):
        seq = int(headers["first_seq"]) + number
        if kind == "bytes":
            position = str(int(rest) + at)
        else:
            position = str(seq) if kind == "seq" else rest.split(",")[number]
        reject = headers.get("reject", "")
        stream, origin, host = headers["stream"], headers["origin"], headers["host"]
        found.append(Sent(stream, seq, origin, position, raw, reject, host))
    return found


class Yard:
    """``folder`` is watched by ``patterns``; ``restart`` and ``die`` end one shipper process."""

    def __init__(
        self, tmp_path: Path, patterns: tuple[str, ...] = ("app.log",), **more: Any
    ) -> None:
        self.folder = tmp_path / "logs"
        self.folder.mkdir()
        self.clock = ManualClock()
        self.log = MemoryLog()
        files = FileInput(paths=tuple(str(self.folder / pattern) for pattern in patterns))
        self.settings = ShipConfig(name="office", files=(files,), **more)
        self._state = tmp_path / "state"
        self.shipper = self._start()

    def _start(self) -> Shipper:
        return Shipper(self.settings, "org", self.log, self._state, self.clock)

    def restart(self) -> None:
        self.shipper.close()
        self.shipper = self._start()

    def ship(self, *, final: bool = False) -> int:
        self.clock.advance(2.5)
        return self.shipper.pass_once(final=final)

    def die_after_flush(self) -> None:
        """Ship, but lose what would have been written to the registry; then start again."""
        self.shipper._save = lambda: None  # type: ignore[method-assign]
        self.ship()
        self.restart()

    def append(self, name: str, text: str | bytes) -> None:
        with (self.folder / name).open("ab") as stream:
            stream.write(text.encode() if isinstance(text, str) else text)

    def sent(self) -> list[Sent]:
        self.log.flush()
        places = self.log.assignment()
        for place in places:
            self.log.seek(place, 0)
        return take_apart(record.message for record in self.log.poll(0, bytes_max=2**40))

    def raws(self) -> list[str]:
        return [sent.raw.decode() for sent in self.sent()]
