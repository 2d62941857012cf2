"""Checkpoints and keys as C2SP writes them (tlog-checkpoint, signed-note), read strictly."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519 = b"\x01"
KEY_ID_BYTES, KEY_BYTES, HASH_BYTES = 4, 32, 32
NOTE = re.compile(
    r"(?P<text>(?P<origin>[^\n]+)\n(?P<size>0|[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n)\n"
    r"(?P<signatures>(?:\u2014 [^\s+]+ [A-Za-z0-9+/=]+\n)+)"
)
KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)")


class Unreadable(ValueError):  # noqa: N818 - named for what it is
    """A text is not what it should be."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the name it signs under."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        material = self.name.encode() + b"\n" + ED25519 + self.public
        return hashlib.sha256(material).digest()[:KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class Note:
    """A signed checkpoint; its signatures are not checked yet."""

    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[tuple[str, bytes], ...]

    def is_signed_by(self, key: Key) -> bool:
        """Tell whether one of the signatures is the key's and right."""
        public = Ed25519PublicKey.from_public_bytes(key.public)
        for name, data in self.signatures:
            if name != key.name or data[:KEY_ID_BYTES] != key.id:
                continue
            try:
                public.verify(data[KEY_ID_BYTES:], self.text.encode())
            except InvalidSignature:
                continue
            return True
        return False


def read_note(text: str) -> Note:
    """Return the signed checkpoint that a text is. Raises ``Unreadable``."""
    found = NOTE.fullmatch(text)
    if not found:
        raise Unreadable("is no signed checkpoint")
    lines = [line[2:].split(" ") for line in found["signatures"].splitlines()]
    signatures = tuple((name, _bytes(data)) for name, data in lines)
    root = _bytes(found["root"])
    return Note(found["origin"], int(found["size"]), root, found["text"], signatures)


def find_note(text: str) -> Note:
    """Return the first signed checkpoint inside a page. Raises ``Unreadable``."""
    found = NOTE.search(text.replace("\r\n", "\n"))
    if not found:
        raise Unreadable("holds no signed checkpoint")
    return read_note(found[0])


def read_key(text: str) -> Key:
    """Return the key that a text is. Raises ``Unreadable``."""
    found = KEY.fullmatch(text.strip())
    data = _bytes(found[3]) if found else b""
    if not found or data[:1] != ED25519 or len(data) != 1 + KEY_BYTES:
        raise Unreadable("is no Ed25519 verifier key")
    key = Key(found[1], data[1:])
    if key.id.hex() != found[2]:
        raise Unreadable("is a key whose id is not its own")
    return key


def find_key(text: str) -> Key:
    """Return the first key inside a page. Raises ``Unreadable``."""
    found = KEY.search(text)
    if not found:
        raise Unreadable("holds no verifier key")
    return read_key(found[0])


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Unreadable("has a part that is not base64") from None
    # Other texts decode to the same bytes: bits behind the last byte are ignored.
    if base64.b64encode(data).decode() != text:
        raise Unreadable("has a part that is not written as base64 is")
    return data
