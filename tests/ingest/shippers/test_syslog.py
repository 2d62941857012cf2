"""Syslog over UDP and TCP: framing, limits, who sent it."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.memory import MemoryLog
from ingest.shippers.ship import Shipper
from ingest.shippers.syslog import Frames
from luytre.core.clock import SystemClock
from luytre.core.config import ShipConfig, SyslogInput
from luytre.core.errors import NeighbourError
from tests.ingest.shippers.yard import Sent, take_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.shippers.listen import Address


def frames(data: bytes, *ends: int, longest: int = 1024) -> list[tuple[bytes, str]]:
    found = Frames(longest)
    events = []
    start = 0
    for end in [*sorted(ends), len(data)]:
        events += list(found.feed(data[start:end]))
        start = max(start, end)
    return [(event.value, event.reject) for event in [*events, *found.finish()]]


@pytest.mark.parametrize(
    ("data", "events"),
    [
        pytest.param(b"<13>a\n<13>b\r\n", [b"<13>a", b"<13>b"], id="a line each"),
        pytest.param(b"<13>a\n<13>b", [b"<13>a", b"<13>b"], id="the last without an end"),
        pytest.param(b"5 <13>a5 <13>b", [b"<13>a", b"<13>b"], id="octet counted"),
        pytest.param(b"7 <1>a\nbc3 xyz", [b"<1>a\nbc", b"xyz"], id="a line end inside"),
        pytest.param(b"6 <13>a\n<13>b\n5 <13>c", [b"<13>a", b"<13>b", b"<13>c"], id="mixed"),
        pytest.param(b"2024-01-01 x\n12a b\n", [b"2024-01-01 x", b"12a b"], id="dates are lines"),
        pytest.param(b"\n\n \n<1>a\n\n", [b"<1>a"], id="blank lines are none"),
        pytest.param(b"99999999999 x\n", [b"99999999999 x"], id="too many digits: a line"),
    ],
)
def test_frames(data: bytes, events: list[bytes]) -> None:
    assert frames(data) == [(event, "") for event in events]


@pytest.mark.parametrize(
    ("data", "sizes"),
    [
        pytest.param(b"x" * 25 + b"\nok\n", [10, 10, 5, 2], id="line"),
        pytest.param(b"25 " + b"x" * 25 + b"2 ok", [10, 10, 5, 2], id="octets"),
        pytest.param(b"9999999999 " + b"x" * 25, [10, 10, 5], id="a count nobody can send"),
    ],
)
def test_a_frame_too_long_becomes_rejects(data: bytes, sizes: list[int]) -> None:
    found = frames(data, longest=10)

    assert [len(value) for value, _ in found] == sizes
    assert [bool(reject) for value, reject in found] == [value != b"ok" for value, _ in found]


def test_a_frame_cut_short_is_a_reject() -> None:
    assert [bool(reject) for _, reject in frames(b"50 <13>a")] == [True]


@given(
    st.lists(
        st.sampled_from([b"<1>a", b"3 a\nb", b"\n", b"12 ", b"x" * 30, b"1", b" "]), max_size=30
    ),
    st.lists(st.integers(0, 300), max_size=8),
)
def test_frames_are_the_same_however_they_arrive(parts: list[bytes], ends: list[int]) -> None:
    data = b"".join(parts)

    assert frames(data, *ends, longest=20) == frames(data, longest=20)


Serve = "Callable[..., tuple[Address, Callable[[int], list[Sent]]]]"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[Address, Callable[[int], list[Sent]]]]]:
    running: list[Shipper] = []

    def start(protocol: str, **more: int) -> tuple[Address, Callable[[int], list[Sent]]]:
        log = MemoryLog()
        source = SyslogInput.model_validate({"listen": "127.0.0.1:0", "protocol": protocol})
        settings = ShipConfig.model_validate(
            {"name": "office", "syslog": (source,), "linger_s": 0.01, **more}
        )
        shipper = Shipper(settings, "org", log, tmp_path / "state", SystemClock())
        shipper.start()
        running.append(shipper)
        found: list[Sent] = []

        def wait_for(count: int) -> list[Sent]:
            until = time.monotonic() + 10
            while len(found) < count and time.monotonic() < until:
                found.extend(take_apart(record.message for record in log.poll(0)))
                time.sleep(0.01)
            return found

        return shipper.addresses()[0], wait_for

    yield start
    for shipper in running:
        shipper.close()


def test_a_datagram_is_an_event(
    serve: Callable[..., tuple[Address, Callable[[int], list[Sent]]]],
) -> None:
    address, wait_for = serve("udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in (b"<13>one\n", b"<13>two\nlines", b"", b"<13>three"):
            sender.sendto(data, address[1:])

    sent = wait_for(3)

    assert sorted(s.raw for s in sent) == [b"<13>one", b"<13>three", b"<13>two\nlines"]
    assert [s.seq for s in sent] == [0, 1, 2]
    assert {s.host for s in sent} == {"127.0.0.1"}
    assert {s.stream.rpartition("/")[0] for s in sent} == {f"office/udp-{address.port}"}
    assert {s.origin for s in sent} == {s.stream for s in sent}


def test_tcp_senders_mix_framings(
    serve: Callable[..., tuple[Address, Callable[[int], list[Sent]]]],
) -> None:
    address, wait_for = serve("tcp")
    with socket.create_connection(address[1:]) as sender:
        sender.sendall(b"<13>one\n7 <13>two")
        sender.sendall(b"<13>three")

    assert [s.raw for s in wait_for(3)] == [b"<13>one", b"<13>two", b"<13>three"]


def test_what_was_received_is_put_when_the_shipper_stops(tmp_path: Path) -> None:
    log = MemoryLog()
    source = SyslogInput(listen="127.0.0.1:0", protocol="tcp")
    settings = ShipConfig(name="office", syslog=(source,), linger_s=60)
    shipper = Shipper(settings, "org", log, tmp_path, SystemClock())
    shipper.start()
    with socket.create_connection(shipper.addresses()[0][1:]) as sender:
        sender.sendall(b"<13>one\n")
        time.sleep(0.2)
        shipper.close()

    assert [s.raw for s in take_apart(r.message for r in log.poll(0))] == [b"<13>one"]


def test_an_address_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        source = SyslogInput(listen=f"127.0.0.1:{port}", protocol="tcp")
        shipper = Shipper(
            ShipConfig(name="office", syslog=(source,)), "org", MemoryLog(), tmp_path, SystemClock()
        )
        with pytest.raises(NeighbourError, match=str(port)):
            shipper.start()
        shipper.close()
