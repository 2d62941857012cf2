"""What every listener has: an address, a stream of its own per start, a row in the registry."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ingest.shippers.outbox import Outbox
from ingest.shippers.registry import FileRow, Registry
from ingest.shippers.stamp import Packer, Stamp
from luytre.core.clock import Clock
from luytre.core.config import ShipConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from luytre.core.message import Message


class Address(NamedTuple):
    """Where something listens: ``kind`` is "udp", "tcp" or "http"."""

    kind: str
    host: str
    port: int


class Event(NamedTuple):
    """One event that arrived; ``position`` as in ``Packer.add``."""

    value: bytes
    reject: str = ""
    position: str = ""


class Listener(Protocol):
    """Receives events in threads of its own between ``start`` and ``stop``."""

    def start(self) -> Address:
        """Listen from now on. Raises ``NeighbourError`` if the address cannot be had."""

    def stop(self) -> None:
        """Refuse what is new, and put what was taken."""

    def problem(self) -> str:
        """Return why events that are sent do not arrive, or nothing. Other threads call it."""


@dataclass(frozen=True, slots=True)
class Door:
    """What a listener needs from its shipper."""

    settings: ShipConfig
    organization: str
    hint: str
    zone: str
    outbox: Outbox
    registry: Registry
    clock: Clock


def split_address(listen: str) -> tuple[str, int]:
    """Return host and port of ``host:port``, an IPv6 host without its brackets."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


class Counter:
    """Numbers the events of a listener since its start, and puts them.

    No sequence survives a restart: what was received and not yet put is gone with the process, and
    the next one counts in a new stream.
    """

    def __init__(self, door: Door, address: Address) -> None:
        self._door = door
        name = f"{door.settings.name}/{address.kind}-{address.port}/{secrets.token_hex(8)}"
        self._stamp = Stamp(name, name, door.organization, door.hint, zone=door.zone)
        where = f"{address.kind}://{address.host}:{address.port}"
        self._row = FileRow(name, name, door.organization, door.hint, "listener", where)
        door.registry.claim(self._row, door.clock.now())

    def put(self, arrived: Iterable[tuple[str, list[Event]]], *, origin: str = "") -> int:
        """Return how many events of (peer, events) are durable in the log now: all of them.

        Raises whatever ``Outbox.put`` raises; then nobody knows.
        """
        return self._door.outbox.put(self._messages(arrived, origin), self._save)

    def _messages(
        self, arrived: Iterable[tuple[str, list[Event]]], origin: str
    ) -> Iterator[Message]:
        # Runs inside the outbox's lock: numbers are given out in the order of sending.
        for host, events in arrived:
            stamp = replace(self._stamp, host=host, origin=origin or self._stamp.origin)
            packer = Packer(stamp, self._door.settings, self._row.place.seq)
            for event in events:
                yield from packer.add(event.value, event.position, event.reject)
            yield from packer.close()
            self._row.place.seq = packer.seq

    def _save(self) -> None:
        self._door.registry.save([self._row], self._door.clock.now())
