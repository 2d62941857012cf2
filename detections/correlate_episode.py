"""What a group of a correlation shows: runs of firing windows, with their matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detections.correlate_bounds import Exact
    from luytre.core.matches import Match

SECOND_US = 1_000_000
EPISODE_US = 86_400 * SECOND_US
"""A run that lasts longer is continued by a new one: no alert and no state grows forever."""

LISTED_MAX = 100
"""Matches that an episode names; the others are counted."""

BEGINNING_US = -(2**62)
NEVER_US = 2**62

Entry = tuple[int, str, "Match", int, Any]
"""Time, event id, match, offset in the log, what its window reads: they sort by time and event."""


class Span(NamedTuple):
    """A run of overlapping firing windows: when the first and the last end, what that showed."""

    first_us: int
    last_us: int
    measured: Exact


class Folded(NamedTuple):
    """What is kept of the matches of a span that are in no window any more."""

    size: int
    listed: tuple[Match, ...]
    carried: dict[tuple[str, ...], None]
    offset: int


def folded(old: Folded | None, leaving: Sequence[Entry]) -> Folded:
    """Return what is kept of matches that leave (at least one), together with those before."""
    listed = old.listed if old else ()
    carried = dict(old.carried) if old else {}
    for entry in leaving:
        if len(carried) >= LISTED_MAX:
            break
        carried[entry[2].carried] = None
    offsets = [entry[3] for entry in leaving] + ([old.offset] if old else [])
    return Folded(
        size=len(leaving) + (old.size if old else 0),
        listed=listed + tuple(entry[2] for entry in leaving[: LISTED_MAX - len(listed)]),
        carried=carried,
        offset=min(offsets),
    )


class Episode(NamedTuple):
    """A span with its matches: the first ones, and how many there are (``size``)."""

    span: Span
    size: int
    listed: tuple[Match, ...]
    lossy: bool
