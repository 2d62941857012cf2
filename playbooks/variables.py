"""Variables of playbooks: what each type allows, where they are named, and their values put in."""

from __future__ import annotations

import ipaddress
import math
import re
import uuid
from typing import TYPE_CHECKING, Any

from playbooks.model import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

VALUE_CHARACTERS_MAX = 65_536
REFERENCE = re.compile(rf"({VARIABLE.pattern}):value")
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}")


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _parses(read: Callable[[str], object]) -> Callable[[str], bool]:
    def test(value: str) -> bool:
        try:
            read(value)
        except ValueError:
            return False
        return True

    return test


def _address(version: int) -> Callable[[str], bool]:
    # CACAO 10.18: one address, or a range in CIDR notation.
    return _parses(
        ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network  # noqa: PLR2004
    )


_TESTS: dict[str, Callable[[str], bool]] = {
    "bool": _matches(r"(?i)true|false"),
    "integer": _matches(r"[+-]?\d{1,10}"),
    "long": _matches(r"[+-]?\d{1,19}"),
    "float": lambda value: _parses(float)(value) and math.isfinite(float(value)),
    "hexstring": _matches(r"[0-9a-fA-F]*"),
    "ipv4-addr": _address(4),
    "ipv6-addr": _address(6),
    "mac-addr": lambda value: _MAC.fullmatch(value) is not None,
    "md5-hash": _matches(r"[0-9a-fA-F]{32}"),
    "sha256-hash": _matches(r"[0-9a-fA-F]{64}"),
    "hash": _matches(r"[0-9a-fA-F]{32,128}"),
    "uri": _matches(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f]+"),
    "uuid": _parses(uuid.UUID),
}


def misfit(kind: str, value: object) -> str:
    """Return why a value cannot be of a variable's type; empty if it can.

    Types that CACAO's open vocabulary does not have hold any text.
    """
    if value is None or isinstance(value, dict):
        return "" if value is None or kind in {"dictionary", "string"} else "is no text"
    if not isinstance(value, str):
        return "is no text"
    if len(value) > VALUE_CHARACTERS_MAX:
        return f"is longer than {VALUE_CHARACTERS_MAX} characters"
    test = _TESTS.get(kind)
    # An empty text is "known to be empty" (10.18), which every type may be.
    return "" if not value or test is None or test(value) else f"is no {kind}"


def references(value: Any) -> Iterator[str]:
    """Yield the names of variables that a text, or the texts inside a value, use."""
    if isinstance(value, str):
        for found in REFERENCE.finditer(value):
            yield found[1]
    elif isinstance(value, dict):
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def filled(value: Any, values: Mapping[str, str | None]) -> Any:
    """Return a value with every ``__name__:value`` replaced, once: what is put in is only text."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda found: values.get(found[1]) or "", value)
    if isinstance(value, dict):
        return {key: filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, values) for inner in value]
    return value
