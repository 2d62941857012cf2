"""What is refused in a rule before pySigma reads it: limits, typing errors, what it would misread.

pySigma stops at its first error, knows no lines, and takes without a word what it then ignores or
expands without bound; so all that can be seen in the plain data is said here.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from detections.items import WrittenItem, searches, written_items
from detections.modifiers import DASH, DASHES, MODIFIERS, PLACEHOLDERS
from detections.regex import LENGTH_MAX
from detections.times import RANGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.core.errors import Fault
    from luytre.core.yamlfile import Document

NAME_MAX = 128
MODIFIERS_MAX = 8
EXPANDED_MAX = 2**20
REGEXES_MAX, REGEX_CHARACTERS_MAX, QUESTIONS_MAX = 100, 16_384, 1_000
"""Of one rule: what has to be counted through before it is used. SigmaHQ has 19 and 144."""
TAXONOMIES = ("sigma", "ecs")
"""The rules' names for fields that the parts of events know: Sigma's own, and our columns'."""

_ENCODERS = frozenset({"wide", "utf16le", "utf16be", "utf16", "base64", "base64offset"})
_GROWTH = {"base64": 1.4, "base64offset": 4.1, "wide": 2, "utf16le": 2, "utf16be": 2, "utf16": 2}
_EXACT_INT_MAX = 2**53
RESERVED = frozenset({"not", "and", "or"})
"""The words of conditions that cannot name a search as well."""
_NO_RULES = (("action", "is no part of Sigma 2", "write each rule out"),)
_QUOTE = "write it in quotes"
_WRONG: dict[type, tuple[str, str]] = {
    type(None): ("empty", "leave the key out"),
    list: ("a list", "write a rule for each"),
}


def refusals(document: Document, *, mapped: bool = False) -> list[Fault]:
    """Return every fault that the plain data of a rule shows.

    ``mapped`` rules may have a taxonomy that a mapping knows.
    """
    data = document.data
    if not isinstance(data, dict):
        return [document.fault((), "is not a Sigma rule", "a rule is a map: title, logsource, ...")]
    for kind, problem, remedy in _NO_RULES:
        if kind in data:
            return [document.fault((kind,), f'"{kind}" {problem}', remedy)]
    faults = list(_header(document, mapped=mapped))
    detection = data.get("detection")
    if not isinstance(detection, dict):
        where = "is not a map" if "detection" in data else "is missing"
        return [*faults, document.fault(("detection",), f'"detection" {where}')]
    faults += _names(document, detection)
    for place, definition in searches(detection):
        for item in written_items(definition, place):
            faults += _key(document, item)
            faults += _values(document, item)
    return faults


def too_large(document: Document) -> list[Fault]:
    """Return faults if a ``detection`` is so large that building it would take seconds.

    Modifiers may multiply its values without bound, and regexes and question marks take time.
    """
    return [*_expands_too_far(document), *_too_many(document)]


def _too_many(document: Document) -> Iterator[Fault]:
    regexes = characters = questions = 0
    for place, definition in searches(document.data["detection"]):
        for item in written_items(definition, place):
            texts = [value for _, value in item.values() if isinstance(value, str)]
            if "re" in item.modifiers:
                regexes += len(texts)
                characters += sum(map(len, texts))
            else:
                questions += sum(text.count("?") for text in texts)
    if regexes > REGEXES_MAX or characters > REGEX_CHARACTERS_MAX:
        limits = f"{REGEXES_MAX} regexes or {REGEX_CHARACTERS_MAX:,} characters of them"
        problem = f"the rule has more than {limits}"
        yield document.fault(("detection",), problem, "write several rules")
    if questions > QUESTIONS_MAX:
        problem = f'the rule has more than {QUESTIONS_MAX:,} wildcards "?"'
        yield document.fault(("detection",), problem, 'use "*", or write several rules')


def _expands_too_far(document: Document) -> Iterator[Fault]:
    size = sum(
        _expanded(item)
        for place, definition in searches(document.data["detection"])
        for item in written_items(definition, place)
    )
    if size > EXPANDED_MAX:
        problem = f"the values expand to more than {EXPANDED_MAX} characters"
        yield document.fault(("detection",), problem, "use fewer or shorter values")


def _header(document: Document, *, mapped: bool) -> Iterator[Fault]:
    data = document.data
    if not isinstance(data.get("id"), str | None):
        yield document.fault(("id",), "the id is not text", "use a UUID in quotes")
    if not mapped and foreign(data):
        yield taxonomy_fault(document)
    yield from _log_source(document)
    yield from _tags(document)
    if data.get("status") == "unsupported":
        yield document.fault(("status",), 'the rule says of itself that it is "unsupported"')


def _log_source(document: Document) -> Iterator[Fault]:
    source = document.data.get("logsource")
    for key in ("product", "category", "service"):
        if isinstance(source, dict) and key in source and not isinstance(source[key], str):
            wrong, remedy = _WRONG.get(type(source[key]), ("not text", _QUOTE))
            problem = f'the "{key}" of the log source is {wrong}'
            yield document.fault(("logsource", key), problem, remedy)


def _tags(document: Document) -> Iterator[Fault]:
    tags = document.data.get("tags")
    for index, tag in enumerate(tags if isinstance(tags, list) else ()):
        if not isinstance(tag, str) or "." not in tag:
            problem = f"the tag {tag!r:.60} has no namespace"
            yield document.fault(("tags", index), problem, "write it as namespace.name")


def foreign(data: dict[Any, Any]) -> bool:
    """Tell whether a rule has a taxonomy that only a mapping can make ours."""
    return data.get("taxonomy", "sigma") not in TAXONOMIES


def taxonomy_fault(document: Document) -> Fault:
    """Return the fault of a taxonomy that nothing here knows."""
    problem = f'the taxonomy "{document.data["taxonomy"]}" is not known'
    remedy = f"use one of: {', '.join(TAXONOMIES)}; or map it: rules.mappings"
    return document.fault(("taxonomy",), problem, remedy)


def _names(document: Document, detection: dict[Any, Any]) -> Iterator[Fault]:
    for name in detection:
        place = ("detection", name if isinstance(name, str | int) else str(name))
        if not isinstance(name, str):
            yield document.fault(place, f"the name {name!r} is not text", _QUOTE)
        elif len(name) > NAME_MAX:
            yield document.fault(place, f"the name is longer than {NAME_MAX} characters")
        elif name in RESERVED:
            yield document.fault(place, f'no search can be called "{name}"', "rename it")
        elif name == "timeframe":
            yield document.fault(
                place, '"timeframe" is no part of a rule since Sigma 2', "write a correlation"
            )


def _key(document: Document, item: WrittenItem) -> Iterator[Fault]:
    if not isinstance(item.key, str | None):
        yield document.fault(item.place, f"the field {item.key!r} is not text", _QUOTE)
        return
    modifiers = item.modifiers
    for modifier in dict.fromkeys(modifiers):
        if modifier not in MODIFIERS:
            close = difflib.get_close_matches(modifier, MODIFIERS, 1)
            remedy = f'did you mean "{close[0]}"?' if close else ""
            yield document.fault(item.place, f'unknown modifier "{modifier[:NAME_MAX]}"', remedy)
        if modifiers.count(modifier) > 1:
            yield document.fault(item.place, f'the modifier "{modifier}" is there twice')
    if len(modifiers) > MODIFIERS_MAX:
        yield document.fault(item.place, f"has more than {MODIFIERS_MAX} modifiers")
    if "windash" in modifiers and _ENCODERS & set(modifiers[: modifiers.index("windash")]):
        yield document.fault(item.place, '"windash" cannot follow an encoding', "put it first")


def _values(document: Document, item: WrittenItem) -> Iterator[Fault]:
    if item.value == []:
        yield document.fault(item.place, "has no values", "write null for an empty field")
    for place, value in item.values():
        problem, remedy = _value(item, value)
        if problem:
            yield document.fault(place, problem, remedy)


def _value(item: WrittenItem, value: Any) -> tuple[str, str]:
    if "re" in item.modifiers:
        return _regex(value)
    parts = RANGES.keys() & set(item.modifiers)
    return _time(parts.pop(), value) if parts else _plain(item, value)


def _plain(item: WrittenItem, value: Any) -> tuple[str, str]:
    match value:
        case "" if _ENCODERS & set(item.modifiers):
            return "an empty value cannot be encoded", ""
        case bool() if item.keyword:
            return "true and false cannot be keywords", _QUOTE
        case int() if not _exact(value):
            return f"whole numbers beyond {_EXACT_INT_MAX} are not compared exactly", _QUOTE
        case str() | int() | float() | None:
            return "", ""
    return f"a {type(value).__name__} cannot be a value", "use a text, a number, or a list of these"


def _regex(value: Any) -> tuple[str, str]:
    if not isinstance(value, str):
        return "the regex is not text", _QUOTE
    # Python's own re reads it first, which is not made for hostile patterns.
    return (f"is longer than {LENGTH_MAX} characters", "") if len(value) > LENGTH_MAX else ("", "")


def _time(part: str, value: Any) -> tuple[str, str]:
    least, most = RANGES[part]
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return "", ""
    return f"{value!r:.40} is no {part}", f"use a whole number from {least} to {most}"


def _exact(value: int) -> bool:
    # pySigma keeps numbers as floats where it can.
    if abs(value) <= _EXACT_INT_MAX:
        return True
    return value.bit_length() < 1024 and int(float(value)) == value  # noqa: PLR2004 - binary64


def _expanded(item: WrittenItem) -> float:
    growth = 1.0
    for modifier in item.modifiers:
        growth *= _GROWTH.get(modifier, 1)
    expand, windash = "expand" in item.modifiers, "windash" in item.modifiers
    size = 0.0
    for _, value in item.values():
        if isinstance(value, str):
            count, length, dashes = _filled(value) if expand else (1.0, len(value), 0)
            dashes = dashes + len(DASH.findall(value)) if windash else 0
            size += count * length * growth * len(DASHES) ** min(dashes, 20)
    return size


def _filled(value: str) -> tuple[float, int, int]:
    """Return how many values placeholders make of one, and the length and dashes of the longest."""
    count, length, dashes = 1.0, len(value), 0
    for name, values in PLACEHOLDERS.get({}).items():
        times = value.count(f"%{name}%")
        count *= float(max(1, len(values))) ** min(times, 100)
        length += times * max(map(len, values), default=0)
        dashes += times * max((len(DASH.findall(each)) for each in values), default=0)
    return count, length, dashes
