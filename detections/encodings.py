"""Sigma's encoding modifiers by the specification: every byte is one character, until base64.

pySigma 1.5 lacks ``utf16le``, writes the byte order mark of ``utf16`` in UTF-8, and refuses or
garbles what is not ASCII; its ``base64`` and ``base64offset`` encode the escapes of literal
wildcards, and count characters where they must count bytes.
"""

from __future__ import annotations

import codecs
from base64 import b64encode
from typing import TYPE_CHECKING, ClassVar

from sigma.exceptions import SigmaValueError
from sigma.modifiers import SigmaValueModifier
from sigma.types import SigmaCasedString, SigmaExpansion, SigmaString

if TYPE_CHECKING:
    from collections.abc import Sequence


class Utf16(SigmaValueModifier[SigmaString, SigmaString]):
    """Little-endian UTF-16; other ``codec`` and ``mark`` make the other kinds."""

    codec: ClassVar[str] = "utf-16le"
    mark: ClassVar[bytes] = b""

    def modify(self, val: SigmaString) -> SigmaString:
        """Return the value with a character for each byte of its UTF-16."""
        wide = type(val)()
        # Latin-1 is the one encoding in which byte and character are the same number.
        wide.s = [
            part.encode(self.codec).decode("latin-1") if isinstance(part, str) else part
            for part in val.s
        ]
        if self.mark:
            wide.s.insert(0, self.mark.decode("latin-1"))
        return wide._merge_strs()  # noqa: SLF001 - pySigma joins parts nowhere else


class Utf16BigEndian(Utf16):
    """Big-endian UTF-16."""

    codec = "utf-16be"


class Utf16Marked(Utf16):
    """Little-endian UTF-16 behind a byte order mark."""

    mark = codecs.BOM_UTF16_LE


class Base64(SigmaValueModifier[SigmaString, SigmaString]):
    """Base64 of the whole value."""

    def modify(self, val: SigmaString) -> SigmaString:
        """Return the encoded value."""
        return like(val, b64encode(_payload(val, self.applied_modifiers)).decode())


class Base64Offset(SigmaValueModifier[SigmaString, SigmaExpansion]):
    """What stands in a Base64 text for sure, for each of the three places a value may start at."""

    # How many characters at each end depend on the bytes around the value.
    start: ClassVar[tuple[int, ...]] = (0, 2, 3)
    end: ClassVar[tuple[int | None, ...]] = (None, -3, -2)

    def modify(self, val: SigmaString) -> SigmaExpansion:
        """Return the three encoded values."""
        data = _payload(val, self.applied_modifiers)
        return SigmaExpansion([like(val, self._shifted(data, shift)) for shift in range(3)])

    def _shifted(self, data: bytes, shift: int) -> str:
        encoded = b64encode(bytes(shift) + data).decode()
        return encoded[self.start[shift] : self.end[(len(data) + shift) % 3]]


def like(val: SigmaString, made: str | SigmaString) -> SigmaString:
    """Return what was made of a value, case-sensitive if the value is."""
    found = SigmaString(made) if isinstance(made, str) else made
    return SigmaCasedString.from_sigma_string(found) if isinstance(val, SigmaCasedString) else found


def _payload(value: SigmaString, applied: Sequence[type[object]]) -> bytes:
    if not all(isinstance(part, str) for part in value.s):
        raise SigmaValueError("wildcards and placeholders cannot be encoded in Base64")
    text = "".join(str(part) for part in value.s)
    wide = any(issubclass(modifier, Utf16) for modifier in applied)
    return text.encode("latin-1" if wide else "utf-8")
