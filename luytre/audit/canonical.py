"""One value, one text: JSON after RFC 8785, so that a digest means the same on every machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

INTEGER_MAX = 2**53 - 1
"""Beyond it RFC 8785's numbers (IEEE doubles) are not exact."""


def canonical(value: Any) -> bytes:
    """Return UTF-8 JSON with sorted keys and no spaces.

    A lone surrogate, which has no UTF-8, becomes the text of its escape: hostile input must not
    stop an entry.

    Raises:
        TypeError: for a float, an integer beyond 2^53, or what JSON does not have.
    """
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")).encode()


def stamp(moment: datetime) -> str:
    """Return a time as text in UTC, to the microsecond; texts sort as times do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            named = {_text(str(key)): _plain(item) for key, item in value.items()}
            # RFC 8785, section 3.2.3: by UTF-16 code units.
            return dict(sorted(named.items(), key=lambda pair: pair[0].encode("utf-16-be")))
        case set() | frozenset():
            return sorted(map(_plain, value))
        case list() | tuple():
            return [_plain(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return _text(value)
        case int() if abs(value) <= INTEGER_MAX:
            return int(value)
        case datetime():
            return stamp(value)
    raise TypeError(f"{value!r:.80} ({type(value).__name__}) has no exact JSON: give it as text")


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()
