"""Receives syslog over UDP and TCP (RFC 5426, RFC 6587)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from ingest.shippers.listen import Address, Counter, Door, Event, split_address
from luytre.core.errors import LuytreError, NeighbourError
from luytre.core.log import get_logger
from luytre.core.metrics import DATAGRAMS_DROPPED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from luytre.core.config import SyslogInput

CONNECTIONS_MAX = 512
WAITING_BYTES_MAX = 64 * 2**20
EVENT_COST_BYTES = 200
"""What an event in memory costs beyond its bytes: without it, empty lines would be free."""
PARTIAL_TIMEOUT_S = 60.0
IDLE_TIMEOUT_S = 3600.0
RECEIVE_BUFFER_BYTES = 8 * 2**20
DROPPED_S = 60.0
"""For so long after datagrams were dropped the listener is not well."""
COUNT_DIGITS_MAX = 10
_READ_BYTES = 2**16
_log = get_logger("ingest")


class Frames:
    """Splits a TCP stream into events, however it arrives.

    A frame that starts with a digit 1 to 9, digits and a space is octet counted (RFC 6587, 3.4.1);
    any other ends with LF (3.4.2). Senders mix both, so each frame is looked at.
    """

    def __init__(self, event_bytes_max: int) -> None:
        self._longest = event_bytes_max
        self._buffer = bytearray()
        self._left = 0  # octets to come of a frame too long
        self._piece = 0  # pieces cut off the frame at hand
        self._searched = 0

    @property
    def is_partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._buffer or self._left or self._piece)

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the frames that ``data`` completes."""
        self._buffer += data
        while self._buffer:
            event = self._next()
            if event is None:
                return
            if event.value.strip() or event.reject:
                yield event

    def finish(self) -> Iterator[Event]:
        """Yield what remains when the sender has closed."""
        rest = bytes(self._buffer).rstrip(b"\r\n")
        reject = ""
        if self._left or self._piece:
            reject = self._too_long()
        elif self._counted() > 0:
            reject = "syslog frame cut short"
        self._buffer.clear()
        if rest.strip():
            yield Event(rest, reject)

    def _next(self) -> Event | None:
        if self._left:
            return self._cut_counted()
        header = 0 if self._piece else self._counted()
        if header < 0:
            return None
        return self._octets(header) if header else self._line()

    def _counted(self) -> int:
        """Return the length of the count and its space; 0 for none, -1 while that is open."""
        if not b"1" <= self._buffer[:1] <= b"9":
            return 0
        head = bytes(self._buffer[: COUNT_DIGITS_MAX + 1])
        count, space, _ = head.partition(b" ")
        if not count.isdigit() or len(count) > COUNT_DIGITS_MAX:
            return 0
        return len(count) + 1 if space else -1

    def _octets(self, header: int) -> Event | None:
        length = int(self._buffer[: header - 1])
        if length > self._longest:
            del self._buffer[:header]
            self._left = length
            return Event(b"")
        if len(self._buffer) < header + length:
            return None
        event = bytes(self._buffer[header : header + length])
        del self._buffer[: header + length]
        return Event(event.rstrip(b"\r\n"))

    def _cut_counted(self) -> Event | None:
        size = min(self._left, self._longest)
        if len(self._buffer) < size:
            return None
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        reject = self._too_long()
        self._left -= size
        if not self._left:
            self._piece = 0
        return Event(piece, reject)

    def _line(self) -> Event | None:
        end = self._buffer.find(b"\n", self._searched, self._longest + 1)
        if end < 0 and len(self._buffer) <= self._longest:
            self._searched = len(self._buffer)
            return None
        ended = end >= 0
        piece = bytes(self._buffer[: end if ended else self._longest])
        del self._buffer[: len(piece) + ended]
        self._searched = 0
        reject = self._too_long() if self._piece or not ended else ""
        if ended:
            self._piece = 0
        return Event(piece if reject else piece.rstrip(b"\r"), reject if piece else "")

    def _too_long(self) -> str:
        self._piece += 1
        return f"syslog frame longer than {self._longest} bytes, piece {self._piece}"


class SyslogListener:
    """One address. UDP and TCP senders get no answer: what waits in memory dies with us.

    When the log is slow, TCP senders are not read from; datagrams are dropped and counted.
    """

    def __init__(self, source: SyslogInput, door: Door) -> None:
        self._source = source
        self._door = door
        self._thread = threading.Thread(target=self._run, name="syslog", daemon=True)
        self._started = threading.Event()
        self._problem: OSError | None = None
        self._dropped_s = float("-inf")
        self._address = Address("", "", 0)

    def start(self) -> Address:
        """Listen from now on."""
        self._thread.start()
        self._started.wait()
        if self._problem:
            raise NeighbourError(f"syslog input {self._source.listen}: {self._problem}")
        return self._address

    def stop(self) -> None:
        """Refuse what is new, and put what was taken."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def problem(self) -> str:
        """Return why events that are sent do not arrive, or nothing."""
        where = f"syslog {self._source.protocol} {self._source.listen}"
        if not self._thread.is_alive():
            return f"{where}: nobody listens"
        is_dropping = self._door.clock.monotonic_s() - self._dropped_s < DROPPED_S
        return f"{where}: datagrams are dropped, as the log is slow" if is_dropping else ""

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._problem = error
        except LuytreError as error:
            # The outbox keeps it, and the shipper's main loop raises it.
            _log.warning("syslog listener ends", problem=str(error))
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._waiting: dict[str, list[Event]] = {}
        self._size = self._dropped = 0
        self._connections: set[asyncio.Task[None]] = set()
        async with self._listening():
            self._counter = Counter(self._door, self._address)
            self._started.set()
            while not self._stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    linger_s = self._door.settings.linger_s
                    await asyncio.wait_for(self._stopping.wait(), linger_s)
                await self._put()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        await self._put()

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        host, port = split_address(self._source.listen)
        if self._source.protocol == "tcp":
            server = await asyncio.start_server(self._accept, host, port)
            bound, close = server.sockets[0], server.close
        else:
            transport, _ = await self._loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(host, port)
            )
            bound, close = transport.get_extra_info("socket"), transport.close
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._address = Address(self._source.protocol, *bound.getsockname()[:2])
        try:
            yield
        finally:
            close()

    def take(self, host: str, event: Event) -> None:
        """Keep an event until the next put."""
        self._waiting.setdefault(host, []).append(event)
        self._size += len(event.value) + EVENT_COST_BYTES
        if self._size > WAITING_BYTES_MAX:
            self._room.clear()

    def take_datagram(self, host: str, data: bytes) -> None:
        """Keep a datagram, or drop it if too much waits."""
        if not self._room.is_set():
            self._dropped += 1
        elif value := data.rstrip(b"\r\n\0"):
            self.take(host, Event(value))

    async def _put(self) -> None:
        waiting, self._waiting, self._size = self._waiting, {}, 0
        dropped, self._dropped = self._dropped, 0
        self._room.set()
        if dropped:
            self._dropped_s = self._door.clock.monotonic_s()
            DATAGRAMS_DROPPED.inc(dropped)
            _log.warning("datagrams dropped: the log is slow", count=dropped)
        if waiting:
            await asyncio.to_thread(self._counter.put, waiting.items())

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        host = str((writer.get_extra_info("peername") or ("",))[0])
        if len(self._connections) >= CONNECTIONS_MAX:
            _log.warning("connection refused: too many", host=host, limit=CONNECTIONS_MAX)
            writer.close()
            return
        self._connections.add(task)
        frames = Frames(self._door.settings.event_bytes_max)
        try:
            await self._receive(host, reader, frames)
        except (OSError, TimeoutError, asyncio.CancelledError) as error:
            _log.info("connection ends", host=host, problem=type(error).__name__)
        finally:
            for event in frames.finish():
                self.take(host, event)
            self._connections.discard(task)
            writer.close()

    async def _receive(self, host: str, reader: asyncio.StreamReader, frames: Frames) -> None:
        while True:
            timeout_s = PARTIAL_TIMEOUT_S if frames.is_partial else IDLE_TIMEOUT_S
            data = await asyncio.wait_for(reader.read(_READ_BYTES), timeout_s)
            if not data:
                return
            for event in frames.feed(data):
                self.take(host, event)
            await self._room.wait()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, listener: SyslogListener) -> None:
        self._listener = listener

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._listener.take_datagram(addr[0], data)
