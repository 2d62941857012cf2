"""Whole files into messages: what is an event, what its id is made of, what memory it takes."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ingest.shippers.files import discover, read_file, read_stream
from ingest.shippers.lines import Place, cut, fingerprint
from ingest.shippers.unpack import ZstdEnd
from luytre.core.config import ShipConfig
from luytre.core.errors import Refused
from tests.ingest.shippers.yard import Sent, Yard, take_apart

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = ShipConfig(message_events_max=3, message_bytes_max=1024, event_bytes_max=1024)


def read(path: Path, settings: ShipConfig = SMALL) -> list[Sent]:
    return take_apart(read_file(path, settings, organization="org", shipper="scan"))


def read_bytes(data: bytes, settings: ShipConfig = SMALL, name: str = "-") -> list[Sent]:
    stream = io.BytesIO(data)
    return take_apart(read_stream(stream, settings, organization="org", shipper="scan", name=name))


@pytest.mark.parametrize(
    ("content", "events"),
    [
        pytest.param(b"", [], id="empty"),
        pytest.param(b"a\nb\n", [b"a", b"b"], id="lines"),
        pytest.param(b"a\nb", [b"a", b"b"], id="no last line end"),
        pytest.param(b"\n\n a\r\n \t\r\nb\n\n", [b" a", b"b"], id="blank lines are none"),
        pytest.param(b"\xef\xbb\xbfa\nb\n", [b"a", b"b"], id="UTF-8 byte order mark"),
        pytest.param("\ufeffà\nb\n".encode("utf-16-le"), ["à".encode(), b"b"], id="UTF-16 LE"),
        pytest.param("\ufeffà\nb".encode("utf-16-be"), ["à".encode(), b"b"], id="UTF-16 BE"),
        pytest.param(b"a\x00b\n\xff\xfe\n", [b"a\x00b", b"\xff\xfe"], id="binary lines are sent"),
        pytest.param(gzip.compress(b"a\nb\n"), [b"a", b"b"], id="gzip"),
        pytest.param(gzip.compress(b"a\n") + gzip.compress(b"b\n"), [b"a", b"b"], id="two members"),
        pytest.param(zstandard.compress(b"a\nb\n"), [b"a", b"b"], id="zstd"),
        pytest.param(
            zstandard.compress(b"a\n") + zstandard.compress(b"b\n"), [b"a", b"b"], id="two frames"
        ),
    ],
)
def test_events_of_a_file(content: bytes, events: list[bytes]) -> None:
    sent = read_bytes(content)

    assert [s.raw for s in sent] == events
    assert [s.seq for s in sent] == list(range(len(events)))
    assert not [s for s in sent if s.reject]


@pytest.mark.parametrize(
    ("content", "events"),
    [
        pytest.param('{"a": 1}\n{"a": 2}\n', ['{"a": 1}', '{"a": 2}'], id="NDJSON stays as it is"),
        pytest.param('[{"a": 1},\n {"b": [2]}]', ['{"a":1}', '{"b":[2]}'], id="array"),
        pytest.param('{\n "a": 1.10\n}\n', ['{"a":1.10}'], id="pretty, numbers as written"),
        pytest.param('{"Records": [{"a":1},{"a":2}]}', ['{"a":1}', '{"a":2}'], id="CloudTrail"),
        pytest.param('{\n"a":1}\n{\n"a":2}\n', ['{"a":1}', '{"a":2}'], id="several documents"),
        pytest.param("{not json\nat all\n", ["{not json", "at all"], id="not JSON: lines"),
        pytest.param('{\n"a":1}\nrubbish', ['{"a":1}', "rubbish"], id="rubbish at the end"),
        pytest.param("[" * 5000, ["[" * 1024] * 4 + ["[" * 904], id="too deep: lines"),
        pytest.param(f'{{\n"a":{"1" * 900}}}', [f'{{"a":{"1" * 900}}}'], id="a long number"),
    ],
)
def test_events_of_a_json_file(content: str, events: list[str]) -> None:
    sent = read_bytes(content.encode(), name="trail.json")

    assert [s.raw.decode() for s in sent] == events


def test_an_ndjson_line_longer_than_the_head_is_one_line() -> None:
    line = json.dumps({"a": "x" * 100_000}).encode()

    sent = read_bytes(line + b"\n" + line + b"\n", ShipConfig(), name="big.json")

    assert [s.raw for s in sent] == [line, line]
    assert [s.position for s in sent] == ["0", str(len(line) + 1)]


@given(st.binary(max_size=6000), st.lists(st.integers(1, 3000), max_size=6))
def test_cutting_is_the_same_however_the_bytes_arrive(data: bytes, steps: list[int]) -> None:
    whole = [(c.payload, c.reject) for c in cut(data, Place(), SMALL, final=True)]
    place, end, parts = Place(), 0, []
    for step in [*steps, len(data)]:
        end = min(len(data), end + step)
        window = data[place.offset : end]
        parts += list(cut(window, place, SMALL, final=end == len(data)))

    lines = b"".join(c.payload + b"\n" * bool(c.reject) for c in parts)
    assert [c.reject for c in parts if c.reject] == [reject for _, reject in whole if reject]
    assert lines.split() == b"".join(p + b"\n" * bool(r) for p, r in whole).split()
    assert place.offset == len(data)
    assert [c.first_seq for c in parts] == [
        sum(p.count for p in parts[:i]) for i in range(len(parts))
    ]


@given(
    st.binary(max_size=5000).filter(lambda data: not data.startswith((b"\x1f\x8b", b"\x28\xb5")))
)
def test_every_byte_is_at_its_position(data: bytes) -> None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"ElfFile\0")):
        return

    sent = read_bytes(data)

    assert all(data[int(s.position) :].startswith(s.raw) for s in sent)
    assert b"".join(b"".join(s.raw for s in sent).split()) == b"".join(
        data.removeprefix(b"\xef\xbb\xbf").split()
    )


@given(st.binary(max_size=9000), st.integers(0, 9000))
def test_a_fingerprint_once_known_never_changes(data: bytes, known: int) -> None:
    early = fingerprint(data[:known], final=False)

    assert early in {None, fingerprint(data, final=True)}


def test_scan_and_ship_give_the_same_ids_whatever_the_file_is_called(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    yard.append("app.log", "one\r\n\ntwo\n" + "x" * 2_000_000 + "\nlast\n")
    yard.ship()
    (yard.folder / "app.log").rename(yard.folder / "other")

    scanned = read(yard.folder / "other", yard.settings)

    assert [s.id for s in scanned] == [s.id for s in yard.sent()]


def test_a_compressed_copy_gives_the_same_ids(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.log", tmp_path / "a.log.gz"
    plain.write_bytes(b"one\ntwo\n")
    packed.write_bytes(gzip.compress(b"one\ntwo\n"))

    assert [s.id for s in read(plain)] == [s.id for s in read(packed)]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_damaged_archive_ends_with_a_reject(pack: Callable[[bytes], bytes]) -> None:
    data = b"".join(b"%d\n" % number for number in range(100_000))

    sent = read_bytes(pack(data)[:-20])

    assert [bool(s.reject) for s in sent] == [False] * (len(sent) - 1) + [True]
    assert len(sent) > 50_000
    assert all(s.raw == b"%d" % s.seq for s in sent[:-2])


@pytest.mark.parametrize("checksum", [False, True])
@given(contents=st.lists(st.binary(max_size=300), min_size=1, max_size=3), data=st.data())
def test_the_end_of_zstd_frames_is_known(
    contents: list[bytes], data: st.DataObject, *, checksum: bool
) -> None:
    packer = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=checksum)
    frames = [packer.compress(content) for content in contents]
    frames.insert(0, b"\x50\x2a\x4d\x18\x03\0\0\0abc")
    packed = b"".join(frames)
    ends = {sum(map(len, frames[:count])) for count in range(len(frames) + 1)}
    cut_at = data.draw(st.integers(0, len(packed)))
    end = ZstdEnd()
    end.feed(packed[:cut_at])

    assert end.is_whole == (cut_at in ends)


def test_an_endless_line_and_a_bomb_take_bounded_memory() -> None:
    bomb = gzip.compress(b"x" * 50_000_000)
    messages = read_stream(io.BytesIO(bomb), ShipConfig(), organization="org", shipper="scan")
    tracemalloc.start()

    events = sum(int(message.headers["count"]) for message in messages)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert events == 48
    assert peak < 16 * 2**20


def test_progress_adds_up_to_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(b"one\n" * 10_000))
    read_bytes: list[int] = []

    list(read_file(path, SMALL, organization="o", shipper="s", progress=read_bytes.append))

    assert sum(read_bytes) == path.stat().st_size


def test_discover_finds_files_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("b/2.log", "b/c/1.log", "b/.hidden", ".git/x", "a.log", "empty.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("" if name == "empty.log" else "x")

    found = discover([str(tmp_path / "b"), str(tmp_path / "*.log")])

    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "a.log", "b/2.log", "b/c/1.log",
    ]  # fmt: skip


def test_discover_names_everything_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        discover([str(tmp_path / "one"), str(tmp_path / "two*")])

    assert "one" in str(refused.value)
    assert "two*" in str(refused.value)
