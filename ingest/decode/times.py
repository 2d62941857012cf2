"""The time of an event: ISO 8601, BSD syslog without a year, web server logs, epochs.

Microseconds since 1970 (UTC) are the currency. A time whose zone its log does not say is
``Local``: it counts as UTC until ``in_zone`` moves it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from luytre.core.ecs import TIME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000
_QUARTER_US = 900_000_000
_EARLIEST_US = 631_152_000_000_000  # 1990-01-01
_LATEST_US = 4_102_444_800_000_000  # 2100-01-01
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_ISO = "%Y-%m-%dT%H:%M:%S%.f%#z"


class Local(int):
    """Microseconds from 1970 to what a clock shows, in a zone that its log does not say."""

    __slots__ = ()


def in_zone(times: Sequence[str | int | None], zone: tzinfo) -> list[str | int | None]:
    """Return times of clocks in ``zone``; those that say their zone stay as they are.

    An hour that the clock shows twice is taken for the first (PEP 495, fold 0).
    """
    return [_moved(time, zone) for time in times]


def _moved(time: str | int | None, zone: tzinfo) -> str | int | None:
    shown = iso_us(time) if isinstance(time, str) else time
    if not isinstance(shown, Local):
        return time
    return shown - _ahead_us(shown // _QUARTER_US, zone)


@lru_cache(maxsize=4096)
def _ahead_us(quarter: int, zone: tzinfo) -> int:
    """Return how far a clock is ahead of UTC: it changes at a quarter of an hour, if at all.

    0.3 us an event from here, 3 us from the zone itself.
    """
    try:
        shown = (_EPOCH + timedelta(microseconds=quarter * _QUARTER_US)).replace(tzinfo=zone)
        return (shown.utcoffset() or timedelta()) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return 0


def micros(time: datetime) -> int:
    """Return microseconds since 1970; a naive time is UTC."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    since = aware - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def time_series(values: Sequence[str | int | None]) -> pl.Series:
    """Return times as a column: null for none, unreadable, before 1990, and after 2100."""
    numbers = pl.Series(
        [v if isinstance(v, int) and 0 < v < _LATEST_US else None for v in values], dtype=pl.Int64
    )
    if any(isinstance(v, str) for v in values):
        numbers = numbers.zip_with(numbers.is_not_null(), _iso_series(values))
    plausible = numbers.is_between(_EARLIEST_US, _LATEST_US)
    return numbers.zip_with(plausible, pl.Series([None], dtype=pl.Int64)).cast(TIME)


def _iso_series(values: Sequence[str | int | None]) -> pl.Series:
    texts = pl.Series([v if isinstance(v, str) else None for v in values], dtype=pl.String)
    # 30 ns a value, where Python's parser takes 300; what it cannot read goes the slow way.
    fast = texts.str.to_datetime(_ISO, strict=False, time_unit="us", time_zone="UTC")
    missed = (fast.is_null() & texts.is_not_null()).arg_true()
    numbers = fast.dt.timestamp("us")
    if len(missed) == 0:
        return numbers
    slow = [iso_us(text) for text in texts.gather(missed)]
    return numbers.scatter(missed, pl.Series(slow, dtype=pl.Int64))


@lru_cache(maxsize=4096)
def iso_us(text: str) -> int | None:
    """Return an ISO 8601 time, also with a blank for the T, a comma, or a trailing " UTC"."""
    cleaned = text.strip().replace(",", ".")
    try:
        time = datetime.fromisoformat(cleaned.removesuffix(" UTC"))
    except (ValueError, OverflowError):
        return None
    return micros(time) if time.tzinfo or cleaned.endswith(" UTC") else Local(micros(time))


def epoch_us(value: object) -> int | None:
    """Return an epoch of seconds, milliseconds, micro- or nanoseconds, told by its size."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    if not 0 < number < 1e20:  # noqa: PLR2004 - beyond any nanosecond; NaN too
        return None
    seconds = number
    while seconds > _LATEST_US / 1_000_000:
        seconds /= 1000
    return round(seconds * 1_000_000)


def bsd_us(text: str, near_us: int) -> int | None:
    """Return ``May  8 08:26:55`` in the latest year that is not a day after ``near_us``.

    RFC 3164 section 4.1.2. A year in the text ("May  8 2021 08:26:55") counts.
    """
    parts = _bsd_parts(text)
    if parts is None:
        return None
    year, month, day, second_of_day_us = parts
    near = _EPOCH + timedelta(microseconds=max(near_us, 0))
    # Four years back finds the 29th of February.
    years = (year,) if year else range(near.year + 1, near.year - 5, -1)
    for candidate in years:
        try:
            found = micros(datetime(candidate, month, day, tzinfo=UTC)) + second_of_day_us
        except ValueError:
            continue
        if year or found <= near_us + _DAY_US:
            return Local(found)
    return None


@lru_cache(maxsize=4096)
def _bsd_parts(text: str) -> tuple[int, int, int, int] | None:
    words = text.split()
    month = _MONTHS.get(words[0].lower()) if words else None
    if month is None or len(words) not in (3, 4):
        return None
    clock = clock_us(words[-1])
    numbers = words[1:-1]
    if clock is None or not all(n.isascii() and n.isdigit() and len(n) <= 4 for n in numbers):  # noqa: PLR2004
        return None
    year = int(numbers[1]) if len(numbers) > 1 else 0
    return year, month, int(numbers[0]), clock


def clock_us(text: str) -> int | None:
    """Return ``08:26:55`` or ``08:26:55.123`` as microseconds of the day."""
    try:
        hours, minutes, seconds = text.split(":")
        whole = (int(hours) * 60 + int(minutes)) * 60
        return round((whole + float(seconds)) * 1_000_000) if 0 <= whole < 86_400 else None  # noqa: PLR2004
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def web_us(text: str) -> int | None:
    """Return ``17/May/2015:10:05:03 +0000``, the time of common and combined access logs."""
    date, _, rest = text.partition(":")
    clock, _, zone = rest.partition(" ")
    try:
        day, month, year = date.split("/")
        iso = f"{int(year):04}-{_MONTHS[month.lower()]:02}-{int(day):02}T{clock}{zone}"
        time = datetime.fromisoformat(iso)
        return micros(time) if time.tzinfo else Local(micros(time))
    except (ValueError, KeyError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def apache_error_us(text: str) -> int | None:
    """Return ``Tue Feb 16 04:02:21.018764 2016``, the time of Apache's error log."""
    words = text.split()
    if len(words) != 5:  # noqa: PLR2004 - weekday, month, day, clock, year
        return None
    return bsd_us(f"{words[1]} {words[2]} {words[4]} {words[3]}", 0)
