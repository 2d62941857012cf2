"""The Merkle tree hash of RFC 6962 while entries come one by one."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EMPTY_ROOT = sha256().digest()


class Tree:
    """Holds the roots of the complete subtrees of what came so far, largest first."""

    def __init__(self) -> None:
        self._peaks: list[bytes] = []
        self.size = 0

    def add(self, leaf: bytes) -> None:
        """Add a leaf's hash."""
        size, peaks, hash_ = self.size, self._peaks, leaf
        while size & 1:
            hash_ = sha256(b"\x01" + peaks.pop() + hash_).digest()
            size >>= 1
        peaks.append(hash_)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        *rest, hash_ = self._peaks
        for peak in reversed(rest):
            hash_ = sha256(b"\x01" + peak + hash_).digest()
        return hash_


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry's bytes."""
    return sha256(b"\x00" + entry).digest()


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Check a proof that a leaf is in the tree of a root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    first, last, hash_ = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            hash_ = sha256(b"\x01" + sibling + hash_).digest()
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            hash_ = sha256(b"\x01" + hash_ + sibling).digest()
        first, last = first >> 1, last >> 1
    return last == 0 and hash_ == root
