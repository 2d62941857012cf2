"""Texts that must stand in whatever a regex matches: read off its syntax, or none at all."""

from __future__ import annotations

from string import punctuation

import re2

_COUNT = re2.compile(r"\{\d+(?:,\d*)?\}")
_CLASSES = frozenset("dDwWsSbBAzafnrtv")


class _UncertainError(Exception):
    """The syntax is more than this module reads."""


def required_literals(pattern: str, flags: str) -> list[str]:
    """Return texts of which each stands in every match; case may differ if ``i`` is a flag.

    Only the outermost level is read: a group or a set ends a text, and where anything is
    uncertain (an alternative at that level, a flag inside the pattern) there are no texts.
    """
    if "(?" in pattern.replace("(?:", ""):
        return []
    try:
        return _texts(pattern, ignore_case="i" in flags)
    except (_UncertainError, IndexError):
        return []


def _texts(pattern: str, *, ignore_case: bool) -> list[str]:
    texts, current, at = [], "", 0
    while at < len(pattern):
        literal, at = _item(pattern, at)
        # RE2 also takes U+017F for an s, and our folding does not.
        if ignore_case and (literal in ("s", "S") or not literal.isascii()):
            literal = ""
        quantifier, at = _quantifier(pattern, at)
        if quantifier in ("", "+"):
            current += literal
        if not literal or quantifier:
            texts.append(current)
            current = ""
    return [text for text in [*texts, current] if text]


def _item(pattern: str, at: int) -> tuple[str, int]:
    """Return the character that one item stands for ("" for any other item), and its end."""
    match pattern[at]:
        case "\\":
            escaped = pattern[at + 1]
            if escaped not in punctuation and escaped not in _CLASSES:
                raise _UncertainError
            return escaped if escaped in punctuation else "", at + 2
        case "[":
            return "", _set_end(pattern, at)
        case "(":
            return "", _group_end(pattern, at)
        case "." | "^" | "$":
            return "", at + 1
        case "|" | ")" | "*" | "+" | "?" | "{":
            raise _UncertainError
    return pattern[at], at + 1


def _quantifier(pattern: str, at: int) -> tuple[str, int]:
    sign = pattern[at : at + 1]
    if sign not in ("*", "+", "?", "{"):
        return "", at
    end = at + 1
    if sign == "{":
        count = _COUNT.match(pattern[at:])
        if count is None:
            raise _UncertainError
        end = at + count.end()
    return sign, end + (pattern[end : end + 1] == "?")


def _set_end(pattern: str, at: int) -> int:
    at += 1
    at += pattern[at] == "^"
    at += pattern[at] == "]"
    while pattern[at] != "]":
        if pattern.startswith("[:", at):
            at = pattern.index(":]", at) + 1 if ":]" in pattern[at:] else at
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def _group_end(pattern: str, at: int) -> int:
    depth = 0
    while True:
        match pattern[at]:
            case "\\":
                at += 2
                continue
            case "[":
                at = _set_end(pattern, at)
                continue
            case "(":
                depth += 1
            case ")":
                depth -= 1
        at += 1
        if depth == 0:
            return at
