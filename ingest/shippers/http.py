"""Takes events over HTTP: POST NDJSON (or one JSON document) to / or /v1/events.

200 means that the log has every event of the body on disk. A sender that got anything else, or
nothing, sends again; with an ``Idempotency-Key`` the events keep their ids. The keys that were
answered are in memory: a body sent again to a shipper that has restarted since is shipped again,
under the ids that its events had.

A browser is no sender: any page that a user of this machine opens could otherwise post events to
a listener without a token. So a request with an ``Origin`` is refused (the Fetch standard sends
one with every POST), and without a token so is a ``Host`` beyond loopback (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
import io
import ipaddress
import json
import socket
import threading
import time
from collections import OrderedDict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from ingest.shippers.documents import split_documents
from ingest.shippers.listen import Address, Counter, Door, Event, split_address
from ingest.shippers.unpack import BROKEN, Unpacked
from luytre.core.errors import NeighbourError, Refused
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from typing import BinaryIO

    from luytre.core.config import HttpInput

PATHS = frozenset({"/", "/v1/events"})
LINES_TYPES = frozenset({"", "application/x-ndjson", "application/ndjson", "text/plain"})
DOCUMENT_TYPES = frozenset({"application/json"})
REQUEST_TIMEOUT_S = 30.0
RETRY_AFTER_S = 1
CONNECTIONS_MAX = 128
BODIES_MAX = 8
"""Bodies held in memory at once, each of up to ``body_bytes_max``."""
KEYS_MAX = 10_000
KEY_CHARS_MAX = 200
_log = get_logger("ingest")


class _Answer(Exception):  # noqa: N818 - an answer, not always an error
    """Ends a request with a status and a sentence."""

    def __init__(self, status: HTTPStatus, problem: str, **headers: str) -> None:
        super().__init__(problem)
        self.status = status
        self.headers = headers


class HttpListener:
    """One address. Beyond loopback it listens only with a token."""

    def __init__(self, source: HttpInput, door: Door) -> None:
        self._source = source
        self._door = door
        self._token = _read_token(source)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Address:
        """Listen from now on."""
        host, port = split_address(self._source.listen)
        try:
            server = _Server((host, port), self._source.body_bytes_max, self._token)
        except OSError as error:
            raise NeighbourError(f"http input {self._source.listen}: {error}") from error
        address = Address("http", *server.socket.getsockname()[:2])
        server.counter = Counter(self._door, address)
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.1,), name="http", daemon=True
        )
        self._thread.start()
        self._server = server
        return address

    def stop(self) -> None:
        """Accept no new connections; requests under way are answered while the outbox is open."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def problem(self) -> str:
        """Return why events that are sent do not arrive, or nothing."""
        is_up = self._thread is not None and self._thread.is_alive()
        return "" if is_up else f"http {self._source.listen}: nobody listens"


def _read_token(source: HttpInput) -> bytes:
    if source.token_file is None:
        host, _ = split_address(source.listen)
        if not _is_loopback(host):
            raise Refused(f"http input {source.listen} is not loopback: set token_file")
        return b""
    try:
        token = source.token_file.read_bytes().strip()
    except OSError as error:
        raise Refused(f"{source.token_file}: {error.strerror}") from error
    if not token:
        raise Refused(f"{source.token_file}: holds no token")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names_loopback(header: str) -> bool:
    """Tell whether a ``Host`` header (RFC 9110, 7.2: a host, perhaps a port) means this machine."""
    try:
        return _is_loopback(urlsplit(f"//{header}").hostname or "")
    except ValueError:
        return False


class _Server(ThreadingHTTPServer):
    """A bounded number of connections and bodies; everything beyond is sent away at once."""

    daemon_threads = True
    counter: Counter

    def __init__(self, address: tuple[str, int], body_bytes_max: int, token: bytes) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.body_bytes_max = body_bytes_max
        self.token = token
        self.bodies = threading.BoundedSemaphore(BODIES_MAX)
        self.keys = _Keys()
        self._connections = threading.BoundedSemaphore(CONNECTIONS_MAX)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        head = f"HTTP/1.1 503 Busy\r\nRetry-After: {RETRY_AFTER_S}\r\nContent-Length: 0\r\n"
        request.settimeout(RETRY_AFTER_S)
        try:
            request.sendall(f"{head}Connection: close\r\n\r\n".encode())
        except OSError as error:
            _log.debug("connection ends", problem=str(error))
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request
        _log.info("connection ends", host=str(client_address[0]), exc_info=True)


class _Keys:
    """The idempotency keys of the bodies being put, and of the latest that were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, str] = {}
        self._answered: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def take(self, key: str, digest: str) -> int | None:
        """Keep ``key`` for a body until ``settle``; the number of events if it was put already.

        Raises ``_Answer`` if the key is another body's, or its body is being put by another thread.
        """
        with self._lock:
            known, events = self._answered.get(key, (self._open.get(key, digest), None))
            if known != digest:
                raise _Answer(HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency-Key of another body")
            if key in self._open:
                raise _busy(HTTPStatus.CONFLICT, "the same Idempotency-Key is under way")
            if events is None:
                self._open[key] = digest
            return events

    def settle(self, key: str, events: int | None) -> None:
        """Remember that a body was put with so many events; None: that it was not."""
        with self._lock:
            digest = self._open.pop(key)
            if events is not None:
                self._answered[key] = (digest, events)
            if len(self._answered) > KEYS_MAX:
                self._answered.popitem(last=False)


class _Deadline(io.RawIOBase):
    """Reads from a socket until a point in time, however slowly the bytes drip (slow loris)."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.restart()

    def restart(self) -> None:
        self._until_s = time.monotonic() + REQUEST_TIMEOUT_S

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("request too slow")
        self._connection.settimeout(left_s)
        return self._connection.recv_into(buffer)


class _Body:
    """The request's body as it is on the wire: ``Content-Length`` bytes and no more."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream = stream
        self.left = length

    def read(self, size: int = -1) -> bytes:
        wanted = self.left if size < 0 else min(size, self.left)
        data = self._stream.read(wanted)
        if len(data) < wanted:
            raise _Answer(HTTPStatus.BAD_REQUEST, "body shorter than Content-Length")
        self.left -= len(data)
        return data


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._deadline = _Deadline(self.connection)
        self.rfile = io.BufferedReader(self._deadline)

    def handle_one_request(self) -> None:
        self._deadline.restart()
        super().handle_one_request()

    def version_string(self) -> str:
        return "luytre"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        _log.debug("http", host=self.client_address[0], line=format % args)

    def do_POST(self) -> None:
        body: _Body | None = None
        try:
            self._check()
            body = _Body(cast("BinaryIO", self.rfile), self._length())
            events = self._take(body)
        except _Answer as answer:
            # What was not read of the body must not be taken for the next request.
            self.close_connection = self.close_connection or body is None or body.left > 0
            self._send(answer.status, {"error": str(answer)}, answer.headers)
        else:
            self._send(HTTPStatus.OK, {"accepted": events}, {})

    def _check(self) -> None:
        if self.path.partition("?")[0] not in PATHS:
            raise _Answer(HTTPStatus.NOT_FOUND, "POST to /v1/events")
        self._check_browser()
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self.server.token)
        if self.server.token and not (right and scheme.lower() == "bearer"):
            raise _Answer(HTTPStatus.UNAUTHORIZED, "bearer token", WWW_Authenticate="Bearer")
        if self._media_type() not in LINES_TYPES | DOCUMENT_TYPES:
            raise _Answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/x-ndjson")

    def _check_browser(self) -> None:
        if "Origin" in self.headers:
            raise _Answer(HTTPStatus.FORBIDDEN, "a browser's page may not send events")
        hosts = self.headers.get_all("Host", [])
        if not self.server.token and not all(map(_names_loopback, hosts)):
            raise _Answer(HTTPStatus.FORBIDDEN, "Host is not loopback: set token_file")

    def _length(self) -> int:
        text = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not text:
            raise _Answer(HTTPStatus.LENGTH_REQUIRED, "send Content-Length, not chunks")
        if not (text.isascii() and text.isdigit() and len(text) < KEY_CHARS_MAX):
            raise _Answer(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
        length = int(text)
        if length > self.server.body_bytes_max:
            raise self._too_large()
        return length

    def _media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def _too_large(self) -> _Answer:
        limit = self.server.body_bytes_max
        return _Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body larger than {limit} bytes")

    def _take(self, body: _Body) -> int:
        if not self.server.bodies.acquire(blocking=False):
            raise _busy(HTTPStatus.TOO_MANY_REQUESTS, "too many bodies at once")
        try:
            data = self._unpack(body)
            return self._put(data, self.headers.get("Idempotency-Key", ""))
        finally:
            self.server.bodies.release()

    def _unpack(self, body: _Body) -> bytes:
        """Return the body decompressed, never more of it than is allowed."""
        limit = self.server.body_bytes_max
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", "zstd"}:
            raise _Answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send gzip, zstd or plain")
        if encoding == "identity":
            return body.read()
        plain = Unpacked(body, encoding)
        try:
            data = plain.read(limit) + plain.read(1)
        except BROKEN as error:
            raise _Answer(HTTPStatus.BAD_REQUEST, f"cannot be decompressed: {error}") from error
        if len(data) > limit:
            raise self._too_large()
        if body.left:
            raise _Answer(HTTPStatus.BAD_REQUEST, "more bytes than the compressed body has")
        return data

    def _put(self, data: bytes, key: str) -> int:
        if len(key) > KEY_CHARS_MAX:
            raise _Answer(HTTPStatus.BAD_REQUEST, "Idempotency-Key is too long")
        if not key:
            return self._put_anew(data, key)
        known = self.server.keys.take(key, hashlib.sha256(data).hexdigest())
        if known is not None:
            return known
        count: int | None = None
        try:
            count = self._put_anew(data, key)
        finally:
            self.server.keys.settle(key, count)
        return count

    def _put_anew(self, data: bytes, key: str) -> int:
        origin = hashlib.sha256(f"http\n{key}".encode()).hexdigest() if key else ""
        events = [
            Event(value, reject, str(number) if key else "")
            for number, (value, reject) in enumerate(self._events(data))
        ]
        try:
            return self.server.counter.put([(self.client_address[0], events)], origin=origin)
        except Exception as error:
            # Whatever it was, the outbox keeps it and the process ends with it.
            _log.warning("body not accepted", problem=str(error))
            problem = "the log does not take events now"
            raise _busy(HTTPStatus.SERVICE_UNAVAILABLE, problem) from error

    def _events(self, data: bytes) -> list[tuple[bytes, str]]:
        if self._media_type() in DOCUMENT_TYPES:
            try:
                return list(split_documents(data))
            except ValueError as error:
                raise _Answer(HTTPStatus.BAD_REQUEST, f"not JSON: {error}") from error
        lines = (line.removesuffix(b"\r") for line in data.split(b"\n"))
        return [(line, "") for line in lines if line.strip()]

    def _send(self, status: HTTPStatus, body: dict[str, Any], headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)


def _busy(status: HTTPStatus, problem: str) -> _Answer:
    return _Answer(status, problem, Retry_After=str(RETRY_AFTER_S))
