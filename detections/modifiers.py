"""Sigma's modifiers where pySigma 1.5 lacks them or differs from the specification.

* ``utf16le`` is missing there, ``utf16`` writes its byte order mark in UTF-8, and both refuse or
  garble what is not ASCII: here every byte of UTF-16 is one character, until base64 packs them.
* ``base64`` and ``base64offset`` encode the escapes of literal wildcards, and count characters
  where they must count bytes.
* ``cased`` is lost on the way to ``fieldref``.
"""

from __future__ import annotations

import codecs
from base64 import b64encode
from typing import TYPE_CHECKING, ClassVar

from sigma.exceptions import SigmaValueError
from sigma.modifiers import SigmaFieldReferenceModifier, SigmaValueModifier, modifier_mapping
from sigma.types import SigmaCasedString, SigmaExpansion, SigmaFieldReference, SigmaString

if TYPE_CHECKING:
    from collections.abc import Sequence


class CasedFieldReference(SigmaFieldReference):
    """A field reference whose two sides are compared without folding."""


class _Utf16(SigmaValueModifier[SigmaString, SigmaString]):
    codec: ClassVar[str] = "utf-16le"
    mark: ClassVar[bytes] = b""

    def modify(self, val: SigmaString) -> SigmaString:
        wide = SigmaString()
        # Latin-1 is the one encoding in which byte and character are the same number.
        wide.s = [
            part.encode(self.codec).decode("latin-1") if isinstance(part, str) else part
            for part in val.s
        ]
        if self.mark:
            wide.s.insert(0, self.mark.decode("latin-1"))
        return wide._merge_strs()  # noqa: SLF001 - pySigma joins parts nowhere else


class _Utf16BigEndian(_Utf16):
    codec = "utf-16be"


class _Utf16Marked(_Utf16):
    mark = codecs.BOM_UTF16_LE


def _payload(value: SigmaString, applied: Sequence[type[object]]) -> bytes:
    if not all(isinstance(part, str) for part in value.s):
        raise SigmaValueError("wildcards and placeholders cannot be encoded in Base64")
    text = "".join(str(part) for part in value.s)
    wide = any(issubclass(modifier, _Utf16) for modifier in applied)
    return text.encode("latin-1" if wide else "utf-8")


class _Base64(SigmaValueModifier[SigmaString, SigmaString]):
    def modify(self, val: SigmaString) -> SigmaString:
        return SigmaString(b64encode(_payload(val, self.applied_modifiers)).decode())


class _Base64Offset(SigmaValueModifier[SigmaString, SigmaExpansion]):
    # How many characters at each end depend on the bytes around the value.
    start: ClassVar[tuple[int, ...]] = (0, 2, 3)
    end: ClassVar[tuple[int | None, ...]] = (None, -3, -2)

    def modify(self, val: SigmaString) -> SigmaExpansion:
        data = _payload(val, self.applied_modifiers)
        return SigmaExpansion([SigmaString(self._shifted(data, shift)) for shift in range(3)])

    def _shifted(self, data: bytes, shift: int) -> str:
        encoded = b64encode(bytes(shift) + data).decode()
        return encoded[self.start[shift] : self.end[(len(data) + shift) % 3]]


class _FieldReference(SigmaFieldReferenceModifier):
    def modify(self, val: SigmaString) -> SigmaFieldReference:
        reference = super().modify(val)
        if isinstance(val, SigmaCasedString):
            return CasedFieldReference(reference.field)
        return reference


# pySigma looks modifiers up in this one dictionary and has no other way in.
modifier_mapping.update(
    {
        "wide": _Utf16,
        "utf16le": _Utf16,
        "utf16be": _Utf16BigEndian,
        "utf16": _Utf16Marked,
        "base64": _Base64,
        "base64offset": _Base64Offset,
        "fieldref": _FieldReference,
    }
)
MODIFIERS: frozenset[str] = frozenset(modifier_mapping)
"""The names of all modifiers."""
