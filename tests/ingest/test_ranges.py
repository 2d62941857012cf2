"""Ranges are the set of the numbers that were added and not removed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.ranges import Ranges

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=25)
SPAN = st.tuples(st.integers(0, 70), st.integers(1, 20))


def numbers(first: int, count: int) -> set[int]:
    return set(range(first, first + count))


def members(ranges: list[tuple[int, int]]) -> list[int]:
    return [number for first, last in ranges for number in range(first, last + 1)]


@given(spans=SPANS)
def test_ranges_are_the_set_of_what_was_added(spans: list[tuple[int, int]]) -> None:
    ranges = Ranges((first, first + count - 1) for first, count in spans)
    model = set().union(*(numbers(*span) for span in spans))

    pieces = list(ranges)
    assert members(pieces) == sorted(model)
    assert ranges.total == len(model)
    assert all(left[1] + 1 < right[0] for left, right in pairwise(pieces))
    assert Ranges(reversed(pieces)) == ranges


@given(spans=SPANS, asked=SPAN)
def test_missing_is_what_was_asked_without_what_is_there(
    spans: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    ranges = Ranges((first, first + count - 1) for first, count in spans)
    model = set().union(*(numbers(*span) for span in spans))

    missing = ranges.missing(asked[0], asked[0] + asked[1] - 1)

    present = ranges.present(asked[0], asked[0] + asked[1] - 1)
    assert members(missing) == sorted(numbers(*asked) - model)
    assert members(present) == sorted(numbers(*asked) & model)


@given(spans=SPANS, removed=SPAN)
def test_what_is_removed_is_there_no_more(
    spans: list[tuple[int, int]], removed: tuple[int, int]
) -> None:
    ranges = Ranges((first, first + count - 1) for first, count in spans)
    model = set().union(*(numbers(*span) for span in spans))

    ranges.remove(removed[0], removed[0] + removed[1] - 1)

    pieces = list(ranges)
    assert members(pieces) == sorted(model - numbers(*removed))
    assert all(left[1] + 1 < right[0] for left, right in pairwise(pieces))


@given(spans=SPANS)
def test_holes_are_what_lies_below_the_greatest(spans: list[tuple[int, int]]) -> None:
    ranges = Ranges((first, first + count - 1) for first, count in spans)
    model = set().union(*(numbers(*span) for span in spans))

    assert members(ranges.holes()) == sorted(set(range(max(model, default=0))) - model)


@pytest.mark.parametrize(("first", "last"), [(-1, 0), (3, 2)])
def test_what_is_no_range_is_no_range(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        Ranges().add(first, last)
