"""JSON of hostile origin: read as far as it can be read, refused with a reason otherwise.

What JSON forbids but a shipper may still send is mended, so that nobody escapes detection by it:
bytes that are not UTF-8 and lone surrogates become U+FFFD, raw control characters stay as they
are, NaN and Infinity are their names, the last of two equal keys wins.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ingest.decode.layout import Unreadable

_INT_DIGITS_MAX = 4000  # Python refuses to convert longer ones
_DEPTH_MAX = 90  # real events stay below 15; deeper ones would overrun the stack of later stages
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def load_json(raw: bytes) -> Any:
    """Return the decoded value. Raises ``Unreadable``."""
    try:
        value = msgspec.json.decode(raw)
    except DECODE_ERRORS:
        value = _load_leniently(raw)
    if may_be_deep(raw) and _is_deep(value):
        raise Unreadable(f"is JSON nested deeper than {_DEPTH_MAX}")
    return value


def may_be_deep(raw: bytes) -> bool:
    """Tell whether JSON text has brackets enough to be nested too deeply."""
    # To count costs 0.4 us a KiB, to find nothing a tenth of it; flat events have no lists.
    lists = raw.count(b"[") if b"[" in raw else 0
    return lists + raw.count(b"{") > _DEPTH_MAX


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEPTH_MAX):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def load_object(raw: bytes) -> dict[str, Any]:
    """Return the decoded object. Raises ``Unreadable``, for other JSON values too."""
    value = load_json(raw)
    if not isinstance(value, dict):
        raise Unreadable(f"is JSON but not an object: {type(value).__name__}")
    return value


def _load_leniently(raw: bytes) -> Any:
    text = raw.decode("utf-8-sig", "replace")
    try:
        return _mend(json.loads(text, strict=False, parse_int=_integer))
    except RecursionError:
        raise Unreadable("is not JSON: nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"is not JSON: {error}") from None


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _INT_DIGITS_MAX else digits


def _mend(value: Any) -> Any:
    """Replace lone surrogates, which no text may hold."""
    match value:
        case str():
            if value.isascii():
                return value
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_mend(key): _mend(inner) for key, inner in value.items()}
        case list():
            return [_mend(inner) for inner in value]
    return value
