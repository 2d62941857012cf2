"""What each atom means: an exact test of one cell."""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import TYPE_CHECKING

import re2
from ahocorasick_rs import BytesAhoCorasick, Implementation

from detections.regex import compile_regex
from detections.times import PARTS, moment
from detections.tree import ANY, ONE, Operation, unescaped
from luytre.core.cells import MARK, NULL, fold, texts

if TYPE_CHECKING:
    from datetime import datetime

    from detections.tree import Atom

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Reading:
    """One cell as conditions see it; each view is made once, when asked for.

    Not with ``cached_property``: its lock costs more than folding (Python 3.11).
    """

    __slots__ = ("_addresses", "_folded", "_joined", "_moments", "_numbers", "cell", "texts")

    def __init__(self, cell: str | None, seen: tuple[str, ...] | None = None) -> None:
        self.cell = cell
        self.texts = texts(cell) if seen is None else seen
        self._folded: tuple[str, ...] | None = None
        self._joined: str | None = None
        self._numbers: tuple[float, ...] | None = None
        self._addresses: tuple[Address, ...] | None = None
        self._moments: tuple[datetime, ...] | None = None

    @property
    def folded(self) -> tuple[str, ...]:
        """The texts, case folded."""
        if self._folded is None:
            self._folded = tuple(map(fold, self.texts))
        return self._folded

    @property
    def joined(self) -> str:
        """The folded texts as one, in which no pattern without MARK reaches over a border."""
        if self._joined is None:
            self._joined = MARK.join(self.folded)
        return self._joined

    @property
    def numbers(self) -> tuple[float, ...]:
        """The texts that are numbers."""
        if self._numbers is None:
            self._numbers = tuple(n for n in map(number, self.texts) if n is not None)
        return self._numbers

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The texts that are IP addresses."""
        if self._addresses is None:
            self._addresses = tuple(a for a in map(address, self.texts) if a is not None)
        return self._addresses

    @property
    def moments(self) -> tuple[datetime, ...]:
        """The texts that are times."""
        if self._moments is None:
            self._moments = tuple(m for m in map(moment, self.texts) if m is not None)
        return self._moments


Test = Callable[[Reading], bool]

# Python's own, which takes a quarter of RE2's time on a short text: a cell may be a long list.
_NUMBER = re.compile(
    r"[+-]?(?:(0[xX][0-9a-fA-F]+)|(\d+)|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII
)
_DIGITS_MAX = 64
_PAIRS_MAX = 64
"""Beyond so many, values of two fields are compared with one search for all."""
_ADDRESS_MAX = 128
_DOTS, _COLONS_MIN = 3, 2


def number(text: str) -> float | None:
    """Return the number that a text is: decimal or with 0x; None for any other text."""
    if len(text) > _DIGITS_MAX:
        return None
    written = _NUMBER.fullmatch(text)
    if written is None:
        return None
    if written[1]:
        return int(text, 16)
    if written[2]:
        return int(text)
    found = float(text)
    return found if isfinite(found) else None


def address(text: str) -> Address | None:
    """Return the IP address that a text is, without zone and not as IPv4 inside IPv6."""
    if len(text) > _ADDRESS_MAX or (text.count(".") != _DOTS and text.count(":") < _COLONS_MIN):
        return None  # as most texts are; to raise an error takes ten times longer
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return found.ipv4_mapped or found
    return found


def compile_atom(atom: Atom) -> Test:
    """Return the test of an atom, except a fieldref, which needs two cells (``compare``).

    Raises ``BadRegexError``.
    """
    return _MAKERS[atom.operation](atom)


def _text(atom: Atom, meets: Callable[[str], bool]) -> Test:
    """Return the test whether any text of a cell, folded unless case counts, meets something."""
    if atom.cased:
        return lambda reading: any(map(meets, reading.texts))
    return lambda reading: any(map(meets, reading.folded))


def _pattern(atom: Atom) -> str:
    return atom.pattern if atom.cased else fold(atom.pattern)


def _equals(atom: Atom) -> Test:
    pattern = _pattern(atom)
    if atom.cased:
        return lambda reading: pattern in reading.texts
    return lambda reading: pattern in reading.folded


def _contains(atom: Atom) -> Test:
    pattern = _pattern(atom)
    if pattern and not atom.cased and MARK not in pattern:
        # Rules have hundreds of these, and an event's keywords dozens of texts.
        return lambda reading: pattern in reading.joined
    return _text(atom, lambda text: pattern in text)


def _startswith(atom: Atom) -> Test:
    pattern = _pattern(atom)
    return _text(atom, lambda text: text.startswith(pattern))


def _endswith(atom: Atom) -> Test:
    pattern = _pattern(atom)
    return _text(atom, lambda text: text.endswith(pattern))


def _like(atom: Atom) -> Test:
    if atom.pattern == ANY:
        return lambda reading: bool(reading.texts)
    parts = unescaped(_pattern(atom))
    signs = [
        (".*" if part == ANY else ".") if index % 2 else re2.escape(part)
        for index, part in enumerate(parts)
    ]
    # RE2, because the wildcards of a rule meet texts that an attacker wrote.
    found = compile_regex(
        rf"\A{''.join(signs)}\z",
        ignore_case=False,
        multiline=False,
        dotall=True,
        counts=ONE in parts,
    ).found_in
    return _text(atom, found)


def _regex(atom: Atom) -> Test:
    found = compile_regex(
        atom.pattern,
        ignore_case="i" in atom.flags,
        multiline="m" in atom.flags,
        dotall="s" in atom.flags,
    ).found_in
    return lambda reading: any(map(found, reading.texts))


def _network(atom: Atom) -> Test:
    network = ipaddress.ip_network(atom.pattern)
    return lambda reading: any(address in network for address in reading.addresses)


def _null(_atom: Atom) -> Test:
    return lambda reading: reading.cell is None or reading.cell == NULL


def _exists(atom: Atom) -> Test:
    wanted = atom.pattern == "true"
    return lambda reading: (reading.cell is not None) is wanted


def _never(_atom: Atom) -> Test:
    return lambda _reading: False


def _number(atom: Atom) -> Test:
    if atom.field is None:
        return lambda reading: any(atom.pattern in text for text in reading.texts)
    wanted = _wanted(atom)
    return lambda reading: wanted in reading.numbers


def _time(atom: Atom) -> Test:
    part_name, comparison = atom.flags.split()
    part, meets, wanted = PARTS[part_name], _COMPARE[comparison], int(atom.pattern)
    return lambda reading: any(meets(part(found), wanted) for found in reading.moments)


def _compared(meets: Callable[[float, float], bool]) -> Callable[[Atom], Test]:
    def make(atom: Atom) -> Test:
        wanted = _wanted(atom)
        return lambda reading: any(meets(found, wanted) for found in reading.numbers)

    return make


def _wanted(atom: Atom) -> float:
    wanted = number(atom.pattern)
    assert wanted is not None
    return wanted


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "equals": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_MAKERS: dict[Operation, Callable[[Atom], Test]] = {
    "equals": _equals,
    "startswith": _startswith,
    "endswith": _endswith,
    "contains": _contains,
    "like": _like,
    "regex": _regex,
    "number": _number,
    "gt": _compared(operator.gt),
    "gte": _compared(operator.ge),
    "lt": _compared(operator.lt),
    "lte": _compared(operator.le),
    "time": _time,
    "boolean": _equals,
    "null": _null,
    "exists": _exists,
    "cidr": _network,
    "fieldref": _never,
}


def compare(atom: Atom, left: Reading, right: Reading) -> bool:
    """Tell whether a fieldref holds between its field's cell and the other's."""
    lefts, rights = (left.texts, right.texts) if atom.cased else (left.folded, right.folded)
    match atom.flags:
        case "equals":
            return not set(lefts).isdisjoint(rights)
        case "contains":
            return _contained(lefts, rights)
        case "startswith":
            return _begun(lefts, rights)
    return _begun([text[::-1] for text in lefts], [text[::-1] for text in rights])


def _begun(texts: Iterable[str], beginnings: Iterable[str]) -> bool:
    """Tell whether any text begins with any of some; both may be long lists."""
    by_length: dict[int, set[str]] = {}
    for beginning in beginnings:
        by_length.setdefault(len(beginning), set()).add(beginning)
    lengths = sorted(by_length)
    for text in texts:
        for length in lengths:
            if length > len(text):
                break
            if text[:length] in by_length[length]:
                return True
    return False


def _contained(texts: Sequence[str], parts: Sequence[str]) -> bool:
    """Tell whether any text contains any of some; both may be long lists."""
    if len(texts) * len(parts) <= _PAIRS_MAX:
        return any(part in text for text in texts for part in parts)
    if "" in parts:
        return True
    search = BytesAhoCorasick(
        [part.encode(errors="surrogatepass") for part in set(parts)],
        implementation=Implementation.ContiguousNFA,
    )
    return any(
        search.find_matches_as_indexes(text.encode(errors="surrogatepass")) for text in texts
    )
