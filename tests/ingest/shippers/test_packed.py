"""What a final pass reads: everything that a scan reads, under the same ids, and once."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import zstandard

from ingest.shippers.files import discover, read_file
from ingest.shippers.registry import PACKED, rows
from tests.ingest.shippers.yard import Sent, Yard, take_apart

if TYPE_CHECKING:
    from pathlib import Path

LINES = "".join(f"line {number}\n" for number in range(30))


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path, ("*",), message_events_max=10)


def scanned(yard: Yard) -> list[Sent]:
    messages = (
        message
        for path in discover([str(yard.folder)])
        for message in read_file(path, yard.settings, organization="org", shipper="scan")
    )
    return take_apart(messages)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("app.log", b"one\r\n\ntwo\nno end", id="last line without an end"),
        pytest.param("app.log", b"only", id="only line without an end"),
        pytest.param("app.log", "một\nhai".encode("utf-16"), id="UTF-16"),
        pytest.param("trail.json", b'{"Records": [{"a": 1},\n {"a": 2}]}', id="JSON document"),
        pytest.param("app.log.gz", gzip.compress(b"\xef\xbb\xbfone\n\ntwo"), id="gzip"),
        pytest.param("app.log.zst", zstandard.compress(LINES.encode()), id="zstd"),
        pytest.param("trail.json.gz", gzip.compress(b'[{"a": 1}, {"a": 2}]'), id="packed document"),
        pytest.param("a.gz", gzip.compress("một\nhai".encode("utf-16")), id="packed UTF-16"),
        pytest.param("a.evtx.gz", gzip.compress(b"no event log"), id="packed EVTX, damaged"),
        pytest.param("a.gz", gzip.compress(LINES.encode())[:-30], id="gzip cut short"),
        pytest.param("a.gz", b"\x1f\x8b no gzip", id="not gzip"),
        pytest.param("a.gz", b"plain\n", id="not packed"),
        pytest.param("a.gz", gzip.compress(b""), id="nothing"),
    ],
)
def test_a_final_pass_sends_what_a_scan_reads(yard: Yard, name: str, content: bytes) -> None:
    yard.append(name, content)

    yard.shipper.pass_once(final=True)

    sent, read = yard.sent(), scanned(yard)
    assert [(s.id, s.raw, s.reject) for s in sent] == [(s.id, s.raw, s.reject) for s in read]
    assert [s.seq for s in sent] == list(range(len(read)))
    assert all(s.stream.startswith("office/") for s in sent)


def test_a_packed_file_is_sent_once_whatever_it_is_called(yard: Yard) -> None:
    yard.append("app.log.1.gz", gzip.compress(LINES.encode()))
    yard.ship(final=True)
    (yard.folder / "app.log.1.gz").rename(yard.folder / "app.log.2.gz")
    (yard.folder / "copy.gz").write_bytes((yard.folder / "app.log.2.gz").read_bytes())
    again = yard.ship(final=True)
    yard.restart()

    assert (again, yard.ship(final=True), len(yard.raws())) == (0, 0, 30)


def test_a_packed_file_that_grew_is_another_one(yard: Yard) -> None:
    yard.append("app.log.gz", gzip.compress(b"one\n"))
    yard.ship(final=True)
    yard.append("app.log.gz", gzip.compress(b"two\n"))
    yard.ship(final=True)

    sent = yard.sent()
    assert [s.raw for s in sent] == [b"one", b"one", b"two"]
    assert (len({s.stream for s in sent}), len({s.id for s in sent})) == (2, 2)


@pytest.mark.parametrize("down", [False, True], ids=["running", "while down"])
@pytest.mark.parametrize(
    "before",
    [
        pytest.param("line 0\nline 1\n", id="whole lines"),
        pytest.param("\ufeffline 0\nline", id="half a line"),
        pytest.param("line 0\n" + "x" * 3000 + "\ny\n", id="more than the mark, and a long line"),
    ],
)
def test_a_file_that_was_rotated_and_packed_goes_on_where_it_was(
    tmp_path: Path, before: str, *, down: bool
) -> None:
    yard = Yard(tmp_path, ("app.log*",), event_bytes_max=1024)
    log = yard.folder / "app.log"
    yard.append("app.log", before)
    yard.ship()
    first = yard.raws()
    yard.append("app.log", " late\nlast\n")
    whole = log.read_bytes()
    log.unlink()
    yard.append("app.log.1.gz", gzip.compress(whole))
    yard.append("app.log", "next generation\n")
    if down:
        yard.restart()
    yard.ship(final=True)
    yard.ship(final=True)

    read = take_apart(
        read_file(yard.folder / "app.log.1.gz", yard.settings, organization="org", shipper="scan")
    )
    rotated = [s for s in yard.sent() if s.raw != b"next generation"]
    assert 0 < len(first) < len(rotated)
    assert sorted(s.id for s in rotated) == sorted(s.id for s in read)


def test_a_packed_file_that_is_sent_anew_after_a_crash_keeps_sequences_and_ids(yard: Yard) -> None:
    yard.append("app.log.gz", gzip.compress(LINES.encode()))
    yard.append("trail.json.gz", gzip.compress(json.dumps([{"a": n} for n in range(25)]).encode()))
    yard.shipper._save = lambda: None  # type: ignore[method-assign]
    yard.ship(final=True)
    yard.restart()
    yard.ship(final=True)

    sent = yard.sent()
    assert len(sent) == 2 * 55
    assert len({(s.stream, s.seq, s.id) for s in sent}) == 55


@pytest.mark.parametrize("content", [LINES.encode(), b'[{"a": 1}, {"a": 2}, {"a": 3}]'])
def test_a_packed_file_goes_on_where_a_crash_left_it(tmp_path: Path, content: bytes) -> None:
    yard = Yard(tmp_path, ("*",), message_events_max=1)
    yard.append("a.json.gz", gzip.compress(content))
    messages = yard.shipper._follower.pass_once(final=True)
    first = [next(messages), next(messages)]
    yard.shipper._save()
    yard.restart()
    yard.ship(final=True)

    sent = [*take_apart(first), *yard.sent()]
    assert [s.id for s in sent] == [s.id for s in scanned(yard)]
    assert [s.seq for s in sent] == list(range(len(sent)))


def test_packed_files_are_told_of_once_while_files_are_followed(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.append("app.log.1.gz", gzip.compress(b"one\n"))
    yard.append("app.log.2.gz", gzip.compress(b"two\n"))
    events = yard.ship() + yard.ship()

    told = [line for line in capsys.readouterr().out.splitlines() if "not followed" in line]
    assert (events, len(told)) == (0, 1)
    assert "ship --once" in told[0]
    assert "app.log." in told[0]


def test_what_cannot_be_unpacked_is_told_of(yard: Yard, capsys: pytest.CaptureFixture[str]) -> None:
    yard.append("logs.zip", b"PK\x03\x04")

    assert yard.ship(final=True) == 0
    assert "logs.zip" in capsys.readouterr().out


def test_a_packed_file_stays_known_however_long_ago_it_was_sent(tmp_path: Path, yard: Yard) -> None:
    yard.append("app.log.1.gz", gzip.compress(b"one\n"))
    yard.ship(final=True)
    yard.clock.advance(timedelta(days=400).total_seconds())
    yard.restart()

    assert yard.ship(final=True) == 0
    (row,) = rows(tmp_path / "state")
    assert (row.kind, row.finished, row.place.seq) == (PACKED, True, 1)
