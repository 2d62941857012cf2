"""What one value of a rule says about one cell: the reference's half of the semantics."""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property

from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
    TimestampPart,
)

from detections.modifiers import CasedFieldReference
from detections.regex import compile_regex
from luytre.core.cells import NULL, fold, scalar, texts

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_HEX = re.compile(r"[+-]?0[xX][0-9a-fA-F]+")
_NUMBER_LENGTH_MAX = 64
_TIME_LENGTH_MAX = 64
_SECONDS_DIGITS = 10
_EPOCH = re.compile(r"[1-9][0-9]{9}(\.[0-9]{1,9}|[0-9]{3}|[0-9]{6}|[0-9]{9})?")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?([Zz]| UTC|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_COMPARE: Mapping[CompareOperators, Callable[[float, float], bool]] = {
    CompareOperators.LT: operator.lt,
    CompareOperators.LTE: operator.le,
    CompareOperators.GT: operator.gt,
    CompareOperators.GTE: operator.ge,
}


class Cell:
    """One cell, and the texts that conditions see in it."""

    def __init__(self, cell: str | None, seen: tuple[str, ...] | None = None) -> None:
        self.cell = cell
        self.raw = texts(cell) if seen is None else seen

    @cached_property
    def folded(self) -> tuple[str, ...]:
        """The texts as they are compared unless case counts."""
        return tuple(fold(text) for text in self.raw)


MISSING = Cell(None)
CellCheck = Callable[[Cell], bool]


def cell_check(value: SigmaType) -> CellCheck:
    """Return what a value of a field, not a reference, asks of the field's cell."""
    match value:
        case SigmaString() | SigmaRegularExpression():
            return _textual(value)
        case SigmaNull():
            return lambda cell: cell.cell is None or cell.cell == NULL
        case SigmaExists():
            return lambda cell: (cell.cell is not None) == value.exists
        case SigmaBool():
            return lambda cell: scalar(value.boolean) in cell.folded
        case SigmaCIDRExpression():
            return lambda cell: any(_inside(text, value) for text in cell.raw)
        case _:
            return _numeric(value)


def keyword_check(value: SigmaType) -> CellCheck:
    """Return what a keyword asks of the texts of an event, given as a cell."""
    match value:
        case SigmaString() | SigmaRegularExpression():
            return _textual(value, anywhere=True)
        case SigmaNumber() if not isinstance(value, SigmaTimestampPart):
            shortest = scalar(value.number)
            return lambda cell: any(shortest in text for text in cell.raw)
    raise NotImplementedError(type(value).__name__)


def compare_fields(left: Cell, reference: SigmaFieldReference, right: Cell) -> bool:
    """Tell whether a text of ``left`` is, starts, ends with, or contains a text of ``right``."""
    cased = isinstance(reference, CasedFieldReference)
    pairs = (
        (mine, other)
        for mine in (left.raw if cased else left.folded)
        for other in (right.raw if cased else right.folded)
    )
    match reference.starts_with, reference.ends_with:
        case True, True:
            return any(other in mine for mine, other in pairs)
        case True, False:
            return any(mine.startswith(other) for mine, other in pairs)
        case False, True:
            return any(mine.endswith(other) for mine, other in pairs)
    return any(mine == other for mine, other in pairs)


def parse_number(text: str) -> float | None:
    """Return the number that a text is, or None."""
    if len(text) > _NUMBER_LENGTH_MAX:
        return None
    if _HEX.fullmatch(text):
        return int(text, 16)
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def parse_time(text: str) -> datetime | None:
    """Return the moment in UTC that a text names, or None."""
    if len(text) > _TIME_LENGTH_MAX:
        return None
    if _EPOCH.fullmatch(text):
        whole = text.partition(".")[0]
        return datetime.fromtimestamp(int(whole) // 10 ** (len(whole) - _SECONDS_DIGITS), UTC)
    if not _ISO.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text.upper().replace(" UTC", "Z"))
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def time_part(moment: datetime, part: TimestampPart) -> int:
    """Return what a time modifier takes of a moment."""
    if part is TimestampPart.WEEK:
        return int(moment.strftime("%V"))
    return int(getattr(moment, part.name.lower()))


def _numeric(value: SigmaType) -> CellCheck:
    holds: Callable[[float, float], bool]
    if isinstance(value, SigmaCompareExpression) and value.op in _COMPARE:
        wanted, holds = value.number, _COMPARE[value.op]
    elif isinstance(value, SigmaNumber):
        wanted, holds = value, operator.eq
    else:
        raise NotImplementedError(type(value).__name__)
    if isinstance(wanted, SigmaTimestampPart):
        return _timed(wanted, holds)

    def check(cell: Cell) -> bool:
        numbers = (parse_number(text) for text in cell.raw)
        return any(holds(number, wanted.number) for number in numbers if number is not None)

    return check


def _timed(wanted: SigmaTimestampPart, holds: Callable[[float, float], bool]) -> CellCheck:
    def check(cell: Cell) -> bool:
        times = (parse_time(text) for text in cell.raw)
        return any(holds(time_part(t, wanted.timestamp_part), wanted.number) for t in times if t)

    return check


def _regex(value: SigmaRegularExpression) -> CellCheck:
    regex = compile_regex(
        str(value.regexp),
        ignore_case=SigmaRegularExpressionFlag.IGNORECASE in value.flags,
        multiline=SigmaRegularExpressionFlag.MULTILINE in value.flags,
        dotall=SigmaRegularExpressionFlag.DOTALL in value.flags,
    )
    return lambda cell: any(regex.search(text) is not None for text in cell.raw)


def _inside(text: str, value: SigmaCIDRExpression) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address) in value.network


def _textual(value: SigmaString | SigmaRegularExpression, *, anywhere: bool = False) -> CellCheck:
    if isinstance(value, SigmaRegularExpression):
        return _regex(value)
    cased = isinstance(value, SigmaCasedString)
    many = [SpecialChars.WILDCARD_MULTI] if anywhere else []
    pieces = _pieces([*many, *value.s, *many], cased=cased)
    holds = _text_check(pieces)
    if cased:
        return lambda cell: any(map(holds, cell.raw))
    return lambda cell: any(map(holds, cell.folded))


def _text_check(pieces: list[Piece]) -> Callable[[str], bool]:
    """Return ``_like`` for these pieces; what most rules ask for is said directly."""
    match pieces:
        case [str(whole)]:
            return lambda text: text == whole
        case ["", str(part), ""]:
            return lambda text: part in text
        case ["", str(end)]:
            return lambda text: text.endswith(end)
        case [str(start), ""]:
            return lambda text: text.startswith(start)
    return lambda text: _like(text, pieces)


Piece = str | list[str | None]
"""What stands between two ``*``: a text, or characters with None for each ``?``."""


def _pieces(parts: Sequence[object], *, cased: bool) -> list[Piece]:
    pieces: list[list[str | None]] = [[]]
    for part in parts:
        match part:
            case str():
                pieces[-1] += part if cased else fold(part)
            case SpecialChars.WILDCARD_SINGLE:
                pieces[-1].append(None)
            case SpecialChars.WILDCARD_MULTI:
                pieces.append([])
            case _:
                raise NotImplementedError(str(part))
    return [piece if None in piece else "".join(map(str, piece)) for piece in pieces]


def _like(text: str, pieces: list[Piece]) -> bool:
    """Tell whether a text is the pieces in order with anything between them."""
    first, *middle = pieces
    if not _stands(text, first, 0):
        return False
    if not middle:
        return len(text) == len(first)
    *middle, last = middle
    at = len(first)
    for piece in middle:
        found = _find(text, piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - len(last) >= at and _stands(text, last, len(text) - len(last))


def _stands(text: str, piece: Piece, at: int) -> bool:
    if isinstance(piece, str):
        return text.startswith(piece, at)
    return at + len(piece) <= len(text) and all(
        sign is None or text[at + i] == sign for i, sign in enumerate(piece)
    )


def _find(text: str, piece: Piece, start: int) -> int:
    """Return the leftmost place from ``start`` on where a piece stands, or -1."""
    if isinstance(piece, str):
        return text.find(piece, start)
    places = range(start, len(text) - len(piece) + 1)
    return next((at for at in places if _stands(text, piece, at)), -1)
