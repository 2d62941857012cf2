"""Reads the indicators of STIX 2.1 bundles whose patterns name plain values joined by OR."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from enrich.files import UnusableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enrich.files import Notes, TableFile

# One alternative per token and no nested quantifiers: linear on any input.
_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[\[\](),=])"
    r"|'(?P<text>(?:[^'\\]|\\.)*)'"
    r"|(?P<path>[a-z0-9-]+:[A-Za-z0-9_.-]+(?:'[A-Za-z0-9-]+')?)"
    r"|(?P<word>[A-Za-z<>!]+))"
)
_ESCAPED = re.compile(r"\\(.)")
_PATTERN_CHARS_MAX = 256 * 1024

PATHS = {
    "ipv4-addr:value": "address",
    "ipv6-addr:value": "address",
    "domain-name:value": "domain",
    "url:value": "url",
    "file:hashes.md5": "hash",
    "file:hashes.sha1": "hash",
    "file:hashes.sha-1": "hash",
    "file:hashes.sha256": "hash",
    "file:hashes.sha-256": "hash",
}
"""Object paths that are joined, spelt without quotes and folded, and what they name."""


class UnsupportedPatternError(ValueError):
    """A pattern that says more than "one of these values"."""


class _Bundle(msgspec.Struct):
    objects: list[msgspec.Raw]
    type: str = ""


def parse_pattern(pattern: str) -> list[tuple[str, str]]:
    """Return (kind, value) for every value that a pattern names.

    Supported (STIX 2.1, section 9): ``[path = 'value']``, ``path IN ('a', 'b')``, ``path ISSUBSET
    'network'``, joined by OR inside or between brackets. AND, FOLLOWEDBY, qualifiers, NOT, LIKE,
    MATCHES and other paths raise ``UnsupportedPatternError``.
    """
    tokens = _tokens(pattern)
    values: list[tuple[str, str]] = []
    while True:
        _expect(tokens, "mark", "[")
        _observation(tokens, values)
        kind, token = next(tokens)
        if kind == "end":
            return values
        if (kind, token) != ("word", "OR"):
            raise UnsupportedPatternError(f"{token} is not supported")


def _observation(tokens: Iterator[tuple[str, str]], values: list[tuple[str, str]]) -> None:
    """Read comparisons joined by OR up to the closing bracket."""
    while True:
        kind, path = next(tokens)
        named = PATHS.get(path.replace("'", "").lower()) if kind == "path" else None
        if named is None:
            raise UnsupportedPatternError(f"{path} is not supported")
        values.extend((named, text) for text in _compared(tokens))
        kind, token = next(tokens)
        if (kind, token) == ("mark", "]"):
            return
        if (kind, token) != ("word", "OR"):
            raise UnsupportedPatternError(f"{token} is not supported")


def _compared(tokens: Iterator[tuple[str, str]]) -> list[str]:
    match next(tokens):
        case ("mark", "=") | ("word", "ISSUBSET"):
            return [_expect(tokens, "text")]
        case ("word", "IN"):
            _expect(tokens, "mark", "(")
            found = [_expect(tokens, "text")]
            while (token := next(tokens)) == ("mark", ","):
                found.append(_expect(tokens, "text"))
            if token != ("mark", ")"):
                raise UnsupportedPatternError("the set has no end")
            return found
        case (_, operator):
            raise UnsupportedPatternError(f"{operator} is not supported")


def _expect(tokens: Iterator[tuple[str, str]], kind: str, text: str | None = None) -> str:
    found, token = next(tokens)
    if found != kind or (text is not None and token != text):
        raise UnsupportedPatternError(f"{token} is not expected")
    return token


def _tokens(pattern: str) -> Iterator[tuple[str, str]]:
    if len(pattern) > _PATTERN_CHARS_MAX:
        raise UnsupportedPatternError(f"is longer than {_PATTERN_CHARS_MAX} characters")
    end = 0
    pattern = pattern.rstrip()
    while end < len(pattern):
        found = _TOKEN.match(pattern, end)
        if not found:
            raise UnsupportedPatternError(f"{pattern[end : end + 20]!r} is not supported")
        end = found.end()
        kind = str(found.lastgroup)
        text = found[kind]
        yield kind, _ESCAPED.sub(r"\1", text) if kind == "text" else text
    yield "end", "the end of the pattern"


def stix_indicators(file: TableFile, notes: Notes) -> Iterator[dict[str, Any]]:
    """Yield value, declared, name, confidence, valid_from, valid_until, provider of a bundle.

    One mapping per value; revoked indicators are left out. Raises ``UnusableError`` for no bundle.
    """
    try:
        raws = msgspec.json.decode(file.data, type=_Bundle).objects
        authors = {str(o.get("id")): o.get("name") for o in _objects(raws, "identity")}
        for item in _objects(raws, "indicator"):
            if item.get("revoked") is not True:
                yield from _values(file, item, authors, notes)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableError(f"{file.path}: is no STIX bundle: {error}") from error


def _objects(raws: list[msgspec.Raw], wanted: str) -> Iterator[dict[str, Any]]:
    # One at a time: a million decoded objects would take a gigabyte.
    for raw in raws:
        item = msgspec.json.decode(raw)
        if isinstance(item, dict) and item.get("type") == wanted:
            yield item


def _values(
    file: TableFile, item: dict[str, Any], authors: dict[str, Any], notes: Notes
) -> Iterator[dict[str, Any]]:
    try:
        values = parse_pattern(_stix_pattern(item))
    except UnsupportedPatternError as error:
        notes.add(line_of(file, str(item.get("id"))), f"{item.get('id')}: {error}")
        return
    kept = ("name", "confidence", "valid_from", "valid_until")
    shared = {key: str(item.get(key) or "") for key in kept}
    shared["confidence"] = str(item.get("confidence", ""))
    shared["provider"] = str(authors.get(str(item.get("created_by_ref"))) or "")
    for declared, value in values:
        yield {**shared, "value": value, "declared": declared}


def _stix_pattern(item: dict[str, Any]) -> str:
    pattern, language = item.get("pattern"), item.get("pattern_type", "stix")
    if language != "stix":
        raise UnsupportedPatternError(f"the pattern language {language} is not supported")
    if not isinstance(pattern, str):
        raise UnsupportedPatternError("has no pattern")
    return pattern


def line_of(file: TableFile, text: str) -> int:
    """Return the line where a text first stands: JSON decoders do not keep lines."""
    return file.data.count(b"\n", 0, max(file.data.find(text.encode()), 0)) + 1
