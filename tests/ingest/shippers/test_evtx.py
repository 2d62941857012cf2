"""Event logs: every record that can be read, and a reason for all that cannot."""

from __future__ import annotations

import io
import json
import random
from typing import TYPE_CHECKING

import pytest

from ingest.shippers import evtx
from ingest.shippers.files import discover, read_file
from luytre.core.config import ShipConfig
from tests.ingest.shippers.yard import Yard, take_apart

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.data
GRID = range(evtx.HEADER_BYTES, 1_000_000_000, evtx.CHUNK_BYTES)


@pytest.fixture
def sample(shared_data: Callable[[str], Path]) -> bytes:
    return next(shared_data("evtx-misc").rglob("samples/system.evtx")).read_bytes()


def records(data: bytes, after: int = -1) -> list[evtx.EvtxRecord]:
    return list(evtx.records(io.BytesIO(data), after))


def test_all_events_of_the_attack_samples(shared_data: Callable[[str], Path]) -> None:
    events = 0
    for path in discover([str(shared_data("evtx-attack"))]):
        for message in read_file(path, ShipConfig(), organization="o", shipper="s"):
            assert "reject" not in message.headers
            events += int(message.headers["count"])

    assert events == 15_430


def test_no_odd_file_stops_the_reading(shared_data: Callable[[str], Path]) -> None:
    events = 0
    for path in discover([str(shared_data("evtx-misc"))]):
        found = records(path.read_bytes())
        events += sum(not record.reject for record in found)
        assert len({record.position for record in found}) == len(found)

    # The whole-file reader stops at a damaged chunk and finds 16,104.
    assert events == 16_194


def test_a_record_is_one_line_of_json(sample: bytes) -> None:
    found = records(sample[: GRID[1]])

    assert len(found) == 108
    assert all(b"\n" not in r.value and list(json.loads(r.value)) == ["Event"] for r in found)
    assert [r.record_id for r in found] == list(range(1, 109))


@pytest.mark.parametrize("seed", range(60))
def test_damage_is_a_reject_and_reading_goes_on(sample: bytes, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(sample[: GRID[3]])
    at = chance.randrange(GRID[1], GRID[2])
    for index in range(at, at + chance.choice([1, 8, 400, 5000])):
        data[index] = chance.randrange(256)

    found = records(bytes(data))

    whole = {record.value for record in records(sample[: GRID[3]])}
    kept = {record.value for record in found if not record.reject}
    assert len(kept) == len(whole) or any(r.reject for r in found)
    assert {r.value for r in records(sample[: GRID[1]])} <= kept
    assert len({record.position for record in found}) == len(found)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("head", range(evtx.CHAINS_FROM, evtx.CHUNK_HEADER_BYTES, 4))
def test_a_chain_that_bites_its_tail_ends(sample: bytes, head: int) -> None:
    data = bytearray(sample[: GRID[1]])
    at = evtx.HEADER_BYTES + head
    first = int.from_bytes(data[at : at + 4], "little") or head
    data[at : at + 4] = first.to_bytes(4, "little")
    element = evtx.HEADER_BYTES + first
    data[element : element + 4] = first.to_bytes(4, "little")

    assert records(bytes(data))


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        pytest.param(lambda d: b"\0" * 4096 + d[4096:], True, id="no file header"),
        pytest.param(lambda d: d[4096:], True, id="chunks only, off the grid"),
        pytest.param(lambda d: b"xyz" + d, True, id="shifted by three bytes"),
        pytest.param(lambda _: evtx.FILE_MAGIC, False, id="magic bytes only"),
        pytest.param(lambda _: b"rubbish" * 100, False, id="rubbish"),
        pytest.param(lambda _: b"", False, id="empty"),
    ],
)
def test_what_is_left_of_a_file_is_read(
    sample: bytes, damage: Callable[[bytes], bytes], *, kept: bool
) -> None:
    found = records(damage(sample[: GRID[2]]))

    assert sum(not record.reject for record in found) == (
        len(records(sample[: GRID[2]])) if kept else 0
    )


@pytest.mark.parametrize("content", [b"rubbish", b"ElfFile\0" + b"x" * 9000])
def test_a_file_that_is_no_event_log_is_one_reject(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.evtx"
    path.write_bytes(content)

    sent = take_apart(read_file(path, ShipConfig(), organization="o", shipper="s"))

    assert [bool(s.reject) for s in sent] == [True]
    assert sent[0].raw in content


def test_a_growing_log_is_followed_and_has_the_ids_of_a_scan(tmp_path: Path, sample: bytes) -> None:
    yard = Yard(tmp_path, ("*.evtx",))
    path = yard.folder / "System.evtx"
    for chunks in (1, 3, 4):
        path.write_bytes(sample[: GRID[chunks]])
        yard.ship()
        yard.restart()
    yard.ship()

    scanned = take_apart(read_file(path, ShipConfig(), organization="o", shipper="s"))
    assert [s.id for s in yard.sent()] == [s.id for s in scanned]


def test_a_cleared_log_is_read_from_its_new_start(tmp_path: Path, sample: bytes) -> None:
    yard = Yard(tmp_path, ("*.evtx",))
    path = yard.folder / "System.evtx"
    path.write_bytes(sample[: GRID[3]])
    yard.ship()
    before = len(yard.sent())
    path.write_bytes(sample[: GRID[1]])
    yard.ship()

    sent = yard.sent()
    assert len(sent) == before + 108
    assert len({(s.stream, s.seq) for s in sent}) == len(sent)


def test_damage_in_a_log_in_use_is_sent_once_and_only_when_it_stays(
    tmp_path: Path, sample: bytes
) -> None:
    yard = Yard(tmp_path, ("*.evtx",))
    path = yard.folder / "System.evtx"
    path.write_bytes(sample[: GRID[1]] + b"x" * evtx.CHUNK_BYTES)
    yard.shipper.pass_once()
    at_once = [s for s in yard.sent() if s.reject]
    for _ in range(4):
        yard.ship()

    assert at_once == []
    assert len([s for s in yard.sent() if s.reject]) == 1
    assert len([s for s in yard.sent() if not s.reject]) == 108
