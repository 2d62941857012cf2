"""How many states a regex can be driven through: the bound on its time that linear time is not.

RE2 turns a regex into states as a text makes them necessary. ``a.{20}b`` has a million: one for
each way in which the last twenty characters can be ``a`` or not. A text that visits a new state at
every character costs a thousand times what others cost, and log content is hostile. So the states
are counted before a regex is used, by the same construction (Rabin and Scott 1959, from the
positions of Glushkov 1961), and a regex with too many is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

# Python's own reader of regexes. It knows less than RE2, and pySigma asks it first anyhow.
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

COST_MAX_US = 3_000.0
"""What the states may cost to make, on a machine of 2024."""
STATE_US, POSITION_US = 1.2, 0.02
WORK_MAX = 50_000
"""Steps of counting; a regex that needs more is refused like one with too many states."""
CHARACTERS_MAX = 0x110000

_CATEGORIES: dict[Any, tuple[tuple[int, int], ...]] = {
    sre.CATEGORY_DIGIT: ((48, 57),),
    sre.CATEGORY_WORD: ((48, 57), (65, 90), (95, 95), (97, 122)),
    sre.CATEGORY_SPACE: ((9, 10), (12, 13), (32, 32)),
}
_NOT_CATEGORIES = {
    sre.CATEGORY_NOT_DIGIT: sre.CATEGORY_DIGIT,
    sre.CATEGORY_NOT_WORD: sre.CATEGORY_WORD,
    sre.CATEGORY_NOT_SPACE: sre.CATEGORY_SPACE,
}


_FOLDED = {"k": "\N{KELVIN SIGN}", "s": "\N{LATIN SMALL LETTER LONG S}"}
"""What is no ASCII and yet the other case of an ASCII letter."""


class TooManyStatesError(Exception):
    """A text could drive the regex through more states than are allowed."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a regex: whether it may be empty, and the positions it begins and ends with."""

    nullable: bool
    first: int
    last: int


_EMPTY = _Piece(nullable=True, first=0, last=0)
Ranges = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Positions:
    """The characters of a regex by place; sets of places are the bits of a number."""

    ignore_case: bool = False
    characters: list[Ranges] = field(default_factory=list)
    follow: list[int] = field(default_factory=list)
    work: int = 0
    first: int = 0
    anchored: bool = False

    def step(self, count: int = 1) -> None:
        self.work += count
        if self.work > WORK_MAX:
            raise TooManyStatesError

    def position(self, ranges: Ranges) -> _Piece:
        self.step()
        self.characters.append(ranges)
        self.follow.append(0)
        bit = 1 << (len(self.follow) - 1)
        return _Piece(nullable=False, first=bit, last=bit)

    def link(self, last: int, first: int) -> None:
        if first:
            for place in _bits(last):
                self.step()
                self.follow[place] |= first


def read(pattern: str, *, ignore_case: bool, dotall: bool) -> Positions:
    """Return the positions of a pattern.

    Raises:
        TooManyStatesError: it has too many.
        re.error: Python does not read it.
    """
    found = Positions(ignore_case)
    parsed = _parser.parse(pattern, re.DOTALL if dotall else 0)
    found.ignore_case |= bool(parsed.state.flags & re.IGNORECASE)
    dot = any_character(dotall=bool(parsed.state.flags & re.DOTALL))
    items = list(parsed)
    found.anchored = (
        bool(items)
        and items[0][0] is sre.AT
        and (
            items[0][1] is sre.AT_BEGINNING_STRING
            or (items[0][1] is sre.AT_BEGINNING and not parsed.state.flags & re.MULTILINE)
        )
    )
    found.first = _sequence(items, found, dot).first
    return found


def _sequence(items: Iterable[tuple[Any, Any]], found: Positions, dot: Ranges) -> _Piece:
    whole = _EMPTY
    for item in items:
        whole = _then(whole, _item(item, found, dot), found)
    return whole


def _then(left: _Piece, right: _Piece, found: Positions) -> _Piece:
    found.link(left.last, right.first)
    return _Piece(
        left.nullable and right.nullable,
        left.first | (right.first if left.nullable else 0),
        right.last | (left.last if right.nullable else 0),
    )


def _item(item: tuple[Any, Any], found: Positions, dot: Ranges) -> _Piece:
    kind, value = item
    ranges = dot if kind is sre.ANY else character_set(item, ignore_case=found.ignore_case)
    if ranges is not None:
        return found.position(ranges)
    match kind:
        case sre.SUBPATTERN:
            return _sequence(value[3], found, dot)
        case sre.BRANCH:
            return _branches([_sequence(branch, found, dot) for branch in value[1]])
        case sre.MAX_REPEAT | sre.MIN_REPEAT:
            return _repeated(value, found, dot)
        case sre.AT:
            return _EMPTY  # as if it held: that may find states that there are not, never too few
    raise re.error(f"{kind} is not read")


def _branches(pieces: Sequence[_Piece]) -> _Piece:
    first = last = 0
    for piece in pieces:
        first, last = first | piece.first, last | piece.last
    return _Piece(any(piece.nullable for piece in pieces), first, last)


def _repeated(value: tuple[int, int, Any], found: Positions, dot: Ranges) -> _Piece:
    least, most, items = value
    endless = most is sre.MAXREPEAT or most == sre.MAXREPEAT
    copies = max(least, 1) if endless else most
    whole, before = _EMPTY, _EMPTY
    ends = 0
    for number in range(copies):
        piece = _sequence(items, found, dot)
        whole = _then(before, piece, found)
        if number >= least:
            ends |= before.last
        before = whole
    if endless and copies:
        found.link(piece.last, piece.first)
    nullable = whole.nullable or least == 0
    return _Piece(nullable, whole.first, whole.last | ends)


def any_character(*, dotall: bool) -> Ranges:
    """Return what a dot takes."""
    return without(()) if dotall else without(((10, 10),))


def character_set(item: tuple[Any, Any], *, ignore_case: bool) -> Ranges | None:
    """Return the characters of a literal or a set; None for any other item."""
    kind, value = item
    match kind:
        case sre.LITERAL:
            return _cased(((value, value),)) if ignore_case else ((value, value),)
        case sre.NOT_LITERAL:
            one = ((value, value),)
            return without(_cased(one) if ignore_case else one)
        case sre.IN:
            return _set(value, ignore_case=ignore_case)
    return None


def _set(items: Sequence[tuple[Any, Any]], *, ignore_case: bool) -> Ranges:
    fold = _cased if ignore_case else _as_it_is
    ranges: list[tuple[int, int]] = []
    negated = False
    for kind, value in items:
        if kind is sre.NEGATE:
            negated = True
        elif kind is sre.LITERAL:
            ranges += fold(((value, value),))
        elif kind is sre.RANGE:
            ranges += fold((value,))
        elif value in _CATEGORIES:
            ranges += fold(_CATEGORIES[value])
        else:
            ranges += without(fold(_CATEGORIES[_NOT_CATEGORIES[value]]))
    return without(tuple(ranges)) if negated else tuple(dict.fromkeys(ranges))


def _as_it_is(ranges: Ranges) -> Ranges:
    return ranges


def without(ranges: Ranges) -> Ranges:
    """Return all other characters."""
    left, start = [], 0
    for low, high in sorted(ranges):
        if low > start:
            left.append((start, low - 1))
        start = max(start, high + 1)
    if start < CHARACTERS_MAX:
        left.append((start, CHARACTERS_MAX - 1))
    return tuple(left)


def _cased(ranges: Ranges) -> Ranges:
    """Return ranges with the other case of their letters, as RE2 folds what is ASCII."""
    more: list[tuple[int, int]] = []
    for low, high in ranges:
        for first, last, shift in ((65, 90, 32), (97, 122, -32)):
            start, end = max(low, first), min(high, last)
            if start <= end:
                more.append((start + shift, end + shift))
        for plain, signs in _FOLDED.items():
            group = (ord(plain.upper()), ord(plain), *map(ord, signs))
            if any(low <= code <= high for code in group):
                more += [(code, code) for code in group]
    return tuple(dict.fromkeys((*ranges, *more)))


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def classes(found: Positions) -> list[tuple[str, int]]:
    """Return a character for each class of characters that no position tells apart, and its mask.

    The mask is the set of positions that take the character.
    """
    borders = {0}
    for ranges in found.characters:
        for low, high in ranges:
            borders |= {low, high + 1}
    masks: dict[int, str] = {}
    for border in sorted(borders - {CHARACTERS_MAX}):
        mask = 0
        for place, ranges in enumerate(found.characters):
            found.step()
            if any(low <= border <= high for low, high in ranges):
                mask |= 1 << place
        masks.setdefault(mask, chr(border))
    return [(sign, mask) for mask, sign in masks.items()]


class States:
    """The states that texts can drive a regex through, made one by one."""

    def __init__(self, found: Positions) -> None:
        self._found = found
        self.classes = classes(found)
        self._reach: dict[int, int] = {}
        self.start = -1
        """The state before the first character; all others are sets of positions."""

    def reach(self, state: int) -> int:
        """Return the positions that may take the next character."""
        if state not in self._reach:
            found = self._found
            reach = found.first if state < 0 or not found.anchored else 0
            for place in _bits(state) if state > 0 else ():
                found.step()
                reach |= found.follow[place]
            self._reach[state] = reach
        return self._reach[state]


def check_states(pattern: str, *, ignore_case: bool, dotall: bool) -> None:
    """Raise ``TooManyStatesError`` if a text of 64 KiB could cost more than it may."""
    found = read(pattern, ignore_case=ignore_case, dotall=dotall)
    states = States(found)
    cost_us, known, left = 0.0, {states.start}, [states.start]
    while left:
        reach = states.reach(left.pop())
        each_us = STATE_US + POSITION_US * reach.bit_count()
        new = {reach & mask for _, mask in states.classes} - known
        # A step into a state that is known is made once too, but costs a tenth; and what is not
        # ASCII takes two steps or more, with a state for each.
        wide = {reach & mask for sign, mask in states.classes if not sign.isascii()} & new
        cost_us += each_us * (len(new) + len(wide) + 0.1 * len(states.classes))
        found.step(len(states.classes))
        if cost_us > COST_MAX_US:
            raise TooManyStatesError
        known |= new
        left += new


Choose = Callable[[Sequence[tuple[str, int]]], Iterable[tuple[str, int]]]


def hostile_text(found: Positions, length: int, shuffled: Choose) -> str:
    """Return a text that visits as many states as it can: what proofs try a regex with."""
    states = States(found)
    seen, state, text = {states.start}, states.start, []
    for _ in range(length):
        reach = states.reach(state)
        options = list(shuffled(states.classes))
        sign, mask = next(((s, m) for s, m in options if reach & m not in seen), options[0])
        state = reach & mask
        seen.add(state)
        text.append(sign)
    return "".join(text)
