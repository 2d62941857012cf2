"""Every sequence is an event, a reject, or missing, whatever happens in whatever order."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.processor.reject_house import MENDED, House, fuse, message

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
