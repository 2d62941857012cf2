"""The Merkle tree of RFC 6962, section 2: roots and proofs out of stored complete subtrees.

``node(level, index)`` is the root of the 2^level leaves that begin at index * 2^level. All of them
are kept, so that any root or proof costs a logarithm of the size in look-ups.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EMPTY_ROOT = hashlib.sha256().digest()


class Nodes(Protocol):
    """Gives the hash of a complete subtree."""

    def __call__(self, level: int, index: int, /) -> bytes: ...


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of an entry: domain 0x00."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees: domain 0x01."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def grown(size: int, leaf: bytes, node: Nodes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (level, index, hash) of each subtree that leaf number ``size`` completes."""
    level, index, hash_ = 0, size, leaf
    yield level, index, hash_
    while index & 1:
        hash_ = node_hash(node(level, index - 1), hash_)
        level, index = level + 1, index >> 1
        yield level, index, hash_


def root(size: int, node: Nodes) -> bytes:
    """Return MTH(D[size])."""
    return _subtree(0, size, node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: Nodes) -> list[bytes]:
    """Return PATH(index, D[size]), section 2.1.1."""
    assert 0 <= index < size
    return _path(index, 0, size, node)


def consistency_proof(old: int, new: int, node: Nodes) -> list[bytes]:
    """Return PROOF(old, D[new]), section 2.1.2; empty if there is nothing to prove."""
    assert 0 <= old <= new
    return [] if old in {0, new} else _subproof(old, 0, new, node, whole=True)


def _split(count: int) -> int:
    """Return the largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def _subtree(start: int, end: int, node: Nodes) -> bytes:
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(count)
    return node_hash(_subtree(start, middle, node), _subtree(middle, end, node))


def _path(index: int, start: int, end: int, node: Nodes) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(index, start, middle, node), _subtree(middle, end, node)]
    return [*_path(index, middle, end, node), _subtree(start, middle, node)]


def _subproof(old: int, start: int, end: int, node: Nodes, *, whole: bool) -> list[bytes]:
    if old == end:
        return [] if whole else [_subtree(start, end, node)]
    middle = start + _split(end - start)
    if old <= middle:
        return [
            *_subproof(old, start, middle, node, whole=whole),
            _subtree(middle, end, node),
        ]
    return [
        *_subproof(old, middle, end, node, whole=False),
        _subtree(start, middle, node),
    ]


def is_included(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes
) -> bool:
    """Check an inclusion proof as RFC 9162, section 2.1.3.2, does."""
    if not 0 <= index < size:
        return False
    first, last, hash_ = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            hash_ = node_hash(sibling, hash_)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            hash_ = node_hash(hash_, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and hash_ == root_hash


def is_consistent(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Check a consistency proof as RFC 9162, section 2.1.4.2, does.

    From an empty tree every tree has grown; that needs no proof.
    """
    if not 0 <= old <= new:
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    return bool(path) and _grows(old - 1, new - 1, path, (old_root, new_root))


def _grows(first: int, last: int, path: list[bytes], roots: tuple[bytes, bytes]) -> bool:
    while first & 1:
        first, last = first >> 1, last >> 1
    old_hash = new_hash = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            old_hash, new_hash = node_hash(sibling, old_hash), node_hash(sibling, new_hash)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new_hash = node_hash(new_hash, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and (old_hash, new_hash) == roots
