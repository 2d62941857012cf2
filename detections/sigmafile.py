"""One YAML document read as a Sigma rule: the rule, or every fault with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sigma.rule import SigmaRule
from sigma.rule.detection import SigmaDetectionItem
from sigma.rule.logsource import SigmaLogSource
from sigma.types import (
    Placeholder,
    SigmaCasedString,
    SigmaNumber,
    SigmaQueryExpression,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
)

from detections.conditions import condition_faults
from detections.items import WrittenItem, built_items, leaves, searches, written_items
from detections.mappings import NOTHING, Adaptation, MappingError
from detections.modifiers import Cased, CasedFieldReference, recased
from detections.refusals import foreign, refusals, taxonomy_fault, too_large
from detections.regex import BadRegexError, compile_regex
from luytre.core.alert import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from luytre.core.errors import Fault
    from luytre.core.yamlfile import Document, Place

_KEYS = {"identifier": "id", "tag": "tags", "value": "tags"}
_REMEDIES = {
    "id": "make one with uuidgen",
    "level": f"use one of: {', '.join(LEVELS)}",
    "status": "use one of: stable, test, experimental, deprecated",
    "logsource": "give at least one of: product, category, service",
    "tags": "write each tag as namespace.name",
}
_SAID = {"Sigma rule must have a title": '"title" is missing'}
"""What pySigma says, as we say it."""
_BAD_REGEX = "the regex cannot be used"
_COSTLY = ("slow", "instructions", "too large")
_SOURCE = ("product", "category", "service")
_T = TypeVar("_T")


def read_rule(
    document: Document, adaptation: Adaptation = NOTHING
) -> tuple[SigmaRule | None, list[Fault]]:
    """Return the rule of a document as it is mapped, or None and all its faults, by line."""
    with adaptation.active():
        rule, faults = _read(document, mapped=adaptation.pipeline is not None)
        if rule is not None and adaptation.pipeline is not None:
            faults = _ordered(_mapped(document, rule, adaptation))
    return (None if faults else rule), faults


def _read(document: Document, *, mapped: bool) -> tuple[SigmaRule | None, list[Fault]]:
    faults = refusals(document, mapped=mapped)
    if _has_searches(document):
        faults += condition_faults(document)
        if large := too_large(document):
            return None, _ordered([*faults, *large])  # to build it once more would be the bomb
    if faults:
        return None, _merged(document, faults)
    rule, problem = _attempt(lambda: SigmaRule.from_dict(document.data, collect_errors=True))
    if rule is None or rule.errors:
        located = _merged(document, [])
        return None, located or [document.fault((), problem or str(rule and rule.errors[0]))]
    faults = _ordered(_built(document, rule, mapped=mapped))
    return (None if faults else rule), faults


def _has_searches(document: Document) -> bool:
    return isinstance(document.data, dict) and isinstance(document.data.get("detection"), dict)


def _attempt(build: Callable[[], _T]) -> tuple[_T | None, str]:
    """Return what pySigma builds, or what it says against it."""
    try:
        return build(), ""
    except Exception as error:  # noqa: BLE001 - on hostile input pySigma fails in every way
        return None, str(error).rstrip(".") or type(error).__name__


def _merged(document: Document, faults: list[Fault]) -> list[Fault]:
    """Return the faults and pySigma's, which is not asked about a line that has one."""
    lines = {fault.line for fault in faults} - {document.line(())}
    return _ordered([*faults, *(f for f in _located(document) if f.line not in lines)])


def _ordered(faults: Iterable[Fault]) -> list[Fault]:
    unique = {(fault.line, fault.problem): fault for fault in faults}
    return sorted(unique.values(), key=lambda fault: fault.line)


def _located(document: Document) -> Iterator[Fault]:
    """Yield pySigma's errors, each at the key that it is about, by building rules in pieces."""
    data = document.data
    if not isinstance(data, dict) or {"correlation", "filter", "action"} & data.keys():
        return
    yield from _header(document, data)
    if "logsource" not in data:
        yield document.fault(("logsource",), '"logsource" is missing', _REMEDIES["logsource"])
    elif not isinstance(data["logsource"], dict):
        yield document.fault(("logsource",), "the log source is not a map", _REMEDIES["logsource"])
    elif problem := _attempt(lambda: SigmaLogSource.from_dict(data["logsource"]))[1]:
        for place in _places(data, "logsource"):
            yield document.fault(place, problem, _REMEDIES["logsource"])
    if _has_searches(document):
        for place, definition in searches(data["detection"]):
            yield from _search(document, place, definition)


def _header(document: Document, data: dict[str, Any]) -> Iterator[Fault]:
    texts = data if isinstance(data.get("id"), str) else {**data, "id": None}
    common, problem = _attempt(
        lambda: SigmaRule.from_dict_common_params(texts, collect_errors=True)
    )
    for error in common[1] if common else ():
        key = type(error).__name__.removeprefix("Sigma").removesuffix("Error").lower()
        key = _KEYS.get(key, key)
        for place in _places(data, key):
            said = str(error).rstrip(".")
            yield document.fault(place, _SAID.get(said, said), _REMEDIES.get(key, ""))
    if common is None:
        yield document.fault((), problem)


def _places(data: dict[str, Any], key: str) -> list[Place]:
    """Return where exactly an error about a key of the rule is."""
    value = data.get(key)
    inner: list[Place] = []
    if key == "tags" and isinstance(value, list):
        inner = [(key, i) for i, tag in enumerate(value) if not _is_tag(tag)]
    elif key == "logsource" and isinstance(value, dict):
        inner = [(key, part) for part in _SOURCE if not isinstance(value.get(part), str | None)]
    return inner or [(key,)]


def _is_tag(tag: Any) -> bool:
    return isinstance(tag, str) and "." in tag


def _search(document: Document, place: Place, definition: Any) -> Iterator[Fault]:
    items = list(written_items(definition, place))
    if not items:
        yield document.fault(place, "the search is empty")
    for written in items:
        item, problem = _attempt(_builder(written))
        if item is None:
            yield document.fault(written.place, problem)
        else:
            yield from _item(document, written, item)


def _builder(written: WrittenItem) -> Callable[[], SigmaDetectionItem]:
    return lambda: SigmaDetectionItem.from_mapping(written.key, written.value)


def _mapped(document: Document, rule: SigmaRule, adaptation: Adaptation) -> Iterator[Fault]:
    """Change the rule as the deployment maps it, and yield the faults that it has then."""
    try:
        applied = adaptation.apply(rule)
    except MappingError as error:
        yield document.fault((), f"the mapping refuses it: {error}", "see rules.mappings")
        return
    if foreign(document.data) and not applied:
        yield taxonomy_fault(document)
    for name, detection in rule.detection.detections.items():
        built = list(built_items(detection))
        for item in (item for item in built if Cased in item.modifiers):
            item.value = list(map(recased, item.value))
        items = [(item, leaf) for item in built for value in item.value for leaf in leaves(value)]
        for problem, remedy in (_leaf(item, leaf) for item, leaf in items):
            if problem:
                yield document.fault(("detection", name), problem, remedy)


def _built(document: Document, rule: SigmaRule, *, mapped: bool) -> Iterator[Fault]:
    """Yield the faults of values that pySigma takes and we do not.

    A placeholder without values is left to the mapping, if there is one.
    """
    for fault in _every_item(document, rule, mapped=mapped):
        yield fault
        if fault.problem.startswith(_BAD_REGEX) and any(word in fault.problem for word in _COSTLY):
            return  # it took 40 ms to find that out, and there may be a hundred of them


def _every_item(document: Document, rule: SigmaRule, *, mapped: bool) -> Iterator[Fault]:
    for place, definition in searches(document.data["detection"]):
        built = built_items(rule.detection.detections[str(place[-1])])
        for written, item in zip(written_items(definition, place), built, strict=True):
            yield from _item(document, written, item, mapped=mapped)


def _item(
    document: Document, written: WrittenItem, item: SigmaDetectionItem, *, mapped: bool = False
) -> Iterator[Fault]:
    for (place, _), value in zip(written.values(), item.value, strict=True):
        for leaf in leaves(value):
            if mapped and _placeholder(leaf):
                continue
            problem, remedy = _leaf(item, leaf)
            if problem:
                yield document.fault(place, problem, remedy)


def _leaf(item: SigmaDetectionItem, value: SigmaType) -> tuple[str, str]:
    placeholder = _placeholder(value)
    if placeholder:
        remedy = "give them: rules.placeholders in the configuration"
        return f"the placeholder %{placeholder}% has no values here", remedy
    if isinstance(value, SigmaQueryExpression):
        return "a query of another engine cannot be evaluated", "map the placeholder to values"
    if isinstance(value, SigmaRegularExpression) and (problem := _bad_regex(value)):
        slow = "use smaller counts, or repeat no groups"
        remedy = slow if "slow" in problem else "RE2 syntax has no look-around"
        return f"{_BAD_REGEX}: {problem}", remedy
    keyword = SigmaString | SigmaRegularExpression | SigmaNumber
    time = isinstance(value, SigmaTimestampPart)
    if item.field is None and (time or not isinstance(value, keyword)):
        return f"{type(value).__name__.removeprefix('Sigma')} cannot be a keyword", "name a field"
    if Cased in item.modifiers and not isinstance(
        value, SigmaCasedString | CasedFieldReference | SigmaNumber
    ):
        return '"cased" is lost on the modifiers after it', 'put "cased" last'
    return "", ""


def _placeholder(value: SigmaType) -> str:
    text = value.regexp if isinstance(value, SigmaRegularExpression) else value
    parts = text.s if isinstance(text, SigmaString) else []
    return next((part.name for part in parts if isinstance(part, Placeholder)), "")


def _bad_regex(value: SigmaRegularExpression) -> str:
    flags = value.flags
    try:
        compile_regex(
            str(value.regexp),
            ignore_case=SigmaRegularExpressionFlag.IGNORECASE in flags,
            multiline=SigmaRegularExpressionFlag.MULTILINE in flags,
            dotall=SigmaRegularExpressionFlag.DOTALL in flags,
        )
    except BadRegexError as error:
        return str(error)
    return ""
