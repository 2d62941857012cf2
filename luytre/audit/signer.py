"""The signer: signs how the history grows, and refuses any other state of it.

It holds the key and the last state it signed, in a folder that only it need read. Whoever owns the
case database can append to it; to have another past signed, they would need this folder as well.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from luytre.audit import merkle
from luytre.audit.notes import Checkpoint, VerifierKey, note, sign
from luytre.core.disk import sync
from luytre.core.errors import NeighbourError, Refused

if TYPE_CHECKING:
    from pathlib import Path


class SignedState(msgspec.Struct, frozen=True):
    """What was signed last; ``key`` is the verifier key."""

    origin: str
    key: str
    size: int
    root: bytes
    note: str


class _Kept(msgspec.Struct, frozen=True):
    """The signer's file: key and state in one, so that no crash can part them."""

    secret: bytes
    state: SignedState


class Growth(msgspec.Struct, frozen=True):
    """A state to sign, and the proof that it only adds to the one of ``since`` entries."""

    since: int
    size: int
    root: bytes
    proof: tuple[bytes, ...]


class Outdated(Refused):
    """Meanwhile something else was signed: look again and ask again."""


class Signing(Protocol):
    """What signs: the signer in this process, or the way to its own."""

    def state(self) -> SignedState:
        """Return what was signed last. Raises ``NeighbourError``: it does not answer."""

    def sign(self, growth: Growth) -> SignedState:
        """Sign a state that extends the last one.

        Raises:
            Refused: it does not extend what was signed last (``Outdated``: nor does it say so).
            NeighbourError: it does not answer, or cannot keep what it would sign.
        """


class Signer:
    """Signs checkpoints. Its file is durable before a signature leaves it."""

    def __init__(self, folder: Path) -> None:
        """Read the signer's file, or make a key and an origin on the first start.

        Raises:
            NeighbourError: the file is damaged or cannot be read or written.
        """
        self._path = folder / "signer.json"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            kept = self._read() if self._path.exists() else self._begin()
        except OSError as error:
            raise NeighbourError(f"the signer's folder {folder}: {error}") from error
        self._secret, self._state = kept.secret, kept.state
        self._key = Ed25519PrivateKey.from_private_bytes(kept.secret)

    def state(self) -> SignedState:
        return self._state

    def sign(self, growth: Growth) -> SignedState:
        """Sign a state that extends the last one; the last one itself is given back as it is."""
        state = self._state
        if (growth.size, growth.root) == (state.size, state.root) and state.note:
            return state
        if growth.since != state.size:
            raise Outdated(f"{state.size} entries were signed last, not {growth.since}")
        if growth.size < state.size:
            raise Refused(
                f"a roll-back is not signed: {growth.size} entries, but {state.size} were signed"
            )
        if not merkle.is_consistent(state.size, growth.size, growth.proof, state.root, growth.root):
            raise Refused(
                f"a fork is not signed: these {growth.size} entries do not begin with the"
                f" {state.size} that were signed"
            )
        checkpoint = Checkpoint(state.origin, growth.size, growth.root)
        signed = note(checkpoint, sign(checkpoint, state.origin, self._key))
        fresh = SignedState(state.origin, state.key, growth.size, growth.root, signed)
        self._keep(_Kept(self._secret, fresh))
        self._state = fresh
        return fresh

    def _begin(self) -> _Kept:
        key = Ed25519PrivateKey.generate()
        origin = f"luytre/{secrets.token_hex(8)}"
        public = str(VerifierKey(origin, key.public_key().public_bytes_raw()))
        state = SignedState(origin, public, 0, merkle.EMPTY_ROOT, "")
        kept = _Kept(key.private_bytes_raw(), state)
        self._keep(kept)
        return kept

    def _read(self) -> _Kept:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except msgspec.MsgspecError as error:
            raise NeighbourError(
                f"{self._path} is damaged ({error}): restore it from a backup"
            ) from error

    def _keep(self, kept: _Kept) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
                f.write(msgspec.json.encode(kept))
                f.flush()
                os.fsync(f.fileno())
            fresh.replace(self._path)
            sync(self._path.parent)
        except OSError as error:
            raise NeighbourError(f"the signer cannot write {fresh}: {error}") from error
