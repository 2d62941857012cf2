"""What every log promises: one suite, run on each implementation (``luytre.core.message``).

A test module subclasses ``LogContract`` and gives a fixture ``world``; see ``World``.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from luytre.core.batch import TopicPartition
from luytre.core.errors import Fenced, Refused
from luytre.core.message import Consumer, Message, Producer, Record, Topics

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

OnRevoke = Callable[[frozenset[TopicPartition]], None]
TOPIC = "events"
EACH = 1500
"""Messages of each producer in the test of four processes."""


class Log(Protocol):
    """An implementation, as far as the suite uses it."""

    def producer(self) -> Producer: ...

    def consumer(
        self, group: str, topic: str, *, on_revoke: OnRevoke | None = None
    ) -> Consumer: ...

    def topics(self) -> Topics: ...

    def close(self) -> None: ...


@dataclass
class World:
    """A log under test.

    ``open_log`` opens it again, as another process would; it can be pickled and runs on the
    machine's clock. ``log`` is one that is open already. ``let_session_expire`` lets more time
    pass than a silent member has.
    """

    log: Log
    open_log: Callable[[], Log]
    let_session_expire: Callable[[], None]


def send(log: Log, values: Iterable[str], *, key: str = "k", topic: str = TOPIC) -> None:
    producer = log.producer()
    for value in values:
        producer.send(topic, Message(key.encode(), value.encode()))
    producer.close()


SETTLED_S_MAX = 40.0
QUIET_S = 0.0
"""How long nothing must happen until a log is quiet: a cluster answers later than a disk."""


@contextmanager
def patience(quiet_s: float) -> Iterator[None]:
    """Wait for ``quiet_s`` of quiet where the suite waits for a log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "QUIET_S", quiet_s)
        yield


def send_keyed(log: Log, keyed: Iterable[tuple[str, str]]) -> None:
    producer = log.producer()
    for key, value in keyed:
        producer.send(TOPIC, Message(key.encode(), value.encode()))
    producer.close()


def drain(consumer: Consumer, *, polls: int = 3) -> list[Record]:
    """Return what comes until ``polls`` polls in a row, and for ``QUIET_S``, bring nothing."""
    records: list[Record] = []
    empty, quiet_since_s, until_s = 0, time.monotonic(), time.monotonic() + SETTLED_S_MAX
    while empty < polls or time.monotonic() < quiet_since_s + QUIET_S:
        found = consumer.poll(0.02)
        records += found
        empty = 0 if found else empty + 1
        if found or not consumer.assignment():
            quiet_since_s = time.monotonic()
        assert quiet_since_s < until_s, "the log does not come to rest"
    return records


def values(records: Iterable[Record]) -> list[str]:
    return [record.message.value.decode() for record in records]


def reach(records: Iterable[Record]) -> dict[TopicPartition, int]:
    return {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}


def settled(*consumers: Consumer) -> None:
    """Poll in turn until each has partitions and nobody gives one up any more."""
    before: object = None
    until_s = time.monotonic() + SETTLED_S_MAX
    while True:
        now = [consumer.assignment() for consumer in consumers]
        if now != before or not all(now):
            before, quiet_since_s = now, time.monotonic()
            assert quiet_since_s < until_s, "the group does not come to rest"
        elif time.monotonic() >= quiet_since_s + QUIET_S:
            return
        for consumer in consumers:
            assert not consumer.poll(0)


class LogContract:
    """The promises."""

    def test_brings_back_what_was_sent(self, world: World) -> None:
        message = Message("kh\u00f3a".encode(), b"\x00\xff\n", {"host": "m\u00e1y-1", "count": "1"})
        producer = world.log.producer()
        producer.send(TOPIC, message)
        producer.flush()

        (record,) = drain(world.log.consumer("g", TOPIC))

        assert record.message == message
        assert (record.topic, record.offset) == (TOPIC, 0)
        assert record.appended_at.tzinfo is not None

    def test_keeps_the_order_of_a_partition_over_flushes_and_producers(self, world: World) -> None:
        expected = [str(number) for number in range(300)]
        for start in range(0, 300, 50):
            send(world.log, expected[start : start + 50])

        records = drain(world.log.consumer("g", TOPIC))

        assert values(records) == expected
        assert [record.offset for record in records] == list(range(300))

    def test_a_key_sticks_to_its_partition(self, world: World) -> None:
        for _ in range(3):
            send_keyed(world.log, ((str(key), str(key)) for key in range(40)))

        records = drain(world.log.consumer("g", TOPIC))

        places = {(r.message.key, r.partition) for r in records}
        assert len(records) == 120
        assert len(places) == 40
        assert len({partition for _, partition in places}) > 1

    def test_a_consumer_that_dies_before_its_commit_loses_nothing(self, world: World) -> None:
        send(world.log, ["a", "b"])
        dead = world.log.consumer("g", TOPIC)
        assert values(drain(dead)) == ["a", "b"]
        world.let_session_expire()

        heir = world.log.consumer("g", TOPIC)

        assert values(drain(heir)) == ["a", "b"]

    def test_a_commit_survives_a_new_start(self, world: World) -> None:
        send(world.log, ["a", "b", "c"])
        consumer = world.log.consumer("g", TOPIC)
        records = drain(consumer)
        consumer.commit(reach(records[:2]))
        consumer.close()
        again = world.open_log()

        assert values(drain(again.consumer("g", TOPIC))) == ["c"]
        assert again.topics().committed("g", TOPIC) == reach(records[:2])
        again.close()

    def test_groups_do_not_see_each_other(self, world: World) -> None:
        send(world.log, ["a"])
        first = world.log.consumer("one", TOPIC)
        first.commit(reach(drain(first)))

        assert values(drain(world.log.consumer("two", TOPIC))) == ["a"]
        assert world.log.topics().committed("two", TOPIC) == {}

    def test_topics_do_not_see_each_other(self, world: World) -> None:
        send(world.log, ["event"])
        send(world.log, ["alert"], topic="alerts")

        assert values(drain(world.log.consumer("g", "alerts"))) == ["alert"]

    def test_bytes_max_bounds_a_poll(self, world: World) -> None:
        send(world.log, ["x" * 100] * 10)
        consumer = world.log.consumer("g", TOPIC)
        polls: list[int] = []
        while sum(polls) < 10:
            polls.append(len(consumer.poll(1.0, bytes_max=350)))

        assert max(polls) == 3

    def test_one_record_comes_however_large(self, world: World) -> None:
        large = "x" * 900_000
        send(world.log, ["small", large, "after"])
        consumer = world.log.consumer("g", TOPIC)
        found: list[str] = []
        while len(found) < 3:
            found += values(consumer.poll(1.0, bytes_max=1000))

        assert found == ["small", large, "after"]

    def test_seek_reads_again_whatever_was_committed(self, world: World) -> None:
        send(world.log, ["a", "b", "c"])
        consumer = world.log.consumer("g", TOPIC)
        records = drain(consumer)
        consumer.commit(reach(records))

        consumer.seek(next(iter(reach(records))), 1)

        assert values(drain(consumer)) == ["b", "c"]

    def test_seek_elsewhere_is_refused(self, world: World) -> None:
        consumer = world.log.consumer("g", TOPIC)

        with pytest.raises(Refused):
            consumer.seek(TopicPartition(TOPIC, 0), 0)

    def test_describes_its_topics(self, world: World) -> None:
        topics = world.log.topics()
        topics.create("fresh", 3)
        topics.create("fresh", 2)
        send(world.log, ["a", "b"], topic="fresh")

        ends = topics.ends("fresh")
        assert "fresh" in topics.names()
        assert set(ends) == {TopicPartition("fresh", number) for number in range(3)}
        assert sorted(ends.values()) == [0, 0, 2]
        assert set(topics.starts("fresh").values()) == {0}

    def test_reading_by_offsets_joins_no_group(self, world: World) -> None:
        send(world.log, ["a", "b", "c"])
        topics = world.log.topics()
        place = next(place for place, end in topics.ends(TOPIC).items() if end)
        found = [values(topics.read(place, offset)) for offset in (0, 1, 3, 9)]

        assert found == [["a", "b", "c"], ["b", "c"], [], []]
        assert values(topics.read(place, 1, bytes_max=1)) == ["b"]
        assert values(drain(world.log.consumer("g", TOPIC))) == ["a", "b", "c"]

    def test_a_silent_member_is_fenced_and_commits_nothing(self, world: World) -> None:
        send(world.log, ["a", "b"])
        silent = world.log.consumer("g", TOPIC)
        records = drain(silent)
        world.let_session_expire()
        heir = world.log.consumer("g", TOPIC)
        assert values(drain(heir)) == ["a", "b"]

        with pytest.raises(Fenced):
            silent.commit(reach(records[:1]))
        with pytest.raises(Fenced):
            silent.poll(0)
        assert world.log.topics().committed("g", TOPIC) == {}
        assert silent.assignment() == frozenset()

    def test_a_fenced_member_joins_again(self, world: World) -> None:
        silent = world.log.consumer("g", TOPIC)
        settled(silent)
        world.let_session_expire()
        heir = world.log.consumer("g", TOPIC)
        settled(heir)
        with pytest.raises(Fenced):
            silent.poll(0)

        settled(silent, heir)

        assert silent.assignment()
        assert heir.assignment()
        assert not silent.assignment() & heir.assignment()

    def test_a_new_member_gets_its_share_and_nothing_comes_twice(self, world: World) -> None:
        keys = [str(number) for number in range(40)]
        send_keyed(world.log, ((key, key) for key in keys))
        first = world.log.consumer("g", TOPIC)
        records = drain(first)
        first.commit(reach(records))
        second = world.log.consumer("g", TOPIC)
        settled(first, second)
        send_keyed(world.log, ((key, "later " + key) for key in keys))

        mine, yours = drain(first), drain(second)

        assert first.assignment() | second.assignment() == set(world.log.topics().ends(TOPIC))
        assert sorted(values(mine + yours)) == sorted("later " + key for key in keys)
        assert mine
        assert yours

    def test_what_is_given_up_can_be_committed_before(self, world: World) -> None:
        send_keyed(world.log, ((str(key), str(key)) for key in range(40)))
        given: list[frozenset[TopicPartition]] = []

        def commit(places: frozenset[TopicPartition]) -> None:
            given.append(places)
            first.commit({place: offset for place, offset in done.items() if place in places})

        first = world.log.consumer("g", TOPIC, on_revoke=commit)
        done = reach(drain(first))
        second = world.log.consumer("g", TOPIC)
        settled(first, second)

        assert frozenset().union(*given) == second.assignment()
        assert drain(second) == []

    def test_uncommitted_progress_of_a_revoked_partition_is_replayed(self, world: World) -> None:
        send_keyed(world.log, ((str(key), str(key)) for key in range(40)))
        first = world.log.consumer("g", TOPIC)
        records = drain(first)
        second = world.log.consumer("g", TOPIC)
        replayed: list[Record] = []
        while not replayed:
            replayed += [*second.poll(0), *first.poll(0)]

        with pytest.raises(Fenced):
            first.commit(reach(records))
        places = second.assignment()
        expected = [r for r in records if TopicPartition(r.topic, r.partition) in places]
        replayed += drain(second)
        assert sorted(values(replayed)) == sorted(values(expected))

    def test_a_member_that_leaves_hands_over_at_once(self, world: World) -> None:
        first, second = world.log.consumer("g", TOPIC), world.log.consumer("g", TOPIC)
        settled(first, second)
        first.close()
        settled(second)

        assert second.assignment() == set(world.log.topics().ends(TOPIC))

    def test_four_processes_lose_and_double_nothing(self, world: World) -> None:
        world.log.topics().create(TOPIC, 4)
        spawn = multiprocessing.get_context("spawn")
        queue: SimpleQueue[Sequence[tuple[str, int, str]]] = spawn.SimpleQueue()
        workers = [
            *(spawn.Process(target=_produce, args=(world.open_log, str(n))) for n in range(2)),
            *(spawn.Process(target=_consume, args=(world.open_log, queue)) for _ in range(2)),
        ]
        for worker in workers:
            worker.start()
        committed = [row for _ in range(2) for row in queue.get()]
        for worker in workers:
            worker.join(30)

        assert [worker.exitcode for worker in workers] == [0] * 4
        counted = Counter(value for _, _, value in committed)
        assert counted == Counter(f"{n}:{i}" for n in range(2) for i in range(EACH))
        _assert_ordered(committed)


def _produce(open_log: Callable[[], Log], name: str) -> None:
    log = open_log()
    producer = log.producer()
    for number in range(EACH):
        producer.send(TOPIC, Message(f"{name}/{number % 7}".encode(), f"{name}:{number}".encode()))
        if number % 50 == 49:
            producer.flush()
    log.close()


def _consume(
    open_log: Callable[[], Log], queue: SimpleQueue[Sequence[tuple[str, int, str]]]
) -> None:
    """Commit after each poll, and report what was committed; what was fenced is not ours."""
    log = open_log()
    consumer = log.consumer("g", TOPIC)
    committed: list[tuple[str, int, str]] = []
    deadline_s = time.monotonic() + 60
    while _lag(log) and time.monotonic() < deadline_s:
        try:
            records = consumer.poll(0.1, bytes_max=300)
            consumer.commit(reach(records))
        except Fenced:
            continue
        committed += [(r.message.key.decode(), r.offset, r.message.value.decode()) for r in records]
    log.close()
    queue.put(committed)


def _lag(log: Log) -> int:
    ends: Mapping[TopicPartition, int] = log.topics().ends(TOPIC)
    done = log.topics().committed("g", TOPIC)
    return 2 * EACH - sum(done.get(place, 0) for place in ends)


def _assert_ordered(committed: Sequence[tuple[str, int, str]]) -> None:
    numbers: dict[str, list[int]] = {}
    for key, offset, value in sorted(committed, key=lambda row: row[1]):
        assert offset >= 0
        numbers.setdefault(key, []).append(int(value.split(":")[1]))
    assert all(found == sorted(found) for found in numbers.values())
