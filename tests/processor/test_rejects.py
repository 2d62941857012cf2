"""A reject counts all its sequences, and a replay changes the account once."""

from pathlib import Path

import polars as pl
import pytest

from ingest.dead_letter import replay_messages
from ingest.embedded import EmbeddedLog
from ingest.embedded_groups import floors
from ingest.reject_reader import RejectReader
from luytre.core.batch import TopicPartition
from luytre.core.config import Config
from luytre.core.message import EVENTS_TOPIC, REJECTS_TOPIC, Message
from luytre.processor import logs
from luytre.processor import rejects as commands
from tests.processor.reject_house import (
    ACCESS,
    MENDED,
    STREAM,
    WHOLE,
    House,
    fuse,
    line,
    message,
)


@pytest.mark.parametrize("problem", WHOLE)
def test_a_message_that_cannot_be_read_counts_all_its_sequences(
    tmp_path: Path, problem: str
) -> None:
    house = House(tmp_path)
    house.send([message(0, 3), message(5, 4, problem)])

    house.detect()

    assert house.account() == (9, 3, 4, 2)
    found = house.rejects()
    assert found.select("luytre.sequence", "luytre.count").rows() == [(5, 4)]


@pytest.mark.parametrize("problem", WHOLE)
def test_a_replay_of_a_whole_message_is_all_its_events_or_the_same_reject(
    tmp_path: Path, problem: str
) -> None:
    house = House(tmp_path)
    house.send([message(0, 3, problem)])
    house.detect()
    before = house.rejects()["event.id"].to_list()

    for _ in range(3):
        house.replay()
        house.detect()

    assert house.account() == ((3, 3, 0, 0) if problem in MENDED else (3, 0, 3, 0))
    after = house.rejects()
    assert after["luytre.count"].to_list() == ([] if problem in MENDED else [3])
    assert problem == "cut" or after["event.id"].to_list() == ([] if problem in MENDED else before)
    expected = House(tmp_path / "readable")
    expected.send([message(0, 3)])
    expected.detect()
    assert house.archive.ids == (expected.archive.ids if problem in MENDED else [])


def test_a_reject_that_became_readable_is_one_event_however_often_it_is_replayed(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    headers = {"stream": STREAM, "first_seq": "0", "count": "1", "hint": "json"}
    house.send([Message(STREAM.encode(), ACCESS, headers)])
    house.detect()
    found = house.rejects()
    mended = list(replay_messages(found.with_columns(pl.lit("nginx").alias("luytre.hint"))))
    rows = (house.account(), found.height)

    house.send(mended * 3)
    house.detect(poll=1)
    house.send(mended)
    house.detect()

    assert rows == ((1, 0, 1, 0), 1)
    assert house.account() == (1, 1, 0, 0)
    assert house.archive.ids == found["event.id"].to_list()
    assert house.rejects().height == 0


def test_what_is_still_unreadable_stays_one_reject(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.send([message(3, 1)])
    house.detect()
    before = house.rejects()["event.id"].to_list()

    for _ in range(3):
        house.replay()
        house.replay()
        house.detect(poll=1)

    assert house.account() == (4, 0, 1, 3)
    assert house.rejects()["event.id"].to_list() == before


def test_of_a_mended_message_only_its_broken_lines_stay_rejects(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.send([message(0, 6, "sha256")])
    house.detect()

    house.replay()
    house.detect()

    assert house.account() == (6, 5, 1, 0)
    assert house.rejects()["event.original"].to_list() == [line(3)]


def test_an_original_is_replayed_byte_for_byte(tmp_path: Path) -> None:
    house = House(tmp_path)
    headers = {"stream": STREAM, "first_seq": "0", "count": "2", "hint": "json"}
    house.send([Message(b"k", b"ends with cr\r\r\n\xff\r\n", headers)])
    house.detect()
    before = house.rejects()

    house.replay()
    house.detect()

    same = ["event.id", "event.original", "luytre.sequence", "luytre.position"]
    assert before["event.original"].to_list() == [b"ends with cr\r", b"\xff"]
    assert house.rejects().select(same).equals(before.select(same))


def test_events_that_share_a_sequence_are_replayed_together(tmp_path: Path) -> None:
    house = House(tmp_path, partitions=2)
    foreign = Message(b"a key", b"\n".join([ACCESS, line(1), ACCESS]), {"hint": "json"})
    house.send([foreign, foreign])
    house.detect()
    before = house.rejects()
    stream = before["luytre.stream"][0]
    rejected = house.row(stream).rejects

    messages = list(replay_messages(before))
    house.send(messages)
    house.detect()
    again = house.rejects()

    assert (len(messages), before.height, rejected) == (2, 4, 2)
    assert sorted(again["event.id"]) == sorted(before["event.id"])
    assert (house.row(stream).events, house.row(stream).rejects) == (0, 2)
    assert len(house.archive.ids) == 2
    house.send(list(replay_messages(again.with_columns(pl.lit("nginx").alias("luytre.hint")))))
    house.detect()
    assert house.rejects().height == 0
    assert sorted(house.archive.ids[2:]) == sorted(before["event.id"])


def test_what_one_partition_rejected_another_can_mend(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.send([message(0, 2, "sha256")])
    house.detect()
    house.log.create(EVENTS_TOPIC, 16)

    house.replay()
    house.detect()
    house.replay()
    house.detect()

    assert {place for place, end in house.log.ends(EVENTS_TOPIC).items() if end} != {
        TopicPartition(EVENTS_TOPIC, 0)
    }
    assert house.account() == (2, 2, 0, 0)
    assert house.rejects().height == 0


def test_a_message_without_sequences_is_listed_and_in_no_account(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.send([message(0, 2), message(2, 2)])
    lost = message(4, 1)
    house.send([Message(lost.key, lost.value, {**lost.headers, "first_seq": "four"})])
    house.detect()

    house.replay()
    house.detect()

    assert house.account() == (4, 3, 1, 0)
    assert house.rejects()["luytre.count"].to_list() == [1, 0]


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("step", ["rejects", "write", "checkpoint", "settle"])
@pytest.mark.parametrize("problem", ["sha256", "zstd"])
def test_a_crash_at_any_step_of_a_replay_changes_nothing(
    tmp_path: Path, problem: str, step: str, at: int
) -> None:
    house = House(tmp_path)
    house.send([message(0, 5, problem), message(5, 4)])
    house.detect()
    house.replay()

    house.detect(fuse(step, at), poll=1)
    house.replay()
    house.detect()

    assert house.account() == ((9, 7, 2, 0) if problem in MENDED else (9, 3, 6, 0))
    assert len(house.archive.ids) == len(set(house.archive.ids)) == house.row().events
    assert sum(house.rejects()["luytre.count"]) == house.row().rejects


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data_dir=tmp_path / "data")


def test_listing_reads_in_frames_of_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.reject_reader.CHUNK_ROWS", 4)
    house = House(tmp_path)
    house.send([message(5 * n + 3, 1) for n in range(10)])
    house.detect(poll=2)

    heights = [f.height for f in RejectReader(house.log, house.ledger.rejected()).frames()]

    assert sum(heights) == 10
    assert max(heights) <= 5


def test_looking_at_rejects_leaves_no_group_behind(config: Config) -> None:
    assert commands.newest(config, "", 5)[0].height == 0

    log = logs.open_log(config)
    assert isinstance(log, EmbeddedLog)
    groups = floors(log._groups, REJECTS_TOPIC, since_ms=0)
    log.close()
    assert groups == []
