"""Sigma's durations: a number and a unit."""

from __future__ import annotations

import re

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "M": 2_629_746}
_TIMESPAN = re.compile(r"([0-9]{1,9})([smhdwM])")


def seconds_of(value: object) -> int | None:
    """Return the seconds of a duration as rules write it (15m); None if it cannot be read."""
    found = _TIMESPAN.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) * _UNITS_S[found[2]] if found else None


def lasting(seconds: int) -> str:
    """Return a duration as rules write it, in its largest whole unit."""
    units = [(unit, size) for unit, size in _UNITS_S.items() if unit in "smhd"]
    unit, size = next((u, n) for u, n in reversed(units) if seconds % n == 0)
    return f"{seconds // size}{unit}"
