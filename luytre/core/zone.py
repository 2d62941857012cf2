"""The zone of log times that do not say theirs: an IANA name, or a fixed offset."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache

_OFFSET = re.compile(r"([+-])(\d\d):?([0-5]\d)")
_NAME = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,2}")
_UTC = frozenset({"", "UTC", "Z"})
_REMEDY = "name one as Asia/Ho_Chi_Minh, or give an offset as +07:00"


@lru_cache(maxsize=64)
def parse_zone(text: str) -> tzinfo:
    """Return the zone that ``text`` names; UTC if it is empty.

    Names are those of the machine's time zone database, which a small container may lack; an
    offset always works, but knows no summer time. Raises ``ValueError``.
    """
    if text in _UTC:
        return UTC
    if found := _OFFSET.fullmatch(text):
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        if offset < timedelta(days=1):
            return timezone(-offset if found[1] == "-" else offset)
    unknown = f'no time zone is named "{text[:40]}" here'
    if not _NAME.fullmatch(text):
        raise ValueError(unknown)
    try:
        return zoneinfo.ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        # Not found, damaged, or a folder as "Asia": what can be said is the same.
        raise ValueError(unknown) from None


def check_zone(text: object) -> str:
    """Return ``text`` if it names a zone. Raises ``ValueError`` with what mends it."""
    if not isinstance(text, str):
        # YAML 1.1 counts in sixties: +10:00 is 600.
        raise ValueError(f"{text} is no time zone: YAML takes an offset for a number, so quote it")  # noqa: TRY004 - as pydantic wants it
    try:
        parse_zone(text)
    except ValueError as error:
        raise ValueError(f"{error}; {_remedy(text)}") from None
    return text


def _remedy(text: str) -> str:
    known = zoneinfo.available_timezones()
    if not known:
        return "this machine has no time zone database (Debian: tzdata): give an offset as +07:00"
    near = difflib.get_close_matches(text, known, 1)
    return f'did you mean "{near[0]}"?' if near else _REMEDY
