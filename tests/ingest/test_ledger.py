"""The ledger drops re-sends, shows holes, and counts everything once, whatever crashes."""

from __future__ import annotations

import multiprocessing
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.ledger import Counts, Ledger, Ranges, SeenSequences, StreamUpdate
from luytre.core.batch import TopicPartition
from luytre.core.errors import Fenced

PLACE = TopicPartition("events", 0)
OTHER = TopicPartition("events", 1)
STREAM = "office-1/auth.log/1"
MORNING = datetime(2026, 3, 1, 6, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def numbers(first: int, count: int) -> set[int]:
    return set(range(first, first + count))


@pytest.mark.parametrize(
    ("known", "first_seq", "count", "fresh"),
    [
        pytest.param([], 0, 3, [(0, 2)], id="all of it is new"),
        pytest.param([(0, 2)], 0, 3, [], id="all of it is sent again"),
        pytest.param([(0, 2)], 0, 5, [(3, 4)], id="cut into other messages, the rest is new"),
        pytest.param([(3, 4)], 0, 8, [(0, 2), (5, 7)], id="around what is known"),
        pytest.param([(0, 2)], 9, 1, [(9, 9)], id="after a hole"),
    ],
)
def test_admits_what_was_not_processed(
    path: Path, known: list[tuple[int, int]], first_seq: int, count: int, fresh: list[object]
) -> None:
    seen = SeenSequences(Ledger(path))
    for offset, (first, last) in enumerate(known):
        seen.admit(PLACE, offset, STREAM, first, last - first + 1)

    assert seen.admit(PLACE, 9, STREAM, first_seq, count) == fresh


@pytest.mark.parametrize(("first_seq", "count"), [(-1, 1), (0, 0), (0, -1), (2**62, 1), (0, 2**80)])
def test_sequences_that_cannot_be_are_a_reason_and_change_nothing(
    path: Path, first_seq: int, count: int
) -> None:
    seen = SeenSequences(Ledger(path))

    with pytest.raises(ValueError, match="no range of sequences"):
        seen.admit(PLACE, 0, STREAM, first_seq, count)
    assert seen.admit(PLACE, 0, STREAM, 0, 1) == [(0, 0)]


def test_streams_have_sequences_of_their_own(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, "one", 0, 3)

    assert seen.admit(PLACE, 1, "two", 0, 3) == [(0, 2)]


def test_a_flush_is_what_the_next_start_knows(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, STREAM, 0, 3)
    seen.flush({PLACE: 1})
    seen.admit(PLACE, 1, STREAM, 3, 3)

    again = SeenSequences(Ledger(path))

    assert again.offset(PLACE) == 1
    assert again.admit(PLACE, 1, STREAM, 0, 6) == [(3, 5)]


def test_forget_drops_what_was_not_flushed(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, STREAM, 0, 3)
    seen.forget([PLACE])

    assert seen.admit(PLACE, 0, STREAM, 0, 3) == [(0, 2)]


def test_a_flush_below_what_was_admitted_is_refused(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, STREAM, 0, 3)
    seen.admit(PLACE, 1, STREAM, 3, 3)

    with pytest.raises(ValueError, match="admitted up to 2, flushed at 1"):
        seen.flush({PLACE: 1})
    assert Ledger(path).state(PLACE).offset == 0


def test_a_worker_that_lost_a_partition_cannot_save_it(path: Path) -> None:
    zombie, heir = SeenSequences(Ledger(path)), SeenSequences(Ledger(path))
    zombie.admit(PLACE, 0, STREAM, 0, 3)
    zombie.load([OTHER])
    heir.admit(PLACE, 0, STREAM, 0, 3)
    heir.rejected(PLACE, STREAM, 1, 1)
    heir.flush({PLACE: 1})

    with pytest.raises(Fenced, match="events/0"):
        zombie.flush({PLACE: 1})
    zombie.flush({OTHER: 7})
    assert [(row.events, row.rejects) for row in Ledger(path).rows()] == [(2, 1)]


def test_rows_show_counts_holes_and_times(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, STREAM, 2, 3)
    seen.count(
        PLACE,
        STREAM,
        Counts(
            organization="so-y-te",
            hint="auto",
            parts={"linux/sshd": 2},
            first_event_at=MORNING,
            last_event_at=MORNING + timedelta(hours=1),
            received_at=MORNING + timedelta(hours=2),
        ),
    )
    seen.rejected(PLACE, STREAM, 3, 1)
    seen.flush({PLACE: 1})
    seen.admit(PLACE, 1, STREAM, 4, 2)
    seen.admit(PLACE, 2, STREAM, 9, 1)
    seen.count(
        PLACE,
        STREAM,
        Counts(parts={"linux/sshd": 1, "linux/sudo": 1}, first_event_at=MORNING),
    )
    seen.flush({PLACE: 3})

    (row,) = Ledger(path).rows()

    assert row.stream == STREAM
    assert row.counts == Counts(
        organization="so-y-te",
        hint="auto",
        resent=1,
        parts={"linux/sshd": 3, "linux/sudo": 1},
        first_event_at=MORNING,
        last_event_at=MORNING + timedelta(hours=1),
        received_at=MORNING + timedelta(hours=2),
    )
    assert (row.holes, row.missing, row.end) == (((0, 1), (6, 8)), 5, 10)
    assert (row.events, row.rejects) == (4, 1)


def test_a_hole_heals_when_its_events_arrive(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, STREAM, 5, 5)
    seen.flush({PLACE: 1})
    blind = Ledger(path).rows()[0].holes
    seen.admit(PLACE, 1, STREAM, 0, 5)
    seen.flush({PLACE: 2})

    assert blind == ((0, 4),)
    assert Ledger(path).rows()[0].holes == ()


def test_rows_unite_a_stream_of_several_partitions(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    for place, first in ((PLACE, 0), (OTHER, 3)):
        seen.admit(place, 0, STREAM, first, 3)
        seen.count(place, STREAM, Counts(organization="ubnd"))
    seen.flush({PLACE: 1, OTHER: 1})

    (row,) = Ledger(path).rows()

    assert (row.events, row.holes) == (6, ())


def test_rows_are_sorted_by_organization(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    for stream, organization in (("b", "x"), ("a", "x"), ("z", "a")):
        seen.count(PLACE, stream, Counts(organization=organization))
    seen.flush({PLACE: 1})

    assert [row.stream for row in Ledger(path).rows()] == ["z", "a", "b"]


@pytest.mark.parametrize("place", [PLACE, OTHER], ids=["same partition", "another partition"])
def test_a_replayed_reject_becomes_an_event_once(path: Path, place: TopicPartition) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, STREAM, 0, 10)
    seen.rejected(PLACE, STREAM, 3, 3)
    seen.flush({PLACE: 1})

    admitted = [seen.admit(place, offset, STREAM, 4, 2, replayed=True) for offset in (1, 2, 3)]
    seen.rejected(place, STREAM, 5, 1)
    seen.flush({place: 4})

    (row,) = Ledger(path).rows()
    assert admitted == [[(4, 5)], [], []]
    assert (row.events, row.rejects, row.counts.resent) == (8, 2, 0)


def test_what_is_rejected_again_in_another_partition_can_be_tried_there(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, STREAM, 0, 10)
    seen.rejected(PLACE, STREAM, 3, 1)
    seen.admit(OTHER, 0, STREAM, 3, 1, replayed=True)
    seen.rejected(OTHER, STREAM, 3, 1)
    seen.flush({PLACE: 1, OTHER: 1})
    before = Ledger(path).rows()[0].rejects

    again = SeenSequences(Ledger(path))
    admitted = again.admit(OTHER, 1, STREAM, 3, 1, replayed=True)
    again.flush({OTHER: 2})

    assert (before, admitted, Ledger(path).rows()[0].rejects) == (1, [(3, 3)], 0)


def test_a_replay_of_what_is_no_reject_does_nothing(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, STREAM, 0, 3)

    assert seen.admit(PLACE, 1, STREAM, 0, 5, replayed=True) == []
    seen.flush({PLACE: 2})
    assert [(row.events, row.end) for row in Ledger(path).rows()] == [(3, 3)]


def test_a_message_that_is_rejected_whole_leaves_what_was_delivered_before(path: Path) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, STREAM, 3, 1)
    seen.admit(PLACE, 1, STREAM, 0, 6)
    seen.rejected(PLACE, STREAM, 0, 6)
    seen.flush({PLACE: 2})

    assert list(Ledger(path).rows()[0].rejected) == [(0, 2), (4, 5)]
    assert seen.admit(PLACE, 2, STREAM, 0, 6, replayed=True) == [(0, 2), (4, 5)]
    seen.rejected(PLACE, STREAM, 0, 6)
    seen.flush({PLACE: 3})
    assert Ledger(path).rows()[0].events == 1


@pytest.mark.parametrize(("first", "count"), [(5, 1), (0, 0), (-3, 2), (2, 1)])
def test_only_what_was_admitted_can_be_rejected(path: Path, first: int, count: int) -> None:
    seen = SeenSequences(Ledger(path))
    seen.admit(PLACE, 0, STREAM, 0, 2)
    seen.rejected(PLACE, STREAM, first, count)
    seen.flush({PLACE: 1})

    assert [(row.events, row.rejects) for row in Ledger(path).rows()] == [(2, 0)]


def test_a_replay_that_is_durable_is_not_taken_again(path: Path) -> None:
    first = SeenSequences(Ledger(path))
    first.admit(PLACE, 0, STREAM, 4, 1)
    first.rejected(PLACE, STREAM, 4, 1)
    first.admit(PLACE, 1, STREAM, 4, 1, replayed=True)
    first.rejected(PLACE, STREAM, 4, 1)
    first.flush({PLACE: 2})

    after_crash = SeenSequences(Ledger(path))

    assert after_crash.admit(PLACE, 1, STREAM, 4, 1, replayed=True) == []
    assert after_crash.admit(PLACE, 2, STREAM, 4, 1, replayed=True) == [(4, 4)]


def test_our_own_reading_again_is_no_resending(path: Path) -> None:
    first = SeenSequences(Ledger(path))
    first.admit(PLACE, 0, STREAM, 0, 5)
    first.flush({PLACE: 1})

    after_crash = SeenSequences(Ledger(path))
    after_crash.admit(PLACE, 0, STREAM, 0, 5)
    after_crash.admit(PLACE, 1, STREAM, 0, 5)
    after_crash.flush({PLACE: 2})

    assert Ledger(path).rows()[0].counts.resent == 5


def test_a_topic_made_anew_starts_at_its_start_and_keeps_the_sequences(path: Path) -> None:
    own = "events/0"
    before = SeenSequences(Ledger(path), lambda _topic: "first id")
    before.admit(PLACE, 0, STREAM, 0, 5)
    before.admit(PLACE, 1, own, 1, 1)
    before.rejected(PLACE, own, 1, 1)
    before.admit(OTHER, 0, own, 1, 1, replayed=True)
    before.flush({PLACE: 2, OTHER: 1})

    after = SeenSequences(Ledger(path), lambda _topic: "second id")

    assert after.offset(PLACE) == 0
    assert after.admit(PLACE, 0, STREAM, 0, 6) == [(5, 5)]
    assert after.admit(PLACE, 1, own, 1, 1) == [(1, 1)]
    after.flush({PLACE: 2})
    assert [(row.events, row.rejects) for row in Ledger(path).rows()] == [(1, 0), (6, 0)]
    with pytest.raises(Fenced):
        before.flush({PLACE: 3})


def test_looking_without_the_id_changes_nothing(path: Path) -> None:
    Ledger(path).state(PLACE, "an id")
    writer = SeenSequences(Ledger(path), lambda _topic: "an id")
    writer.admit(PLACE, 0, STREAM, 0, 5)
    writer.flush({PLACE: 1})

    assert Ledger(path).state(PLACE).offset == 1
    writer.flush({PLACE: 2})


MESSAGES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 30), st.integers(1, 8)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(messages=MESSAGES, data=st.data())
def test_crashes_at_any_line_count_every_sequence_once(
    messages: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        committed = 0
        while committed < len(messages):
            seen = SeenSequences(ledger)
            flush_at = data.draw(st.integers(committed + 1, len(messages)))
            for offset, (stream, first, count) in enumerate(
                messages[committed:flush_at], committed
            ):
                fresh = seen.admit(PLACE, offset, stream, first, count)
                counted = sum(end - start + 1 for start, end in fresh)
                seen.count(PLACE, stream, Counts(parts={"part": counted}))
            crash = data.draw(st.sampled_from(["none", "before the flush", "before the commit"]))
            if crash != "before the flush":
                seen.flush({PLACE: flush_at})
            if crash == "none":
                committed = flush_at
        rows = ledger.rows()
        ledger.close()

    for row in rows:
        sent = [numbers(first, count) for name, first, count in messages if name == row.stream]
        assert row.events == row.counts.parts["part"] == len(set().union(*sent))
        assert row.events + row.counts.resent == sum(map(len, sent))


def _work(path: Path, partition: int) -> None:
    place = TopicPartition("events", partition)
    seen = SeenSequences(Ledger(path))
    for offset in range(60):
        seen.admit(place, offset, f"stream-{partition}", 2 * offset, 1)
        seen.rejected(place, f"stream-{partition}", 2 * offset, offset % 2)
        seen.flush({place: offset + 1})


def test_workers_share_the_file(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_work, args=(path, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    rows = Ledger(path).rows()

    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert [(row.events, row.rejects, row.missing) for row in rows] == [(30, 30, 59)] * 3


def test_a_save_without_the_latest_state_is_refused(path: Path) -> None:
    Ledger(path).save(PLACE, 1, {STREAM: StreamUpdate(Ranges([(0, 0)]))})

    with pytest.raises(Fenced):
        Ledger(path).save(PLACE, 2, {})
    assert Ledger(path).state(PLACE).stream(STREAM).ranges == Ranges([(0, 0)])
