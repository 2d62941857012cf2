"""The condition of a correlation: comparisons, or a boolean expression over its rules.

Source: Sigma Correlation Rules Specification 2.1.0, section "Condition"; expressions over rule
names are pySigma's extended temporal conditions.
"""

from __future__ import annotations

import difflib
import math
import re
from typing import TYPE_CHECKING, Any

from detections.correlation import (
    OPERATORS,
    TEMPORAL,
    VALUED,
    Absent,
    Bound,
    Condition,
    Either,
    Every,
    Expression,
    Present,
    Type,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.errors import Fault
    from luytre.core.yamlfile import Document, Place

EXPRESSION_MAX = 4_096
NESTED_MAX = 32
FIELDS_MAX = 8
_PLACE = ("correlation", "condition")
_TOKEN = re.compile(r"\s*([()]|[^\s()]+)")
_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "=", "neq": "!="}
_COUNTED: frozenset[Type] = TEMPORAL.union(("event_count", "value_count"))


class ExpressionError(ValueError):
    """An expression that cannot be read: why."""


def read_condition(
    document: Document, kind: Type, rules: Sequence[str]
) -> tuple[Condition | None, list[Fault]]:
    """Return the condition of a correlation over ``rules``, or None and every fault."""
    written = document.data["correlation"].get("condition")
    if written is None and kind in TEMPORAL:
        return Condition("all rules", (Bound("gte", len(rules)),)), []
    if isinstance(written, str):
        return _expression(document, kind, written, rules)
    if not isinstance(written, dict):
        where = "is missing" if written is None else "is no map of comparisons"
        return None, [document.fault(_PLACE, f'"condition" {where}', "write condition: {gte: 10}")]
    faults = [*_unknown(document, written), *_operators(document, kind, written, len(rules))]
    fields, problems = _fields(document, kind, written)
    faults += problems
    percentile, problems = _percentile(document, kind, written)
    faults += problems
    if faults:
        return None, faults
    bounds = tuple(Bound(op, written[op]) for op in OPERATORS if op in written)
    text = " and ".join(f"{_SIGNS[bound.operator]} {bound.limit:g}" for bound in bounds)
    return Condition(text, bounds, fields, percentile), []


def names_in(text: str) -> list[str]:
    """Return the rules that an expression names, in order, each once."""
    words = [found[1] for found in _TOKEN.finditer(text[:EXPRESSION_MAX])]
    return list(dict.fromkeys(w for w in words if w not in ("and", "or", "not", "(", ")")))


def _unknown(document: Document, written: dict[Any, Any]) -> list[Fault]:
    known = [*OPERATORS, "field", "percentile"]
    faults = []
    for key in written:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            remedy = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
            place: Place = (*_PLACE, key if isinstance(key, str | int) else str(key))
            faults.append(document.fault(place, f'unknown condition "{key}"', remedy))
    return faults


def _operators(document: Document, kind: Type, written: dict[Any, Any], rules: int) -> list[Fault]:
    given = [op for op in OPERATORS if op in written]
    if not given:
        remedy = f"give one of: {', '.join(OPERATORS)}"
        return [document.fault(_PLACE, "the condition compares with nothing", remedy)]
    faults = []
    for op in given:
        problem, remedy = _limit(kind, op, written[op], rules)
        if problem:
            faults.append(document.fault((*_PLACE, op), f'"{op}" {problem}', remedy))
    return faults


def _limit(kind: Type, operator: str, value: Any, rules: int) -> tuple[str, str]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "is not a number", f"write {operator}: 10"
    if kind in _COUNTED and (value != int(value) or value < 0):
        return "is not a count", "use a whole number, 0 or more"
    least = {"gt": value + 1, "gte": value, "eq": value}.get(operator, 0)
    if kind in TEMPORAL and least > rules:
        return f"can never hold: the correlation has {rules} rules", f"use at most {rules}"
    return "", ""


def _fields(
    document: Document, kind: Type, written: dict[Any, Any]
) -> tuple[tuple[str, ...], list[Fault]]:
    value = written.get("field")
    place = (*_PLACE, "field")
    if kind not in VALUED:
        remedy = "remove it, or use the type value_count"
        problem = f'"field" means nothing to {kind}'
        return (), [] if value is None else [document.fault(place, problem, remedy)]
    fields = [value] if isinstance(value, str) else value
    if not isinstance(fields, list) or not fields or not all(f and _text(f) for f in fields):
        problem = f'{kind} needs a "field" in its condition'
        return (), [document.fault(place, problem, "name the field whose values are taken")]
    if len(fields) > (FIELDS_MAX if kind == "value_count" else 1):
        return (), [document.fault(place, f"{kind} takes no {len(fields)} fields", "name one")]
    return tuple(fields), []


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _percentile(
    document: Document, kind: Type, written: dict[Any, Any]
) -> tuple[float | None, list[Fault]]:
    value = written.get("percentile")
    place = (*_PLACE, "percentile")
    if value is None:
        return None, []
    if kind != "value_percentile":
        return None, [document.fault(place, f'"percentile" means nothing to {kind}', "remove it")]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= 100:  # noqa: PLR2004 - percent
        return None, [document.fault(place, '"percentile" is no number from 0 to 100')]
    return value, []


def _expression(
    document: Document, kind: Type, text: str, rules: Sequence[str]
) -> tuple[Condition | None, list[Fault]]:
    if kind not in TEMPORAL:
        problem = f"{kind} takes no expression over rules"
        return None, [document.fault(_PLACE, problem, "write comparisons, as {gte: 10}")]
    try:
        tree = parse_expression(text, rules)
    except ExpressionError as error:
        return None, [document.fault(_PLACE, f"the condition cannot be read: {error}")]
    unused = [name for name in rules if name not in names_in(text)]
    if unused:
        problem = f"the condition does not name {', '.join(unused)}"
        return None, [document.fault(_PLACE, problem, "name every rule, or list fewer")]
    return Condition(" ".join(text.split()), expression=tree), []


def parse_expression(text: str, rules: Sequence[str]) -> Expression:
    """Return the tree of an expression; "not" binds tighter than "and", and that than "or".

    Raises:
        ExpressionError: saying what is wrong.
    """
    if len(text) > EXPRESSION_MAX:
        raise ExpressionError(f"it is longer than {EXPRESSION_MAX} characters")
    reader = _Reader([found[1] for found in _TOKEN.finditer(text)], rules)
    tree = reader.either(0)
    if reader.tokens:
        raise ExpressionError(f'"{reader.tokens[0]:.80}" is one too many')
    return tree


class _Reader:
    """Reads tokens from the left, one method for each level of the grammar."""

    def __init__(self, tokens: list[str], rules: Sequence[str]) -> None:
        self.tokens, self._places = tokens, {name: place for place, name in enumerate(rules)}

    def either(self, depth: int) -> Expression:
        parts = [self._every(depth)]
        while self._takes("or"):
            parts.append(self._every(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _every(self, depth: int) -> Expression:
        parts = [self._one(depth)]
        while self._takes("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _one(self, depth: int) -> Expression:
        if depth > NESTED_MAX:
            raise ExpressionError(f"it is nested deeper than {NESTED_MAX}")
        if self._takes("not"):
            return Absent(self._one(depth + 1))
        if self._takes("("):
            inner = self.either(depth + 1)
            if not self._takes(")"):
                raise ExpressionError('a ")" is missing')
            return inner
        if not self.tokens:
            raise ExpressionError("it ends too early")
        name = self.tokens.pop(0)
        if name not in self._places:
            near = difflib.get_close_matches(name, self._places, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise ExpressionError(f'"{name:.80}" is none of its rules{hint}')
        return Present(self._places[name])

    def _takes(self, token: str) -> bool:
        taken = bool(self.tokens) and self.tokens[0] == token
        if taken:
            self.tokens.pop(0)
        return taken
