"""What is refused in a rule's conditions, with line: their grammar and the names they use."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pyparsing import Keyword, Word, alphanums, infix_notation, opAssoc
from sigma import conditions as grammar
from sigma.conditions import (
    ConditionAND,
    ConditionIdentifier,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionSelector,
    SigmaCondition,
)
from sigma.rule.detection import EmptySigmaDetections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from luytre.core.errors import Fault
    from luytre.core.yamlfile import Document, Place

CONDITION_MAX = 4096
NESTING_MAX = 60
STARS_MAX = 3
"""pySigma turns a name's stars into a backtracking regex: each multiplies its time by the name."""

_SHOUTED = re.compile(r"\b(?:AND|OR|NOT|OF|THEM|ALL|ANY)\b")
_SIGNS = alphanums + "*_-"


def _grammar() -> Any:
    """Return pySigma's grammar, but with words that end where a name ends.

    Its own reads ``notes`` as ``not es`` and takes no hyphen in patterns.
    """
    word = {sign: Keyword(sign, ident_chars=_SIGNS) for sign in ("not", "and", "or", "of")}
    quantifier = Keyword("1", _SIGNS) | Keyword("any", _SIGNS) | Keyword("all", _SIGNS)
    selector = quantifier + word["of"] + Word(_SIGNS)
    selector.set_parse_action(ConditionSelector.from_parsed)
    return infix_notation(  # type: ignore[no-untyped-call]
        selector | grammar.identifier,
        [
            (word["not"], 1, opAssoc.RIGHT, ConditionNOT.from_parsed),
            (word["and"], 2, opAssoc.LEFT, ConditionAND.from_parsed),
            (word["or"], 2, opAssoc.LEFT, ConditionOR.from_parsed),
        ],
    )


grammar.condition = _grammar()


def condition_faults(document: Document) -> Iterator[Fault]:
    """Yield the faults of the conditions of a document whose ``detection`` is a map."""
    detection = document.data["detection"]
    if "condition" not in detection or detection["condition"] in (None, [], ""):
        yield document.fault(("detection",), "there is no condition", "add one: selection")
        return
    names = [name for name in detection if isinstance(name, str) and name != "condition"]
    if not names:
        yield document.fault(("detection",), "there is no search to put a condition on")
    conditions = detection["condition"]
    place: Place = ("detection", "condition")
    if not isinstance(conditions, list):
        yield from _condition(document, place, conditions, names)
        return
    for index, condition in enumerate(conditions):
        yield from _condition(document, (*place, index), condition, names)


def _condition(
    document: Document, place: Place, text: Any, names: Sequence[str]
) -> Iterator[Fault]:
    if not isinstance(text, str):
        yield document.fault(place, "the condition is not text")
        return
    if len(text) > CONDITION_MAX or text.count("(") + text.count("not") > NESTING_MAX:
        problem = f"has over {CONDITION_MAX} characters or {NESTING_MAX} brackets and nots"
        yield document.fault(place, f"the condition {problem}")
        return
    try:
        used = _used(text)
    except Exception as error:  # noqa: BLE001 - pySigma and pyparsing fail in many ways
        yield document.fault(place, *_no_condition(text, error))
        return
    for name, pattern in used:
        if pattern:
            yield from (document.fault(place, *why) for why in _selector(name, names))
        elif name not in names:
            yield document.fault(place, f'no search is called "{name}"', _close(name, names))


def _no_condition(text: str, error: Exception) -> tuple[str, str]:
    """Say why a condition cannot be read, and what would mend it."""
    if "|" in text:
        return 'the condition counts with "|", as Sigma 1 did', "write a correlation"
    shouted = _SHOUTED.findall(text)
    remedy = f'write "{shouted[0].lower()}" in small letters' if shouted else ""
    return f"the condition is not Sigma: {error}", remedy


@lru_cache(4096)
def _used(text: str) -> tuple[tuple[str, bool], ...]:
    """Return the names and patterns of a condition (most rules share a few hundred)."""
    tree = SigmaCondition(text, EmptySigmaDetections()).parse(postprocess=False)
    return tuple(dict.fromkeys(_mentioned(tree)))


def _mentioned(node: Any) -> Iterator[tuple[str, bool]]:
    match node:
        case ConditionIdentifier():
            yield node.identifier, False
        case ConditionSelector():
            yield node.pattern, True
        case ConditionItem():
            for inner in node.args:
                yield from _mentioned(inner)


def _selector(pattern: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    if pattern.count("*") > STARS_MAX:
        yield f'"{pattern}" has more than {STARS_MAX} stars', ""
    elif not any(_meets(pattern, name) for name in names):
        yield f'no search meets "{pattern}"', _close(pattern.strip("*"), names)


def _meets(pattern: str, name: str) -> bool:
    """Tell whether ``1 of pattern`` means the search ``name``."""
    if name.startswith("_") and not pattern.startswith("_"):
        return False
    if pattern == "them":
        return True
    first, *middle = pattern.split("*")
    if not middle:
        return name == pattern
    *middle, last = middle
    if not name.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - at >= len(last) and name.endswith(last)


def _close(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, 1, cutoff=0.5)
    return f'did you mean "{close[0]}"?' if close else ""
