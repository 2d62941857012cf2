from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.first_seen import COLUMN, FirstSeen
from luytre.core.batch import Batch
from luytre.core.cells import NULL, list_cell, texts
from luytre.core.config import FirstSeenConfig
from tests.enrich.conftest import make_batch

MakeBatch = Callable[..., Batch]
Event = tuple[str, str | None]
"""Organisation and user."""


def stage(folder: Path, entries_max: int = 100, *columns: str) -> FirstSeen:
    watched = [
        FirstSeenConfig(column=c, entries_max=entries_max) for c in columns or ("user.name",)
    ]
    return FirstSeen(watched, folder)


def firsts(seen: FirstSeen, users: Sequence[str | None], start: int = 0) -> list[bool]:
    ids = [f"event-{start + n}" for n in range(len(users))]
    events = seen(make_batch({"user.name": users}, ids=ids).events)
    return [cell is not None for cell in events[COLUMN]]


@pytest.mark.parametrize(
    ("users", "marked"),
    [
        pytest.param(["an", "binh", "an"], [True, True, False], id="each value once"),
        pytest.param(["an", "AN"], [True, False], id="case does not count"),
        pytest.param([None, NULL, list_cell([]), ""], [False] * 4, id="missing is never new"),
        pytest.param(["x" * 5000, "x" * 5000, "x" * 4999], [True, False, True], id="long values"),
        pytest.param([list_cell("ab"), list_cell("ab")], [True, False], id="a list is one value"),
        pytest.param([], [], id="no events"),
    ],
)
def test_a_value_is_new_once(
    tmp_path: Path, users: Sequence[str | None], marked: list[bool]
) -> None:
    assert firsts(stage(tmp_path), users) == marked


def test_organisations_remember_apart(tmp_path: Path, batch: MakeBatch) -> None:
    events = batch({"user.name": ["an", "an", "an"]}, organizations=["A", "B", "A"]).events

    assert [c is not None for c in stage(tmp_path)(events)[COLUMN]] == [True, True, False]


def test_all_columns_with_a_new_value_are_named(tmp_path: Path, batch: MakeBatch) -> None:
    seen = stage(tmp_path, 100, "user.name", "source.ip", "host.name")
    cells = {"user.name": ["an", "an"], "source.ip": ["1.1.1.1", "2.2.2.2"]}

    said = seen(batch(cells).events)[COLUMN].to_list()

    assert [texts(cell) for cell in said] == [("user.name", "source.ip"), ("source.ip",)]


def test_the_longest_unseen_is_forgotten(tmp_path: Path) -> None:
    seen = stage(tmp_path, 2)

    assert firsts(seen, ["a", "b", "a", "c", "a", "b"]) == [True, True, False, True, False, True]


def test_what_was_saved_is_known_after_a_restart_in_its_order(tmp_path: Path) -> None:
    seen = stage(tmp_path, 2)
    firsts(seen, ["a", "b", "a"])
    seen.checkpoint()
    again = stage(tmp_path, 2)

    assert firsts(again, ["c", "a", "b"], start=10) == [True, False, True]


def test_what_was_forgotten_is_not_known_after_a_restart(tmp_path: Path) -> None:
    seen = stage(tmp_path, 2)
    firsts(seen, ["a", "b"])
    seen.checkpoint()
    firsts(seen, ["c"], start=2)
    seen.checkpoint()

    assert firsts(stage(tmp_path, 2), ["b", "c", "a"], start=10) == [False, False, True]


def test_a_smaller_limit_holds_after_a_restart(tmp_path: Path) -> None:
    seen = stage(tmp_path, 3)
    firsts(seen, ["a", "b", "c"])
    seen.checkpoint()
    smaller = stage(tmp_path, 1)

    assert firsts(smaller, ["c", "b"], start=10) == [False, True]
    smaller.checkpoint()
    assert firsts(stage(tmp_path, 3), ["c"], start=20) == [True]


EVENTS = st.lists(
    st.tuples(st.sampled_from("AB"), st.sampled_from(["x", "y", "z", "v", "w", None])), max_size=30
)


def answers(seen: FirstSeen, events: Sequence[Event], start: int) -> list[bool]:
    if not events:
        return []
    orgs, users = [o for o, _ in events], [u for _, u in events]
    ids = [f"event-{start + n}" for n in range(len(events))]
    enriched = seen(make_batch({"user.name": users}, organizations=orgs, ids=ids).events)
    return [cell is not None for cell in enriched[COLUMN]]


def one_by_one(events: Sequence[Event], entries_max: int) -> list[bool]:
    """Say slowly and obviously what is new."""
    memory: dict[str, OrderedDict[str, None]] = {"A": OrderedDict(), "B": OrderedDict()}
    said = []
    for organization, user in events:
        known = memory[organization]
        said.append(user is not None and user not in known)
        if user is not None:
            known[user] = None
            known.move_to_end(user)
            if len(known) > entries_max:
                known.popitem(last=False)
    return said


@settings(max_examples=40, deadline=None)
@given(events=EVENTS, cut=st.integers(0, 30), entries_max=st.integers(1, 6))
def test_split_anywhere_it_says_what_one_by_one_says(
    events: list[Event], cut: int, entries_max: int
) -> None:
    with TemporaryDirectory() as folder:
        seen = stage(Path(folder), entries_max)

        said = answers(seen, events[:cut], 0) + answers(seen, events[cut:], cut)

    assert said == one_by_one(events, entries_max)


@settings(max_examples=40, deadline=None)
@given(events=EVENTS, places=st.tuples(*[st.integers(0, 30)] * 3))
def test_replay_after_a_crash_says_the_same(events: list[Event], places: tuple[int, ...]) -> None:
    committed, saved, crashed = sorted(places)
    with TemporaryDirectory() as name:
        folder = Path(name)
        before = stage(folder)
        said = answers(before, events[:committed], 0)
        before.checkpoint()
        said += answers(before, events[committed:saved], committed)
        before.checkpoint()  # saved, but the process dies before it commits
        said += answers(before, events[saved:crashed], saved)
        after = stage(folder)

        replayed = answers(after, events[committed:], committed)

    assert replayed[: crashed - committed] == said[committed:]
    assert said[:committed] + replayed == one_by_one(events, 100)
