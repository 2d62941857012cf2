"""Regexes on bit streams: for those that a hostile text would drive through too many states.

Every step works on all places of a text at once: a number has a bit for each place, and
``(ends & letters) << 1`` takes one character everywhere (Cameron et al. 2014, "Bitwise data
parallelism in regular expression matching"). So time hangs on the length of the regex and of the
text, and on nothing that a text holds. Counted runs of one class take the logarithm of the count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

import numpy as np

from detections.regex_states import Ranges, any_character, character_set

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPERATIONS_MAX = 1_500
"""Each takes 1-2 us on 64 KiB."""
STREAMS_MAX = 40
"""Classes of characters; each takes 100-200 us to look up on 64 KiB."""

_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_NEWLINE: Ranges = ((10, 10),)


class NoStreamsError(Exception):
    """A regex that cannot be run like this; the text says why."""


class _Text:
    """A text as bit streams; each class of characters is looked up once."""

    def __init__(self, text: str) -> None:
        self.length = len(text)
        self.everywhere = (1 << (self.length + 1)) - 1
        self._ascii = text.isascii()
        data = text.encode() if self._ascii else text.encode("utf-32-le", "surrogatepass")
        self._codes: NDArray[Any] = np.frombuffer(data, np.uint8 if self._ascii else np.uint32)
        self._streams: dict[Ranges, int] = {}

    def stream(self, ranges: Ranges) -> int:
        """Return the places at which a character of the class stands."""
        if ranges not in self._streams:
            if self._ascii:
                table = np.zeros(256, np.bool_)
                for low, high in ranges:
                    table[low : high + 1] = True
                held = table[self._codes]
            else:
                held = np.zeros(self.length, np.bool_)
                for low, high in ranges:
                    held |= (self._codes >= low) & (self._codes <= high)
            packed = np.packbits(held, bitorder="little").tobytes()
            self._streams[ranges] = int.from_bytes(packed, "little")
        return self._streams[ranges]


Step = Callable[[_Text, int], int]
"""From where a match may have come so far to where it may be next."""


class Streams:
    """A compiled regex."""

    def __init__(self, pattern: str, *, ignore_case: bool, multiline: bool, dotall: bool) -> None:
        """Compile. Raises ``NoStreamsError``."""
        if "[:" in pattern or "{," in pattern:
            raise NoStreamsError("Python and RE2 read it differently")
        flags = (re.MULTILINE if multiline else 0) | (re.DOTALL if dotall else 0)
        try:
            parsed = _parser.parse(pattern, flags)
        except (re.error, OverflowError, RecursionError) as error:
            raise NoStreamsError(str(error)) from error
        ignore_case |= bool(parsed.state.flags & re.IGNORECASE)
        if ignore_case and not pattern.isascii():
            raise NoStreamsError("ignores the case of letters beyond ASCII")
        self._multiline = bool(parsed.state.flags & re.MULTILINE)
        self._dotall = bool(parsed.state.flags & re.DOTALL)
        self._ignore_case = ignore_case
        self._operations = 0
        self._classes: set[Ranges] = set()
        self._run = self._sequence(list(parsed))
        if len(self._classes) > STREAMS_MAX:
            raise NoStreamsError("has too many classes of characters")

    def found_in(self, text: str) -> bool:
        """Tell whether the regex matches anywhere."""
        streams = _Text(text)
        return self._run(streams, streams.everywhere) != 0

    def _count(self, operations: int = 1) -> None:
        self._operations += operations
        if self._operations > OPERATIONS_MAX:
            raise NoStreamsError("is too long")

    def _sequence(self, items: Sequence[tuple[Any, Any]]) -> Step:
        steps = [self._item(item) for item in items]
        if len(steps) == 1:
            return steps[0]

        def run(text: _Text, ends: int) -> int:
            for step in steps:
                if not ends:
                    return 0
                ends = step(text, ends)
            return ends

        return run

    def _item(self, item: tuple[Any, Any]) -> Step:
        kind, value = item
        ranges = self._class(item)
        if ranges is not None:
            self._count()
            return lambda text, ends: (ends & text.stream(ranges)) << 1
        match kind:
            case sre.SUBPATTERN if not value[1] and not value[2]:
                return self._sequence(list(value[3]))
            case sre.BRANCH:
                return self._branches([self._sequence(list(branch)) for branch in value[1]])
            case sre.MAX_REPEAT | sre.MIN_REPEAT:
                return self._repeat(value)
            case sre.AT:
                return self._at(value)
        raise NoStreamsError(f"{kind} is not known")

    def _class(self, item: tuple[Any, Any]) -> Ranges | None:
        """Return what one character an item takes, None if it is more than one."""
        kind, value = item
        if kind is sre.SUBPATTERN and not value[1] and not value[2] and len(value[3]) == 1:
            return self._class(value[3][0])
        found = (
            any_character(dotall=self._dotall)
            if kind is sre.ANY
            else character_set(item, ignore_case=self._ignore_case)
        )
        if found is not None:
            self._classes.add(found)
        return found

    def _branches(self, branches: Sequence[Step]) -> Step:
        self._count(len(branches))

        def run(text: _Text, ends: int) -> int:
            found = 0
            for branch in branches:
                found |= branch(text, ends)
            return found

        return run

    def _repeat(self, value: tuple[int, int, Any]) -> Step:
        least, most, items = value
        endless = most is sre.MAXREPEAT or most == sre.MAXREPEAT
        ranges = self._class(items[0]) if len(items) == 1 else None
        if ranges is not None:
            self._count(4 * (least.bit_length() + (1 if endless else (most - least).bit_length())))
            return _runs(ranges, least, None if endless else most - least)
        if endless:
            raise NoStreamsError("repeats more than a character without end")
        before = self._operations
        step = self._sequence(list(items))
        self._count(most * (self._operations - before + 1))

        def run(text: _Text, ends: int) -> int:
            for _ in range(least):
                ends = step(text, ends)
            found = ends
            for _ in range(most - least):
                if not ends:
                    break
                ends = step(text, ends)
                found |= ends
            return found

        return run

    def _at(self, kind: Any) -> Step:
        self._count(2)
        match kind:
            case sre.AT_BEGINNING if self._multiline:
                return lambda text, ends: ends & (1 | text.stream(_NEWLINE) << 1)
            case sre.AT_BEGINNING | sre.AT_BEGINNING_STRING:
                return lambda _text, ends: ends & 1
            case sre.AT_END if self._multiline:
                return lambda text, ends: ends & (1 << text.length | text.stream(_NEWLINE))
            case sre.AT_END | sre.AT_END_STRING:
                return lambda text, ends: ends & 1 << text.length
            case sre.AT_BOUNDARY:
                return lambda text, ends: ends & _boundaries(text)
        # To RE2 \\B holds within the bytes of one character.
        raise NoStreamsError(f"{kind} is not known")


def _boundaries(text: _Text) -> int:
    words = text.stream(_WORD)
    return words ^ words << 1


def _runs(ranges: Ranges, least: int, more: int | None) -> Step:
    """Return a step over ``least`` characters of a class and up to ``more``, or any number."""

    def run(text: _Text, ends: int) -> int:
        stream = text.stream(ranges)
        if least:
            ends = (ends & _run_of(stream, least)) << least
        if more is None:
            # Adding carries every end to behind its run of the class, and sets all on the way.
            return ((ends & stream) + stream ^ stream) | ends
        reached, runs = 0, stream
        while reached < more:
            length = min(reached + 1, more - reached)
            exact = runs if length == reached + 1 else _run_of(stream, length)
            ends |= (ends & exact) << length
            if length == reached + 1:
                runs = runs & runs >> length
            reached += length
        return ends

    return run


def _run_of(stream: int, length: int) -> int:
    """Return the places at which so many places of a stream begin."""
    runs, have = stream, 1
    while have < length:
        step = min(have, length - have)
        runs &= runs >> step
        have += step
    return runs
