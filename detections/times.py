"""The moment that a text of a log names, and its parts: for the time modifiers.

A time is ISO 8601 in its long form, or a Unix epoch since 2001-09-09 of 10 digits (seconds, maybe
with a fraction), 13, 16, or 19 (thousandths and so on). Without a zone it is taken for UTC, and all
parts are those of UTC (Sigma specification 2.1, "Time Modifiers", converts no zones).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LENGTH_MIN, LENGTH_MAX = 10, 64
# Python's own, for speed on short texts; nothing in them repeats without a bound.
_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?"
    r"(?:[Zz]| UTC|([+-]\d{2})(?::?(\d{2}))?)?)?",
    re.ASCII,
)
_EPOCH = re.compile(r"[1-9](?:\d{9}(?:\.\d{1,9})?|\d{12}|\d{15}|\d{18})", re.ASCII)
_HOURS, _MINUTES = 24, 60

PARTS: Mapping[str, Callable[[datetime], int]] = {
    "minute": lambda moment: moment.minute,
    "hour": lambda moment: moment.hour,
    "day": lambda moment: moment.day,
    "week": lambda moment: moment.isocalendar().week,
    "month": lambda moment: moment.month,
    "year": lambda moment: moment.year,
}
"""What each time modifier takes of a moment; a week is that of ISO 8601, 1 to 53."""

RANGES: Mapping[str, tuple[int, int]] = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "week": (1, 53),
    "month": (1, 12),
    "year": (1, 9999),
}
"""The numbers that a part can be."""


def moment(text: str) -> datetime | None:
    """Return the moment that a text names, to the second and in UTC; None for any other text."""
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX or not text.isascii():
        return None
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    found = _ISO.fullmatch(text)
    if not found:
        return None
    *numbers, zone_hours, zone_minutes = found.groups()
    year, month, day, hour, minute, second = (int(each or 0) for each in numbers)
    east = timedelta(hours=int(zone_hours or 0)) if zone_hours else timedelta()
    if zone_minutes:
        minutes = timedelta(minutes=int(zone_minutes))
        east += -minutes if zone_hours.startswith("-") else minutes
    if abs(int(zone_hours or 0)) >= _HOURS or int(zone_minutes or 0) >= _MINUTES:
        return None
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC) - east
    except (ValueError, OverflowError):
        return None
