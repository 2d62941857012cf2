"""Messages become placed events, whatever they hold."""

import hashlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ingest import unpack as unpack_module
from ingest.unpack import unpack
from luytre.core.message import Message, Record
from tests.ingest.logsources.samples import RECEIVED

LINES = b"one\n\n  \r\ntwo\r\nthree"


def record(value: bytes, **headers: str) -> Record:
    return Record("events", 3, 9, RECEIVED, Message(b"", value, headers))


def ours(value: bytes, **headers: str) -> Record:
    known = {"stream": "s", "first_seq": "5", "count": "3", "origin": "o", "position": "seq"}
    return record(value, **(known | headers))


@pytest.mark.parametrize(
    ("position", "positions"),
    [
        pytest.param("seq", ("5", "6", "7"), id="sequence"),
        pytest.param("bytes:100", ("100", "109", "114"), id="offset of each line in its file"),
        pytest.param("list:a,b,c", ("a", "b", "c"), id="one per event"),
    ],
)
def test_position(position: str, positions: tuple[str, ...]) -> None:
    message = unpack(ours(LINES, position=position))

    assert message.events == (b"one", b"two", b"three")
    assert message.positions == positions
    assert [message.sequence(i) for i in range(3)] == [5, 6, 7]


def test_a_foreign_message_is_placed_by_the_log() -> None:
    message = unpack(record(b"one\ntwo\n"))

    assert (message.origin, message.stream, message.foreign) == ("events", "events/3", True)
    assert message.positions == ("3:9:0", "3:9:1")
    assert [message.sequence(i) for i in range(2)] == [9, 9]


def test_framing_one_is_one_event_without_its_line_end() -> None:
    assert unpack(ours(b"a\nb\r\n", framing="one", count="1")).events == (b"a\nb",)


def test_compressed_and_verified() -> None:
    value = zstandard.compress(LINES)

    message = unpack(ours(value, encoding="zstd", sha256=hashlib.sha256(LINES).hexdigest()))

    assert message.events == (b"one", b"two", b"three")


@pytest.mark.parametrize(
    ("value", "headers", "problem"),
    [
        pytest.param(LINES, {"sha256": "0" * 64}, "does not match its sha256", id="damaged"),
        pytest.param(b"no frame", {"encoding": "zstd"}, "cannot be decompressed", id="no zstd"),
        pytest.param(LINES, {"encoding": "rot13"}, "encoding 'rot13' is unknown", id="encoding"),
        pytest.param(LINES, {"framing": "xml"}, "framing 'xml' is unknown", id="framing"),
        pytest.param(LINES, {"count": "4"}, "count is 4 but it holds 3", id="count"),
        pytest.param(LINES, {"first_seq": "-1"}, "first_seq is not a number", id="sequence"),
        pytest.param(LINES, {"position": "list:a"}, "does not say where", id="too few positions"),
        pytest.param(LINES, {"position": "bytes:x"}, "does not say where", id="no number"),
        pytest.param(LINES, {"reject": "too large"}, "too large", id="the shipper says so"),
    ],
)
def test_problem(value: bytes, headers: dict[str, str], problem: str) -> None:
    message = unpack(ours(value, **headers))

    assert problem in message.problem
    assert message.events == (value,)
    assert len(message.positions) == 1


def test_a_bomb_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack_module, "PAYLOAD_BYTES_MAX", 2**20)
    value = zstandard.compress(bytes(2**26))

    assert "larger than 1048576 bytes" in unpack(ours(value, encoding="zstd")).problem


def test_a_refused_message_counts_for_all_of_its_sequences() -> None:
    assert unpack(ours(LINES, sha256="0")).count == 3


@given(
    value=st.binary(max_size=200),
    headers=st.dictionaries(
        st.sampled_from(
            ["stream", "first_seq", "count", "position", "framing", "encoding", "sha256", "reject"]
        ),
        st.sampled_from(["", "seq", "bytes:7", "list:1,2", "zstd", "lines", "one", "0", "3"])
        | st.text(max_size=9),
    ),
)
def test_nothing_raises(value: bytes, headers: dict[str, str]) -> None:
    message = unpack(record(value, **headers))

    assert len(message.events) == len(message.positions)
    assert all(isinstance(message.sequence(i), int) for i in range(len(message.events)))
