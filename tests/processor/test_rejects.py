"""Every sequence is an event, a reject, or missing, whatever is rejected, replayed, or crashes."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.dead_letter import reject_messages, replay_messages
from ingest.embedded_groups import floors
from ingest.intake import Intake
from ingest.ledger import Ledger, SeenSequences, StreamRow
from ingest.memory import MemoryLog
from ingest.reject_reader import RejectReader
from luytre.core.batch import Batch, TopicPartition
from luytre.core.clock import ManualClock
from luytre.core.config import Config
from luytre.core.ecs import empty_rejects
from luytre.core.message import EVENTS_TOPIC, REJECTS_TOPIC, Message
from luytre.processor import build
from luytre.processor import rejects as commands
from luytre.processor.detect import DetectRooms, DetectSink
from luytre.processor.judge import Judged

STREAM = "ship/a"
WHOLE = ("sha256", "zstd", "cut", "count", "refused", "framing")
MENDED = {"sha256", "refused"}
"""What a replay can read, because it leaves out the headers that say not to."""
ACCESS = b'203.0.113.1 - - [23/Nov/2026:06:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "t"'


class PowerCut(Exception):  # noqa: N818 - named for what happened
    """Stands for the end of the process: nothing after it runs."""


def line(number: int) -> bytes:
    return b"no JSON %d" % number if number % 5 == 3 else b'{"n":%d}' % number


def message(first: int, count: int, problem: str = "", stream: str = STREAM) -> Message:
    payload = b"".join(line(first + index) + b"\n" for index in range(count))
    headers = {
        "stream": stream, "first_seq": str(first), "count": str(count), "origin": stream,
        "position": "seq", "organization": "org", "hint": "json", "host": "h", "path": "",
        "encoding": "zstd", "framing": "lines", "sha256": hashlib.sha256(payload).hexdigest(),
    }  # fmt: skip
    value = zstandard.compress(payload)
    match problem:
        case "sha256":
            headers["sha256"] = "0" * 64
        case "zstd":
            value = value[:4] + b"\xff" + value[5:]
        case "cut":
            value = value[: len(value) // 2]
        case "count":
            value = zstandard.compress(payload + b"{}\n")
            del headers["sha256"]
        case "refused":
            headers["reject"] = "the shipper could not read it"
        case "framing":
            headers["framing"] = "parcels"
    return Message(stream.encode(), value, headers)


@dataclass
class Tables:
    fuse: Callable[[str], None]

    def checkpoint(self) -> None:
        self.fuse("checkpoint")

    def reload(self) -> bool:
        return False


class Archived:
    """Keeps what is archived once: a batch at or below what was reached is not appended again."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._reached: dict[TopicPartition, int] = {}

    def append(self, events: pl.DataFrame, reach: Mapping[TopicPartition, int]) -> None:
        for place, reached in reach.items():
            here = events.filter(
                pl.col("log.partition") == place.partition,
                pl.col("log.offset") >= self._reached.get(place, 0),
            )
            self.ids += here["event.id"].to_list()
            self._reached[place] = max(reached, self._reached.get(place, 0))


class House:
    """A log, a ledger and an archive; each ``detect`` is a process of its own."""

    def __init__(self, folder: Path, partitions: int = 1) -> None:
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.log = MemoryLog(EVENTS_TOPIC, partitions=partitions)
        self.log.create(EVENTS_TOPIC, partitions)
        self.log.create(REJECTS_TOPIC, 1)
        self.archive = Archived()

    def send(self, messages: Sequence[Message]) -> None:
        for each in messages:
            self.log.send(EVENTS_TOPIC, each)
        self.log.flush()

    def detect(self, fuse: Callable[[str], None] = lambda _step: None, poll: int = 3) -> None:
        """Process what is not committed, ``poll`` records at a time; a blown fuse ends it."""
        seen = SeenSequences(self.ledger)
        sink = DetectSink(self._rooms(seen, fuse), ManualClock(), flush_bytes=0, flush_s=0)
        try:
            for place, end in self.log.ends(EVENTS_TOPIC).items():
                done = self.log.committed("memory", EVENTS_TOPIC).get(place, 0)
                records = self.log.read(place, done)
                assert done + len(records) == end
                for start in range(0, len(records), poll):
                    sink.write(records[start : start + poll])
                    fuse("write")
                    offsets = sink.settle(drain=True)
                    fuse("settle")
                    self.log.commit(offsets)
        except PowerCut:
            # What was sent and not flushed is gone with the process.
            self.log._waiting.clear()

    def _rooms(self, seen: SeenSequences, fuse: Callable[[str], None]) -> DetectRooms:
        def messages(rejects: pl.DataFrame) -> list[Message]:
            fuse("rejects")
            return reject_messages(rejects)

        def judge(batch: Batch) -> Iterator[Judged]:
            yield Judged(batch.events, [], batch.events, empty_rejects())

        return DetectRooms(
            intake=Intake(lambda _part: frozenset(), seen.admit),
            judge=judge,
            producer=self.log,
            reject_messages=messages,
            progress=seen,
            archive=self.archive,
            tables=Tables(fuse),
        )

    def rejects(self) -> pl.DataFrame:
        reader = RejectReader(self.log, self.ledger.rejected())
        return pl.concat([empty_rejects(), *reader.frames()])

    def replay(self) -> None:
        self.send(list(replay_messages(self.rejects())))

    def row(self, stream: str = STREAM) -> StreamRow:
        return next(row for row in self.ledger.rows() if row.stream == stream)

    def account(self) -> tuple[int, int, int, int]:
        row = self.row()
        return row.end, row.events, row.rejects, row.missing


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


def fuse(step: str, left: int) -> Callable[[str], None]:
    """Return what cuts the power at the nth time that a step is reached."""
    reached: Counter[str] = Counter()

    def burn(name: str) -> None:
        reached[name] += 1
        if name == step and reached[name] == left:
            raise PowerCut(step)

    return burn


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("send"),
            st.integers(0, 30),
            st.integers(1, 8),
            st.sampled_from(["", "", "sha256", "zstd", "cut", "count", "refused"]),
        ),
        st.tuples(st.just("detect")),
        st.tuples(
            st.just("crash"),
            st.sampled_from(["rejects", "write", "checkpoint", "settle"]),
            st.integers(1, 3),
            st.integers(1, 4),
        ),
        st.tuples(st.just("replay"), st.booleans()),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_events_and_rejects_and_missing_are_all_there_is(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        sent: dict[int, str] = {}
        mended: set[int] = set()
        for step in steps:
            take(house, step, sent, mended)
        for _ in range(2):
            house.detect()
            house.replay()
        house.detect()
        rows = house.ledger.rows()
        listed = house.rejects()
        house.ledger.close()

    if not sent:
        return
    (row,) = rows
    whole = {n for n in sent if n % 5 != 3}
    readable = {n for n in whole if sent[n] in MENDED | {""}}
    delivered = sent.keys() - {n for first, last in row.rejected for n in range(first, last + 1)}
    assert row.events + row.rejects + row.missing == row.end == max(sent) + 1
    assert row.events == len(delivered) == len(set(house.archive.ids)) == len(house.archive.ids)
    assert readable <= delivered <= readable | mended & whole
    assert row.events + row.rejects == len(sent)
    shown = {
        n
        for first, count in listed.select("luytre.sequence", "luytre.count").rows()
        for n in range(first, first + count)
    }
    assert shown >= sent.keys() - delivered
    assert listed["event.id"].is_unique().all()


def take(house: House, step: tuple[object, ...], sent: dict[int, str], mended: set[int]) -> None:
    """Do a step; note in what state each sequence arrived first, and which others may mend."""
    match step:
        case ("send", int(first), int(count), str(problem)):
            house.send([message(first, count, problem)])
            numbers = range(first, first + count)
            # A message of which every sequence was seen before is dropped, and never replayed.
            if problem in MENDED and not sent.keys() >= set(numbers):
                mended.update(numbers)
            for number in numbers:
                sent.setdefault(number, problem)
        case ("crash", str(name), int(left), int(poll)):
            house.detect(fuse(name, left), poll)
        case ("replay", bool(twice)):
            house.replay()
            if twice:
                house.replay()
        case _:
            house.detect()


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

    log = build.open_log(config)
    groups = floors(log._groups, REJECTS_TOPIC, since_ms=0)
    log.close()
    assert groups == []
