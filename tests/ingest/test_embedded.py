"""The embedded log keeps every promise of a log, and its own: kills, full disks, retention."""

from __future__ import annotations

import functools
import multiprocessing
import os
import resource
import signal
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.embedded import BUFFER_BYTES_MAX, EmbeddedLog
from luytre.core.batch import TopicPartition
from luytre.core.clock import ManualClock, SystemClock
from luytre.core.config import MIB, LogConfig
from luytre.core.errors import Fenced, NeighbourError, Refused
from luytre.core.message import Consumer, Message, Record

pytest.register_assert_rewrite("tests.contracts.log")

from tests.contracts.log import TOPIC, LogContract, World, drain, reach, send, values  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

SETTINGS = LogConfig(partitions=4, retention_mib=1, retention_days=14, session_timeout_s=30)


def open_log(folder: Path, log_settings: LogConfig = SETTINGS) -> EmbeddedLog:
    return EmbeddedLog(folder, log_settings, SystemClock())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(tmp_path: Path, clock: ManualClock) -> Iterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path / "log", SETTINGS, clock)
    yield log
    log.close()


class TestEmbeddedLog(LogContract):
    @pytest.fixture
    def world(self, log: EmbeddedLog, tmp_path: Path, clock: ManualClock) -> World:
        return World(
            log=log,
            open_log=functools.partial(open_log, tmp_path / "log"),
            let_session_expire=lambda: clock.advance(31),
        )


@pytest.mark.parametrize("topic", ["../up", "", "Upper", "a/b", "a\x00b", "\u0111", "x" * 101])
def test_a_name_that_could_be_a_path_is_refused(log: EmbeddedLog, topic: str) -> None:
    with pytest.raises(Refused):
        log.producer().send(topic, Message(b"", b""))
    with pytest.raises(Refused):
        log.consumer("g", topic)
    with pytest.raises(Refused):
        log.topics().create(topic, 1)


def test_an_unknown_topic_is_refused_and_the_known_are_named(log: EmbeddedLog) -> None:
    log.topics().create("alerts", 1)

    with pytest.raises(Refused, match="there are: alerts"):
        log.topics().ends("alert")


def test_send_keeps_no_more_than_its_buffer_in_memory(log: EmbeddedLog) -> None:
    producer = log.producer()
    for _ in range(9):
        producer.send(TOPIC, Message(b"k", b"x" * (BUFFER_BYTES_MAX // 8)))

    assert sum(log.topics().ends(TOPIC).values()) == 7


def test_a_flood_in_one_partition_does_not_starve_the_others(log: EmbeddedLog) -> None:
    for key in range(40):
        send(log, ["x" * 100] * 5, key=str(key))
    consumer = log.consumer("g", TOPIC)

    firsts = {consumer.poll(0, bytes_max=100)[0].partition for _ in range(4)}

    assert firsts == {0, 1, 2, 3}


def test_a_topic_that_was_made_anew_is_read_from_its_start(
    tmp_path: Path, log: EmbeddedLog
) -> None:
    send(log, ["old"] * 5)
    consumer = log.consumer("g", TOPIC)
    consumer.commit(reach(drain(consumer)))
    log.close()
    for path in (tmp_path / "log").glob("topic-events*"):
        path.unlink()
    send(log, ["new"])

    assert values(drain(log.consumer("g", TOPIC))) == ["new"]


def test_a_topic_that_was_made_anew_has_another_id(tmp_path: Path, log: EmbeddedLog) -> None:
    first = log.topic_id(TOPIC)
    again = open_log(tmp_path / "log")
    same = again.topic_id(TOPIC)
    again.close()
    log.close()
    (tmp_path / "log" / "topic-events.sqlite").unlink()

    assert same == first
    assert log.topic_id(TOPIC) != first


def test_a_clock_set_back_does_not_keep_a_dead_member(log: EmbeddedLog, clock: ManualClock) -> None:
    clock.advance(3600)
    dead = log.consumer("g", TOPIC)
    dead.poll(0)
    clock.advance(-3600)
    heir = log.consumer("g", TOPIC)
    heir.poll(0)

    assert len(heir.assignment()) == 4


def test_a_member_is_kept_by_its_polls(log: EmbeddedLog, clock: ManualClock) -> None:
    first, second = log.consumer("g", TOPIC), log.consumer("g", TOPIC)
    for _ in range(20):
        first.poll(0)
        second.poll(0)
        clock.advance(20)

    assert len(first.assignment()) == len(second.assignment()) == 2


class TestRetention:
    """1 MiB, 14 days."""

    def test_by_size_only_what_every_group_committed_goes(self, log: EmbeddedLog) -> None:
        send(log, ["x" * 1000] * 3000)
        fast, slow = log.consumer("fast", TOPIC), log.consumer("slow", TOPIC)
        fast.commit(reach(drain(fast)))
        slow.commit(reach(drain(slow)[:500]))

        deleted = log.expire()

        assert deleted == 500
        assert max(log.topics().starts(TOPIC).values()) == 500

    def test_by_size_no_more_goes_than_has_to(self, log: EmbeddedLog) -> None:
        for key in "abcdef":
            send(log, ["x" * 1000] * 500, key=key)
        consumer = log.consumer("g", TOPIC)
        consumer.commit(reach(drain(consumer)))

        log.expire()

        starts, ends = log.topics().starts(TOPIC), log.topics().ends(TOPIC)
        left = sum(ends.values()) - sum(starts.values())
        assert MIB - 1100 < left * 1003 <= MIB
        assert log.expire() == 0

    def test_by_size_a_topic_that_nobody_reads_is_bounded(self, log: EmbeddedLog) -> None:
        send(log, ["x" * 1000] * 3000, topic="rejects")

        assert log.expire() > 1900

    def test_by_age_all_goes(self, log: EmbeddedLog, clock: ManualClock) -> None:
        send(log, ["old"] * 600)
        consumer = log.consumer("g", TOPIC)
        consumer.poll(0, bytes_max=3)
        clock.advance(timedelta(days=15).total_seconds())
        send(log, ["new"])

        assert log.expire() == 600
        assert values(drain(log.consumer("late", TOPIC))) == ["new"]
        assert values(drain(consumer)) == ["new"]

    def test_offsets_go_on_after_everything_went(
        self, log: EmbeddedLog, clock: ManualClock
    ) -> None:
        send(log, ["old"] * 3)
        clock.advance(timedelta(days=15).total_seconds())
        log.expire()
        send(log, ["new"])

        (record,) = drain(log.consumer("g", TOPIC))

        assert record.offset == 3

    def test_a_group_that_was_given_up_holds_nothing(
        self, log: EmbeddedLog, clock: ManualClock
    ) -> None:
        log.consumer("gone", TOPIC).poll(0)
        clock.advance(timedelta(days=15).total_seconds())
        send(log, ["x" * 1000] * 3000)

        assert log.expire() > 1900

    def test_who_only_looked_holds_nothing(self, log: EmbeddedLog) -> None:
        send(log, ["x" * 1000] * 3000)
        visitor = log.consumer("visitor", TOPIC)
        visitor.poll(0)
        during = log.expire()
        visitor.close()

        assert during == 0
        assert log.expire() > 1900

    def test_the_disk_gets_its_pages_back(
        self, tmp_path: Path, log: EmbeddedLog, clock: ManualClock
    ) -> None:
        send(log, ["x" * 2**20] * 24)
        clock.advance(timedelta(days=15).total_seconds())
        log.expire()
        log.close()

        assert (tmp_path / "log" / "topic-events.sqlite").stat().st_size < 8 * MIB


def _send_and_tell(folder: Path, told: Connection) -> None:
    producer = open_log(folder).producer()
    for number in range(10**6):
        producer.send(TOPIC, Message(b"k", str(number).encode()))
        if number % 10 == 9:
            producer.flush()
            told.send(number)


def test_a_killed_producer_has_what_was_acknowledged(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_send_and_tell, args=(tmp_path, theirs))
    process.start()
    theirs.close()
    acknowledged = 0
    while acknowledged < 2000:
        acknowledged = ours.recv()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    while ours.poll():
        try:
            acknowledged = ours.recv()
        except EOFError:
            break

    log = open_log(tmp_path)
    found = values(drain(log.consumer("g", TOPIC)))
    log.close()

    assert found == [str(number) for number in range(len(found))]
    assert len(found) > acknowledged
    assert len(found) % 10 == 0


def test_a_full_disk_gives_up_after_a_while_and_leaves_nothing_half(
    log: EmbeddedLog, clock: ManualClock
) -> None:
    send(log, ["before"])
    producer = log.producer()
    for _ in range(20):
        producer.send(TOPIC, Message(b"k", b"x" * 100_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, limits[1]))
    try:
        with pytest.raises(NeighbourError, match="topic-events"):
            producer.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    waited_s = clock.monotonic_s()
    after_error = sum(log.topics().ends(TOPIC).values())
    producer.flush()

    assert 1 < waited_s < 60
    assert after_error == 1
    assert len(drain(log.consumer("g", TOPIC))) == 21


def test_a_folder_that_is_none_is_a_broken_neighbour(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")

    with pytest.raises(NeighbourError, match="log"):
        open_log(tmp_path / "log").topics().create(TOPIC, 1)


class GroupModel:
    """A group beside a model of it: dictionaries of what was sent, read, held, and committed."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.log = EmbeddedLog(folder, LogConfig(partitions=3, session_timeout_s=30), self.clock)
        self.producer = self.log.producer()
        self.sent: dict[bytes, list[bytes]] = {}
        self.number = 0
        self.members: list[Consumer] = []
        self.held: dict[int, dict[TopicPartition, int]] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.read: dict[TopicPartition, dict[int, tuple[bytes, bytes]]] = {}
        self.owners: dict[TopicPartition, Consumer] = {}

    def send(self, which: int) -> None:
        for key in (b"a", b"b", b"c", b"d", b"")[which:]:
            value = str(self.number).encode() + b"." * (1000 * which)
            self.number += 1
            self.producer.send(TOPIC, Message(key, value))
            self.sent.setdefault(key, []).append(value)
        self.producer.flush()

    def join(self, _which: int) -> None:
        if len(self.members) < 4:
            self.members.append(self.log.consumer("g", TOPIC))
            self.held[id(self.members[-1])] = {}

    def leave(self, which: int) -> None:
        if which < len(self.members):
            member = self.members.pop(which)
            del self.held[id(member)]
            member.close()

    def poll(self, which: int) -> None:
        for member in self.members[which : which + 1]:
            held, before = self.held[id(member)], member.assignment()
            try:
                records = member.poll(0, bytes_max=1500)
            except Fenced:
                held.clear()
                assert not member.assignment()
                continue
            for place in before - member.assignment():
                held.pop(place, None)
            self.owners |= dict.fromkeys(member.assignment(), member)
            for record in records:
                self._note(record, held)
            assert {TopicPartition(r.topic, r.partition) for r in records} <= member.assignment()

    def _note(self, record: Record, held: dict[TopicPartition, int]) -> None:
        place = TopicPartition(record.topic, record.partition)
        assert record.offset == held.get(place, self.committed.get(place, 0))
        held[place] = record.offset + 1
        content = (record.message.key, record.message.value)
        assert self.read.setdefault(place, {}).setdefault(record.offset, content) == content

    def commit(self, which: int) -> None:
        for member in self.members[which : which + 1]:
            held = self.held[id(member)]
            try:
                member.commit(held)
            except Fenced:
                continue
            assert all(self.owners[place] is member for place in held)
            assert all(offset >= self.committed.get(p, 0) for p, offset in held.items())
            self.committed |= held

    def stall(self, which: int) -> None:
        """Let one be silent for too long while the others poll."""
        self.clock.advance(31)
        for other in range(len(self.members)):
            if other != which:
                self.poll(other)

    def finish(self) -> None:
        for member in self.members:
            member.close()
        last = self.log.consumer("g", TOPIC)
        held: dict[TopicPartition, int] = {}
        for record in drain(last, polls=1):
            self._note(record, held)
        by_key: dict[bytes, list[bytes]] = {}
        for offsets in self.read.values():
            for _, (key, value) in sorted(offsets.items()):
                by_key.setdefault(key, []).append(value)
        self.log.close()
        assert by_key == self.sent


ACTIONS = (*["send", "poll", "commit"] * 3, *["join", "stall"] * 2, "leave")


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3)), min_size=40, max_size=50))
def test_any_history_of_a_group_agrees_with_the_model(history: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = GroupModel(Path(folder))
        for action, which in [("join", 0), ("join", 1), *history]:
            getattr(model, action)(which)

            assert model.log.topics().committed("g", TOPIC) == model.committed
        model.finish()
