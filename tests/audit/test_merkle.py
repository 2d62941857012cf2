"""The tree against RFC 6962: its definition written out, and the roots other implementations use."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luytre.audit import merkle

# The leaves and roots with which certificate-transparency implementations test themselves.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = range(1, 34)

Nodes = Callable[[int, int], bytes]


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mth(data: list[bytes]) -> bytes:
    """MTH as section 2.1 defines it."""
    if not data:
        return sha(b"")
    if len(data) == 1:
        return sha(b"\x00" + data[0])
    k = split(len(data))
    return sha(b"\x01" + mth(data[:k]) + mth(data[k:]))


def split(n: int) -> int:
    return max(1 << e for e in range(n.bit_length()) if 1 << e < n)


def path(m: int, data: list[bytes]) -> list[bytes]:
    """PATH as section 2.1.1 defines it."""
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def proof(m: int, data: list[bytes]) -> list[bytes]:
    """PROOF as section 2.1.2 defines it."""
    return subproof(m, data, whole=True)


def subproof(m: int, data: list[bytes], *, whole: bool) -> list[bytes]:
    if m == len(data):
        return [] if whole else [mth(data)]
    k = split(len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole=whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], whole=False), mth(data[:k])]


def stored(data: list[bytes]) -> Nodes:
    nodes: dict[tuple[int, int], bytes] = {}

    def node(level: int, number: int) -> bytes:
        return nodes[level, number]

    for size, entry in enumerate(data):
        for level, number, hash_ in merkle.grown(size, merkle.leaf_hash(entry), node):
            nodes[level, number] = hash_
    return node


DATA = [b"entry %d" % number for number in range(SIZES.stop)]
NODE = stored(DATA)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_other_implementations(size: int) -> None:
    assert merkle.root(size, stored(LEAVES)).hex() == ROOTS[size]


@pytest.mark.parametrize("size", SIZES)
def test_root_is_as_defined(size: int) -> None:
    assert merkle.root(size, NODE) == mth(DATA[:size])


@pytest.mark.parametrize("size", SIZES)
def test_every_inclusion_proof_is_as_defined_and_holds(size: int) -> None:
    root = mth(DATA[:size])
    for index in range(size):
        found = merkle.inclusion_proof(index, size, NODE)

        assert found == path(index, DATA[:size])
        assert merkle.is_included(merkle.leaf_hash(DATA[index]), index, size, found, root)


@pytest.mark.parametrize("size", SIZES)
def test_every_consistency_proof_is_as_defined_and_holds(size: int) -> None:
    root = mth(DATA[:size])
    for old in range(1, size + 1):
        found = merkle.consistency_proof(old, size, NODE)

        assert found == proof(old, DATA[:size])
        assert merkle.is_consistent(old, size, found, mth(DATA[:old]), root)


def test_every_tree_grows_out_of_the_empty_one() -> None:
    assert merkle.is_consistent(0, 5, [], merkle.EMPTY_ROOT, mth(DATA[:5]))
    assert not merkle.is_consistent(0, 5, [], mth(DATA[:1]), mth(DATA[:5]))
    assert not merkle.is_consistent(0, 5, [b"x" * 32], merkle.EMPTY_ROOT, mth(DATA[:5]))


ALTERATIONS = ["flip", "drop first", "drop last", "add first", "add last", "root", "size", "index"]


@given(
    size=st.integers(2, 33),
    part=st.integers(0, 10**6),
    bit=st.integers(0, 10**6),
    how=st.sampled_from(ALTERATIONS),
)
def test_no_altered_inclusion_proof_holds(size: int, part: int, bit: int, how: str) -> None:
    index = part % size
    found = merkle.inclusion_proof(index, size, NODE)
    root, leaf = mth(DATA[:size]), merkle.leaf_hash(DATA[index])
    shown_index, shown_size, altered = index, size, altered_proof(found, how, part, bit)
    match how:
        case "root":
            root = flipped(root, bit)
        case "size":
            shown_size = index  # no tree of this size holds it
        case "index":
            shown_index = (index + 1) % size

    assert not merkle.is_included(leaf, shown_index, shown_size, altered, root)


@given(
    size=st.integers(2, 33),
    part=st.integers(0, 10**6),
    bit=st.integers(0, 10**6),
    how=st.sampled_from([*ALTERATIONS[:5], "old root", "new root", "swap roots"]),
)
def test_no_altered_consistency_proof_holds(size: int, part: int, bit: int, how: str) -> None:
    old = 1 + part % (size - 1)
    roots = [mth(DATA[:old]), mth(DATA[:size])]
    altered = altered_proof(merkle.consistency_proof(old, size, NODE), how, part, bit)
    match how:
        case "old root":
            roots[0] = flipped(roots[0], bit)
        case "new root":
            roots[1] = flipped(roots[1], bit)
        case "swap roots":
            roots.reverse()

    assert not merkle.is_consistent(old, size, altered, *roots)


def altered_proof(found: list[bytes], how: str, part: int, bit: int) -> list[bytes]:
    match how:
        case "flip":
            at = part % len(found)
            return [*found[:at], flipped(found[at], bit), *found[at + 1 :]]
        case "drop first":
            return found[1:]
        case "drop last":
            return found[:-1]
        case "add first":
            return [bytes(32), *found]
        case "add last":
            return [*found, bytes(32)]
    return found


def flipped(data: bytes, bit: int) -> bytes:
    at = bit % (8 * len(data))
    return bytes(b ^ (1 << at % 8 if n == at // 8 else 0) for n, b in enumerate(data))
