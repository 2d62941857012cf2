"""Sigma's modifiers where pySigma 1.5 lacks them or differs from the specification.

* ``contains``, ``startswith``, and ``endswith`` take numbers too, as generic modifiers must.
* ``cased`` outlives every modifier after it, and reaches ``fieldref`` from either side.
* ``windash`` changes all five dashes into each other, not only the two of ASCII.
* ``expand`` puts in the values that the configuration gives.
* The encodings are those of ``detections.encodings``.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sigma.exceptions import SigmaTypeError
from sigma.modifiers import (
    SigmaContainsModifier,
    SigmaEndswithModifier,
    SigmaFieldReferenceModifier,
    SigmaStartswithModifier,
    SigmaValueModifier,
    modifier_mapping,
    reverse_modifier_mapping,
)
from sigma.types import (
    Placeholder,
    SigmaCasedString,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
    special_char_mapping,
)

from detections.encodings import Base64, Base64Offset, Utf16, Utf16BigEndian, Utf16Marked, like
from luytre.core.cells import scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DASHES = ("-", "/", "\N{EN DASH}", "\N{EM DASH}", "\N{HORIZONTAL BAR}")
DASH = re.compile(rf"\B[{''.join(DASHES)}]\b")
"""A dash that begins a word, as pySigma has it; within a word it is no flag's."""
_DASH_MARK = "_windash"

PLACEHOLDERS: ContextVar[Mapping[str, tuple[str, ...]]] = ContextVar("placeholders")
"""The values of placeholders while rules are loaded: pySigma hands modifiers nothing else."""

_Searched = SigmaString | SigmaRegularExpression | SigmaFieldReference | SigmaNumber


class CasedFieldReference(SigmaFieldReference):
    """A field reference whose two sides are compared without folding."""


def _text(value: Any, applied: Sequence[type[object]]) -> Any:
    """Return a number as the text that it is; anything else as it is."""
    if isinstance(value, SigmaTimestampPart):
        raise SigmaTypeError("a part of a time is no text")
    if not isinstance(value, SigmaNumber):
        return value
    text = SigmaString(scalar(value.number))
    return recased(text) if Cased in applied else text


class _Contains(SigmaContainsModifier):
    def modify(self, val: _Searched) -> Any:
        return super().modify(_text(val, self.applied_modifiers))


class _Startswith(SigmaStartswithModifier):
    def modify(self, val: _Searched) -> Any:
        return super().modify(_text(val, self.applied_modifiers))


class _Endswith(SigmaEndswithModifier):
    def modify(self, val: _Searched) -> Any:
        return super().modify(_text(val, self.applied_modifiers))


_POSITIONS = frozenset({_Contains, _Startswith, _Endswith})


class Cased(SigmaValueModifier[Any, Any]):
    """Case counts. Numbers have none and stay numbers."""

    def modify(self, val: SigmaString | SigmaFieldReference | SigmaNumber) -> Any:
        """Return the value, marked."""
        return recased(val)


def recased(value: Any) -> Any:
    """Return a value for which case counts, as pipelines forget it; numbers as they are."""
    match value:
        case SigmaExpansion():
            return SigmaExpansion(list(map(recased, value.values)))
        case SigmaString():
            return SigmaCasedString.from_sigma_string(value)
        case SigmaFieldReference():
            return CasedFieldReference(value.field, value.starts_with, value.ends_with)
    return value


class _FieldReference(SigmaFieldReferenceModifier):
    def modify(self, val: SigmaString) -> SigmaFieldReference:
        applied = {modifier for modifier in self.applied_modifiers if modifier in _POSITIONS}
        plain = type(val)()
        plain.s = [part for part in val.s if not (applied and isinstance(part, SpecialChars))]
        reference = super().modify(plain)
        reference.starts_with = not applied.isdisjoint((_Contains, _Startswith))
        reference.ends_with = not applied.isdisjoint((_Contains, _Endswith))
        cased: SigmaFieldReference = recased(reference)
        return cased if isinstance(val, SigmaCasedString) else reference


class _WindowsDash(SigmaValueModifier[SigmaString, SigmaExpansion]):
    def modify(self, val: SigmaString) -> SigmaExpansion:
        marked = val.replace_with_placeholder(DASH, _DASH_MARK)
        return SigmaExpansion([like(val, each) for each in marked.replace_placeholders(_dashes)])


def _dashes(placeholder: Placeholder) -> Iterator[str | Placeholder]:
    if placeholder.name == _DASH_MARK:
        yield from DASHES
    else:
        yield placeholder


class _Expand(SigmaValueModifier[Any, Any]):
    def modify(self, val: SigmaString | SigmaRegularExpression) -> Any:
        if isinstance(val, SigmaRegularExpression):
            return _expanded_regex(val.insert_placeholders())
        found = [like(val, e) for e in val.insert_placeholders().replace_placeholders(_values)]
        return found[0] if len(found) == 1 else SigmaExpansion(list(found))


def _values(placeholder: Placeholder) -> Iterator[SigmaString | Placeholder]:
    values = PLACEHOLDERS.get({}).get(placeholder.name)
    if not values:
        yield placeholder  # which is refused later, unless a mapping fills it in
    else:
        yield from map(SigmaString, values)


def _expanded_regex(value: SigmaRegularExpression) -> SigmaRegularExpression:
    """Return a regex with what each value of a placeholder means, wildcards and all."""
    parts: list[str] = []
    for part in value.regexp.s:
        match part:
            case Placeholder():
                values = PLACEHOLDERS.get({}).get(part.name)
                if not values:
                    return value
                meant = (str(SigmaString(text).to_regex().regexp) for text in values)
                parts.append(f"(?:{'|'.join(meant)})")
            case SpecialChars():
                parts.append(special_char_mapping[part])
            case _:
                parts.append(part)
    return SigmaRegularExpression("".join(parts), value.flags)


_OURS: dict[str, type[SigmaValueModifier[Any, Any]]] = {
    "contains": _Contains,
    "startswith": _Startswith,
    "endswith": _Endswith,
    "cased": Cased,
    "fieldref": _FieldReference,
    "windash": _WindowsDash,
    "expand": _Expand,
    "wide": Utf16,
    "utf16le": Utf16,
    "utf16be": Utf16BigEndian,
    "utf16": Utf16Marked,
    "base64": Base64,
    "base64offset": Base64Offset,
}
# pySigma looks modifiers up in these dictionaries and has no other way in.
modifier_mapping.update(_OURS)
reverse_modifier_mapping.update({made.__name__: name for name, made in _OURS.items()})
MODIFIERS: frozenset[str] = frozenset(modifier_mapping)
"""The names of all modifiers."""
