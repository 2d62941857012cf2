"""A rule's tree of conditions, made from pySigma's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigma import types as st
from sigma.conditions import ConditionAND, ConditionIdentifier, ConditionNOT, ConditionOR
from sigma.conditions import ConditionSelector as Selector
from sigma.exceptions import SigmaError
from sigma.rule.detection import SigmaDetection, SigmaDetectionItem

from detections.modifiers import CasedFieldReference
from detections.tree import ANY, ONE, And, Atom, Leaf, Node, Not, Or, UnsupportedRuleError, escaped
from luytre.core.cells import scalar

if TYPE_CHECKING:
    from typing import Any

    from sigma.rule import SigmaRule

    from detections.tree import Operation
    from luytre.core.yamlfile import Place

_COMPARISONS: dict[st.CompareOperators, Operation] = {
    st.CompareOperators.GT: "gt",
    st.CompareOperators.GTE: "gte",
    st.CompareOperators.LT: "lt",
    st.CompareOperators.LTE: "lte",
}
_TIME_PARTS = {part: part.name.lower() for part in st.TimestampPart}
_REGEX_FLAGS = {
    st.SigmaRegularExpressionFlag.IGNORECASE: "i",
    st.SigmaRegularExpressionFlag.MULTILINE: "m",
    st.SigmaRegularExpressionFlag.DOTALL: "s",
}


def parse_rule(rule: SigmaRule) -> Node:
    """Return the rule's tree. Raises ``UnsupportedRuleError``.

    Several conditions are alternatives (Sigma specification 2.1, "Condition").
    """
    conditions = rule.detection.parsed_condition
    nodes = []
    for index, condition in enumerate(conditions):
        place: Place = ("detection", "condition", index)
        try:
            parsed = condition.parse(postprocess=False)
        except SigmaError as error:
            raise UnsupportedRuleError(place, f"the condition is no Sigma: {error}") from error
        nodes.append(_condition(parsed, rule, place))
    return _joined(Or, nodes)


def _condition(node: Any, rule: SigmaRule, place: Place) -> Node:
    # pySigma's own post-processing would forget the names of the selections.
    match node:
        case ConditionAND() | ConditionOR():
            parts = [_condition(arg, rule, place) for arg in node.args]
            return _joined(And if isinstance(node, ConditionAND) else Or, parts)
        case ConditionNOT():
            return Not(_condition(node.args[0], rule, place))
        case Selector():
            names = [i.identifier for i in node.resolve_referenced_detections(rule.detection)]
            if not names:
                raise UnsupportedRuleError(place, f'no selection is called "{node.pattern}"')
            parts = [_selection(name, rule, place) for name in names]
            return _joined(And if node.cond_class is ConditionAND else Or, parts)
        case ConditionIdentifier():
            return _selection(node.identifier, rule, place)
    raise UnsupportedRuleError(place, f"{type(node).__name__} in the condition is unknown")


def parse_selection(rule: SigmaRule, name: str) -> Node:
    """Return the tree of one search of a rule. Raises ``UnsupportedRuleError``."""
    return _selection(name, rule, ("detection", name))


def _selection(name: str, rule: SigmaRule, place: Place) -> Node:
    detection = rule.detection.detections.get(name)
    if detection is None:
        raise UnsupportedRuleError(place, f'no selection is called "{name}"')
    return _detection(detection, name)


def _detection(detection: SigmaDetection | SigmaDetectionItem, name: str) -> Node:
    if isinstance(detection, SigmaDetectionItem):
        return _item(detection, name)
    parts = [_detection(item, name) for item in detection.detection_items]
    return _joined(And if detection.item_linking is ConditionAND else Or, parts)


def _item(item: SigmaDetectionItem, name: str) -> Node:
    # A field with an empty list of values is Sigma's older way to write null.
    values = item.value or [st.SigmaNull()]
    parts = [_value(item.field, value, name) for value in values]
    node = _joined(And if item.value_linking is ConditionAND else Or, parts)
    return Not(node) if item.negated else node


def _value(field: str | None, value: Any, name: str) -> Node:
    if isinstance(value, st.SigmaExpansion):
        return _joined(Or, [_value(field, inner, name) for inner in value.values])
    place: Place = ("detection", name)
    atom = _text(field, value, place) or _scalar(field, value)
    if atom is None and field is not None:
        atom = _of_field(field, value)
    if atom is None:
        where = "a keyword" if field is None else f'the field "{field}"'
        raise UnsupportedRuleError(place, f"{type(value).__name__} on {where} is not supported")
    return Leaf(atom, name)


def _text(field: str | None, value: Any, place: Place) -> Atom | None:
    if not isinstance(value, st.SigmaString | st.SigmaRegularExpression):
        return None
    if value.contains_placeholder():
        remedy = "replace it by its values"
        raise UnsupportedRuleError(place, f'the placeholder in "{value!s}" has no value', remedy)
    if isinstance(value, st.SigmaRegularExpression):
        flags = "".join(sorted(_REGEX_FLAGS[flag] for flag in value.flags))
        return Atom(field, "regex", str(value.regexp), cased=True, flags=flags)
    tokens = _tokens(value, anywhere=field is None)
    operation, pattern = _shape(tokens)
    return Atom(field, operation, pattern, cased=isinstance(value, st.SigmaCasedString))


def _tokens(value: st.SigmaString, *, anywhere: bool) -> list[str | st.SpecialChars]:
    """Return the string's parts: texts merged, runs of ``*`` made one."""
    many = st.SpecialChars.WILDCARD_MULTI
    tokens: list[Any] = []
    for part in [many, *value.s, many] if anywhere else value.s:
        if part == "" or (part is many and tokens[-1:] == [many]):
            continue
        if isinstance(part, str) and tokens and isinstance(tokens[-1], str):
            tokens[-1] += part
        else:
            tokens.append(part)
    return tokens


def _shape(tokens: list[str | st.SpecialChars]) -> tuple[Operation, str]:
    """Return the plainest operation that says the same, and its pattern."""
    many = st.SpecialChars.WILDCARD_MULTI
    match tokens:
        case []:
            return "equals", ""
        case [str(text)]:
            return "equals", text
        case [str(text), st.SpecialChars.WILDCARD_MULTI]:
            return "startswith", text
        case [st.SpecialChars.WILDCARD_MULTI, str(text)]:
            return "endswith", text
        case [st.SpecialChars.WILDCARD_MULTI, str(text), st.SpecialChars.WILDCARD_MULTI]:
            return "contains", text
    signs = [(ANY if t is many else ONE) if not isinstance(t, str) else escaped(t) for t in tokens]
    return "like", "".join(signs)


def _scalar(field: str | None, value: Any) -> Atom | None:
    match value:
        case st.SigmaTimestampPart():
            return None if field is None else _compared(field, value, "equals")
        case st.SigmaNumber():
            return Atom(field, "number", scalar(value.number))
        case st.SigmaBool() if field is not None:
            return Atom(field, "boolean", scalar(value.boolean))
    return None


def _compared(field: str, value: st.SigmaNumber, comparison: Operation) -> Atom:
    pattern = scalar(value.number)
    if isinstance(value, st.SigmaTimestampPart):
        flags = f"{_TIME_PARTS[value.timestamp_part]} {comparison}"
        return Atom(field, "time", pattern, flags=flags)
    return Atom(field, comparison, pattern)


def _of_field(field: str, value: Any) -> Atom | None:
    match value:
        case st.SigmaNull():
            return Atom(field, "null")
        case st.SigmaExists():
            return Atom(field, "exists", scalar(value.exists))
        case st.SigmaCIDRExpression():
            return Atom(field, "cidr", str(value.network))
        case st.SigmaCompareExpression() if value.op in _COMPARISONS:
            return _compared(field, value.number, _COMPARISONS[value.op])
        case st.SigmaFieldReference():
            how = {(True, True): "contains", (True, False): "startswith", (False, True): "endswith"}
            flags = how.get((value.starts_with, value.ends_with), "equals")
            cased = isinstance(value, CasedFieldReference)
            return Atom(field, "fieldref", value.field, cased=cased, flags=flags)
    return None


def _joined(kind: type[And | Or], parts: list[Node]) -> Node:
    """Return one node for many, flat and without repetition."""
    flat: dict[Node, None] = {}
    for part in parts:
        inner = part.parts if isinstance(part, kind) else (part,)
        flat.update(dict.fromkeys(inner))
    if not flat:
        raise UnsupportedRuleError(("detection",), "a selection is empty")
    return next(iter(flat)) if len(flat) == 1 else kind(tuple(flat))
