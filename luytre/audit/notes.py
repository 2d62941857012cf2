"""Checkpoints as C2SP writes them: tlog-checkpoint in a signed-note, signed with Ed25519.

https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note: tools of others can read them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

ED25519 = b"\x01"
DASH = "\N{EM DASH} "
HASH_BYTES, KEY_BYTES, KEY_ID_BYTES = 32, 32, 4
SIZE_MAX = 10**18 - 1


class NoteError(ValueError):
    """A text is no checkpoint, or no key."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and the name it signs under: ``name+id+base64(type and key)``."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        material = self.name.encode() + b"\n" + ED25519 + self.public
        return hashlib.sha256(material).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_encoded(ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key that a text names. Raises ``NoteError``."""
        name, _, rest = text.strip().partition("+")
        key_id, _, material = rest.partition("+")
        data = _decoded(material)
        if not _is_name(name) or data[:1] != ED25519 or len(data) != 1 + KEY_BYTES:
            raise NoteError("is no Ed25519 verifier key")
        key = cls(name, data[1:])
        if key.id.hex() != key_id:
            raise NoteError("the key's id is not that of its name and bytes")
        return key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: so many entries, this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{_encoded(self.root)}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """A line below a note's text."""

    name: str
    key_id: bytes
    data: bytes

    @property
    def line(self) -> str:
        return f"{DASH}{self.name} {_encoded(self.key_id + self.data)}\n"


def sign(checkpoint: Checkpoint, name: str, key: Ed25519PrivateKey) -> Signature:
    """Return the signature of a checkpoint under ``name``."""
    public = VerifierKey(name, key.public_key().public_bytes_raw())
    return Signature(name, public.id, key.sign(checkpoint.text.encode()))


def note(checkpoint: Checkpoint, *signatures: Signature) -> str:
    """Return the signed note."""
    return checkpoint.text + "\n" + "".join(signature.line for signature in signatures)


def parse_note(text: str) -> tuple[Checkpoint, tuple[Signature, ...]]:
    """Return a note's checkpoint and its signatures, none of them checked yet.

    Raises:
        NoteError: unless the text is exactly what ``note`` would write.
    """
    body, blank, lines = text.partition("\n\n")
    fields = body.split("\n")
    if not blank or len(fields) != 3:  # noqa: PLR2004 - origin, size, root
        raise NoteError("is no checkpoint of three lines")
    origin, size, root = fields
    if not size.isdecimal() or not size.isascii() or int(size) > SIZE_MAX:
        raise NoteError("has no size")
    checkpoint = Checkpoint(origin, int(size), _decoded(root))
    signatures = tuple(map(_signature, lines.splitlines()))
    if len(checkpoint.root) != HASH_BYTES or not signatures:
        raise NoteError("has no root or no signature")
    if note(checkpoint, *signatures) != text:
        raise NoteError("is not written as a checkpoint is")
    return checkpoint, signatures


def is_signed_by(
    checkpoint: Checkpoint, signatures: tuple[Signature, ...], key: VerifierKey
) -> bool:
    """Tell whether one of the signatures is this key's and right."""
    public = Ed25519PublicKey.from_public_bytes(key.public)
    for signature in signatures:
        if (signature.name, signature.key_id) != (key.name, key.id):
            continue
        try:
            public.verify(signature.data, checkpoint.text.encode())
        except InvalidSignature:
            continue
        return True
    return False


def _signature(line: str) -> Signature:
    name, _, material = line.removeprefix(DASH).partition(" ")
    data = _decoded(material)
    if not line.startswith(DASH) or not _is_name(name) or len(data) <= KEY_ID_BYTES:
        raise NoteError("has a line below it that is no signature")
    return Signature(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name))


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("has a part that is not base64") from None
