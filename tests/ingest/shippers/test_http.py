"""HTTP: 200 only for what is durable; everything else is refused in time and in bounds."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from ingest.memory import MemoryLog
from ingest.shippers import http as intake
from ingest.shippers.ship import Shipper
from luytre.core.clock import SystemClock
from luytre.core.config import HttpInput, ShipConfig
from luytre.core.errors import NeighbourError, Refused
from tests.ingest.shippers.yard import Sent, take_apart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 10_000


class FullDisk(MemoryLog):
    """A log whose disk is full."""

    def flush(self) -> None:
        raise NeighbourError("disk full")


class SlowDisk(MemoryLog):
    """A log whose flush has begun, and lasts until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()
        self.go_on = threading.Event()

    def flush(self) -> None:
        self.began.set()
        assert self.go_on.wait(10)
        super().flush()


class Intake:
    def __init__(self, folder: Path, log: MemoryLog, token: str = "") -> None:
        token_file = folder / "token"
        token_file.write_text(token + "\n")
        source = HttpInput(
            listen="127.0.0.1:0",
            body_bytes_max=LIMIT,
            time_zone="+07:00",
            token_file=token_file if token else None,
        )
        settings = ShipConfig(name="office", http=(source,))
        self.log = log
        self.shipper = Shipper(settings, "org", log, folder / "state", SystemClock())
        self.shipper.start()
        self.address = self.shipper.addresses()[0]

    def post(self, body: bytes, path: str = "/v1/events", **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.address.host, self.address.port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body, named)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        self.headers = answer.headers
        connection.close()
        return answer.status, found

    def sent(self) -> list[Sent]:
        return take_apart(record.message for record in self.log.poll(0))


@pytest.fixture
def intake_(tmp_path: Path) -> Iterator[Intake]:
    running = Intake(tmp_path, MemoryLog())
    yield running
    running.shipper.close()


@pytest.mark.parametrize(
    ("body", "headers", "events"),
    [
        pytest.param(b'{"a":1}\n\n{"a":2}', {}, [b'{"a":1}', b'{"a":2}'], id="NDJSON"),
        pytest.param(
            gzip.compress(b"a\nb\n"), {"Content_Encoding": "gzip"}, [b"a", b"b"], id="gzip"
        ),
        pytest.param(
            zstandard.compress(b"a\r\nb"), {"Content_Encoding": "zstd"}, [b"a", b"b"], id="zstd"
        ),
        pytest.param(
            b'[{"a": 1},\n{"a": 2}]',
            {"Content_Type": "application/json; charset=utf-8"},
            [b'{"a":1}', b'{"a":2}'],
            id="JSON array",
        ),
        pytest.param(b"", {}, [], id="nothing"),
    ],
)
def test_events_are_accepted(
    intake_: Intake, body: bytes, headers: dict[str, str], events: list[bytes]
) -> None:
    assert intake_.post(body, **headers) == (200, {"accepted": len(events)})

    assert [s.raw for s in intake_.sent()] == events


BOMB = gzip.compress(b"x" * 50_000_000)


@pytest.mark.parametrize(
    ("body", "path", "headers", "status"),
    [
        pytest.param(b"x" * (LIMIT + 1), "/", {}, 413, id="too large"),
        pytest.param(BOMB, "/", {"Content_Encoding": "gzip"}, 413, id="bomb, itself too large"),
        pytest.param(BOMB[:LIMIT], "/", {"Content_Encoding": "gzip"}, 413, id="bomb"),
        pytest.param(
            zstandard.compress(b"x" * 50_000_000), "/", {"Content_Encoding": "zstd"}, 413, id="zstd"
        ),
        pytest.param(b"no gzip", "/", {"Content_Encoding": "gzip"}, 400, id="not gzip"),
        pytest.param(
            gzip.compress(b"abc")[:-3], "/", {"Content_Encoding": "gzip"}, 400, id="gzip cut short"
        ),
        pytest.param(
            zstandard.compress(b"abc")[:-1], "/", {"Content_Encoding": "zstd"}, 400, id="zstd cut"
        ),
        pytest.param(b"x", "/", {"Content_Encoding": "br"}, 415, id="unknown encoding"),
        pytest.param(b"x", "/", {"Content_Type": "text/html"}, 415, id="unknown type"),
        pytest.param(b"{", "/", {"Content_Type": "application/json"}, 400, id="not JSON"),
        pytest.param(b"x", "/elsewhere", {}, 404, id="unknown path"),
        pytest.param(b"x", "/", {"Transfer_Encoding": "chunked"}, 411, id="chunks"),
        pytest.param(b"x", "/", {"Content_Length": "x1"}, 400, id="length is no number"),
        pytest.param(b"x", "/", {"Idempotency_Key": "k" * 300}, 400, id="long key"),
    ],
)
def test_what_is_wrong_is_refused(
    intake_: Intake, body: bytes, path: str, headers: dict[str, str], status: int
) -> None:
    assert intake_.post(body, path, **headers)[0] == status

    assert intake_.sent() == []


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param("Bearer s3cret", 200, id="right"),
        pytest.param("bearer s3cret", 200, id="the scheme's case does not matter"),
        pytest.param("Bearer wrong", 401, id="wrong"),
        pytest.param("Basic s3cret", 401, id="other scheme"),
        pytest.param("", 401, id="none"),
    ],
)
def test_a_token_is_asked_for(tmp_path: Path, header: str, status: int) -> None:
    running = Intake(tmp_path, MemoryLog(), "s3cret")

    found, _ = running.post(b"x", Authorization=header)
    running.shipper.close()

    assert found == status


def test_an_idempotency_key_keeps_ids_and_does_not_send_twice(tmp_path: Path) -> None:
    first = Intake(tmp_path, MemoryLog())
    answers = [first.post(b"a\nb\n", Idempotency_Key="k1") for _ in range(2)]
    other = first.post(b"c\n", Idempotency_Key="k1")
    first.shipper.close()
    second = Intake(tmp_path, MemoryLog())
    second.post(b"a\nb\n", Idempotency_Key="k1")
    second.shipper.close()

    assert answers == [(200, {"accepted": 2})] * 2
    assert other[0] == 422
    once = first.sent()
    assert [s.raw for s in once] == [b"a", b"b"]
    assert [s.id for s in once] == [s.id for s in second.sent()]


def test_of_two_posts_of_one_key_at_once_only_the_first_enters(tmp_path: Path) -> None:
    log = SlowDisk()
    running = Intake(tmp_path, log)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(running.post, b"a\n", Idempotency_Key="k1")
        assert log.began.wait(10)
        same, retry_after = running.post(b"a\n", Idempotency_Key="k1"), running.headers
        other = running.post(b"b\n", Idempotency_Key="k1")
        log.go_on.set()
        answers = first.result(), running.post(b"a\n", Idempotency_Key="k1")
    running.shipper.close()

    assert (same[0], other[0]) == (409, 422)
    assert retry_after["Retry-After"]
    assert answers == ((200, {"accepted": 1}),) * 2
    assert [s.raw for s in running.sent()] == [b"a"]


def test_the_inputs_zone_goes_with_its_messages(intake_: Intake) -> None:
    intake_.post(b"x\n")

    [record] = intake_.log.poll(0)
    assert record.message.headers["zone"] == "+07:00"


def test_a_key_whose_body_was_refused_is_free_again(intake_: Intake) -> None:
    refused = intake_.post(b"{", Content_Type="application/json", Idempotency_Key="k1")
    mended = intake_.post(b"{}", Content_Type="application/json", Idempotency_Key="k1")

    assert (refused[0], mended) == (400, (200, {"accepted": 1}))


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        pytest.param("", {"Origin": "https://evil.example"}, 403, id="a page"),
        pytest.param("", {"Origin": "null"}, 403, id="a page in a sandbox"),
        pytest.param("", {"Origin": "http://127.0.0.1"}, 403, id="a page of this machine"),
        pytest.param("", {"Host": "evil.example"}, 403, id="DNS rebinding"),
        pytest.param("", {"Host": "127.0.0.1.evil.example:80"}, 403, id="a name like loopback"),
        pytest.param("", {"Host": "127.0.0.1@evil.example"}, 403, id="user info"),
        pytest.param("", {"Host": "[::1"}, 403, id="no host at all"),
        pytest.param("", {"Host": "localhost"}, 200, id="localhost"),
        pytest.param("", {"Host": "[::1]:8088"}, 200, id="IPv6 loopback"),
        pytest.param("s3cret", {"Host": "soc.example"}, 200, id="any name with a token"),
        pytest.param("s3cret", {"Origin": "https://soc.example"}, 403, id="a page with a token"),
    ],
)
def test_a_browsers_page_cannot_send_events(
    tmp_path: Path, token: str, headers: dict[str, str], status: int
) -> None:
    running = Intake(tmp_path, MemoryLog(), token)

    found, _ = running.post(
        b"x\n", Content_Type="text/plain", Authorization=f"Bearer {token}", **headers
    )
    running.shipper.close()

    assert found == status
    assert len(running.sent()) == (status == 200)


def test_nothing_is_accepted_when_the_log_fails(tmp_path: Path) -> None:
    running = Intake(tmp_path, FullDisk())

    first, second = running.post(b"a\n"), running.post(b"a\n")

    assert (first[0], second[0]) == (503, 503)
    assert running.headers["Retry-After"]
    assert str(running.shipper._outbox.failure) == "disk full"
    running.shipper.close()


def test_too_many_bodies_are_sent_away(intake_: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_connection(intake_.address[1:]) as slow:
        listener: Any = intake_.shipper._listeners[0]
        for _ in range(intake.BODIES_MAX):
            listener._server.bodies.acquire()
        status, _ = intake_.post(b"x")
        slow.close()

    assert status == 429
    assert intake_.headers["Retry-After"]


def test_a_sender_that_drips_is_hung_up_on(
    intake_: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "REQUEST_TIMEOUT_S", 0.3)
    with socket.create_connection(intake_.address[1:], timeout=5) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n")
        received = b"start"
        for _ in range(50):
            try:
                slow.sendall(b"x")
                slow.settimeout(0.05)
                received = slow.recv(100)
            except TimeoutError:
                continue
            except OSError:
                received = b""
            if not received:
                break

    assert received == b""


def test_beyond_loopback_a_token_is_needed(tmp_path: Path) -> None:
    settings = ShipConfig(name="office", http=(HttpInput(listen="0.0.0.0:0", token_file=None),))

    with pytest.raises(Refused, match="token_file"):
        Shipper(settings, "org", MemoryLog(), tmp_path, SystemClock())
