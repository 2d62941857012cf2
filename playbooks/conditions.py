"""Conditions of if and while steps: comparisons of variables, in STIX's patterning grammar.

What is read: ``__name__:value`` or a literal (``'text'``, ``12``, ``true``) on either side of
``= != < <= > >= IN LIKE ISSUBSET``, joined by ``AND OR NOT`` and brackets. ``MATCHES`` is refused:
a playbook has no need of regular expressions over hostile text.
"""

from __future__ import annotations

import ipaddress
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONDITION_CHARACTERS_MAX = 4096
DEPTH_MAX = 20

Value = str | float | bool | None
Test = "Callable[[Mapping[str, str | None]], bool]"

_TOKEN = re.compile(
    r"\s*(?:(?P<variable>__[A-Za-z][A-Za-z0-9_-]*?__):value"
    r"|(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>-?\d{1,18}(?:\.\d{1,18})?)"
    r"|(?P<sign>!=|<=|>=|=|<|>|\(|\)|,)|(?P<word>[A-Za-z]+))"
)
_KEYWORDS = {"AND", "OR", "NOT", "IN", "LIKE", "ISSUBSET", "TRUE", "FALSE", "MATCHES"}


class ConditionError(ValueError):
    """A condition that cannot be read, and why."""


def read_condition(text: str) -> Callable[[Mapping[str, str | None]], bool]:
    """Return a test over the values of variables; raises ``ConditionError``."""
    if len(text) > CONDITION_CHARACTERS_MAX:
        raise ConditionError(f"is longer than {CONDITION_CHARACTERS_MAX} characters")
    parser = _Parser(_tokens(text))
    test = parser.either()
    if parser.left():
        raise ConditionError(f"cannot be read from {parser.left()!r} on")
    return test


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise ConditionError(f"cannot be read from {text[at : at + 20]!r} on")
        kind, value = found.lastgroup, found[found.lastgroup]
        if kind == "word":
            value = value.upper()
            if value not in _KEYWORDS:
                raise ConditionError(f"the word {found['word']!r} is not known")
        tokens.append((kind, value))
        at = found.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def left(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, *values: str) -> str:
        if self._at < len(self._tokens):
            kind, value = self._tokens[self._at]
            if kind in {"word", "sign"} and value in values:
                self._at += 1
                return value
        return ""

    def either(self) -> Callable[[Mapping[str, str | None]], bool]:
        tests = [self._both()]
        while self._take("OR"):
            tests.append(self._both())
        return lambda values: any(test(values) for test in tests)

    def _both(self) -> Callable[[Mapping[str, str | None]], bool]:
        tests = [self._single()]
        while self._take("AND"):
            tests.append(self._single())
        return lambda values: all(test(values) for test in tests)

    def _single(self) -> Callable[[Mapping[str, str | None]], bool]:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise ConditionError(f"is deeper than {DEPTH_MAX}")
        try:
            if self._take("NOT"):
                inner = self._single()
                return lambda values: not inner(values)
            if self._take("("):
                grouped = self.either()
                if not self._take(")"):
                    raise ConditionError("a bracket is not closed")
                return grouped
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Callable[[Mapping[str, str | None]], bool]:
        left = self._operand()
        sign = self._take("=", "!=", "<", "<=", ">", ">=", "IN", "LIKE", "ISSUBSET")
        if not sign:
            raise ConditionError("a comparison (= != < > IN LIKE ISSUBSET) is missing")
        if sign == "IN":
            options = self._options()
            return lambda values: any(_equal(left(values), o(values)) for o in options)
        right = self._operand()
        compare = _COMPARE[sign]
        return lambda values: compare(left(values), right(values))

    def _options(self) -> list[Callable[[Mapping[str, str | None]], Value]]:
        if not self._take("("):
            raise ConditionError("IN needs values in brackets")
        options = [self._operand()]
        while self._take(","):
            options.append(self._operand())
        if not self._take(")"):
            raise ConditionError("a bracket is not closed")
        return options

    def _operand(self) -> Callable[[Mapping[str, str | None]], Value]:
        kind, value = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "its end")
        self._at += 1
        constant: Value
        match kind:
            case "variable":
                return lambda values: values.get(value)
            case "text":
                constant = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
            case "number":
                constant = float(value)
            case "word" if value in {"TRUE", "FALSE"}:
                constant = value == "TRUE"
            case _:
                raise ConditionError(f"a value is missing before {value!r}")
        return lambda _values: constant


def _alike(left: Value, right: Value) -> tuple[Value, Value]:
    """Read text as the other side's type, as CACAO's variables are all text."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, bool) and isinstance(other, str):
            return one, other.strip().lower() in {"true", "1", "yes"}
        if isinstance(one, float) and not isinstance(one, bool) and isinstance(other, str):
            number = _number(other)
            return (left, number) if one is left else (number, right)
    return left, right


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _equal(left: Value, right: Value) -> bool:
    one, other = _alike(left, right)
    return one is not None and one == other


def _ordered(left: Value, right: Value, compare: Callable[[float, float], bool]) -> bool:
    numbers = [_number(str(v)) if v is not None else None for v in _alike(left, right)]
    one, other = numbers
    return one is not None and other is not None and compare(one, other)


def _like(left: Value, right: Value) -> bool:
    if left is None or right is None:
        return False
    # STIX's LIKE has SQL's signs; the glob's own are taken literally.
    glob = re.sub(r"([\[\]*?])", r"[\1]", str(right)).replace("%", "*").replace("_", "?")
    return fnmatchcase(str(left), glob)


def _is_subset(left: Value, right: Value) -> bool:
    try:
        inner = ipaddress.ip_network(str(left), strict=False)
        outer = ipaddress.ip_network(str(right), strict=False)
    except ValueError:
        return False
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


_COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "=": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": lambda left, right: _ordered(left, right, lambda a, b: a < b),
    "<=": lambda left, right: _ordered(left, right, lambda a, b: a <= b),
    ">": lambda left, right: _ordered(left, right, lambda a, b: a > b),
    ">=": lambda left, right: _ordered(left, right, lambda a, b: a >= b),
    "LIKE": _like,
    "ISSUBSET": _is_subset,
}
