"""Fields that are plain texts and numbers, as nearly all are: straight from JSON to cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from ahocorasick_rs import BytesAhoCorasick, MatchKind
from msgspec.structs import astuple

from ingest.decode.columns import UNSET, value_cell
from ingest.decode.jsontext import DECODE_ERRORS
from luytre.core.cells import MARK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.decode.layout import Cells

# What may be MARK; found at 10 GB/s.
_ODD = BytesAhoCorasick([MARK.encode(), b"\\uf", b"\\uF"], matchkind=MatchKind.LeftmostFirst)
_Unset = msgspec.UnsetType
_OTHERS = frozenset({int, bool})


class Plain:
    """Decodes the fields of many objects by a type that admits texts and some numbers only.

    What the type refuses is left to others, and ``learn`` is told what they found. So hardly a
    value is looked at by itself: 0.3 us an event and 0.02 a field.
    """

    def __init__(self, names: tuple[str, ...], *, data: bool = True) -> None:
        """``data``: the element Data may hold named elements, which are fields then."""
        self._names, self._may_hold_data = names, data and "Data" not in names
        self._others = frozenset[int]()  # the places of fields that may be numbers
        self._empty = (UNSET,) * (len(names) + 1)
        self._decoder = self._make()

    def _make(self) -> msgspec.json.Decoder[Any] | None:
        text, other = str | None | _Unset, int | bool | str | None | _Unset
        kinds = [
            (f"f{at}", other if at in self._others else text, UNSET)
            for at in range(len(self._names))
        ]
        # Then Data must not be there, unless it is a field that is asked for.
        unasked = [("data", None | _Unset, UNSET)] if self._may_hold_data else []
        keys = {f"f{at}": name for at, name in enumerate(self._names)} | {"data": "Data"}
        struct = msgspec.defstruct("Plain", [*kinds, *unasked], rename=keys, gc=False)
        return msgspec.json.Decoder(struct | None)

    def columns(self, raws: Sequence[Any]) -> list[Cells] | None:
        """Return one column per name, empty if missing in all; None if some are not plain."""
        if self._decoder is None or not raws:
            return None
        text = b"\n".join(raws)
        if _ODD.find_matches_as_indexes(text):
            return None
        try:
            found = self._decoder.decode_lines(text)
        except DECODE_ERRORS:
            return None
        if len(found) != len(raws):
            return None
        rows = [astuple(each) if each else self._empty for each in found]
        columns = list(zip(*rows, strict=False))[: len(self._names)]
        return [self._cells(column, at) for at, column in enumerate(columns)]

    def _cells(self, column: Sequence[Any], at: int) -> Cells:
        missing = column.count(UNSET)
        if missing == len(column):
            return []
        if at in self._others:
            return [
                value if value.__class__ is str else None if value is UNSET else value_cell(value)
                for value in column
            ]
        if missing or column.count(None):
            return [
                None if value is UNSET else value_cell(value) if value is None else value
                for value in column
            ]
        return list(column)

    def learn(self, columns: Sequence[Sequence[Any]]) -> None:
        """Admit numbers where there are some; give up where there are other values."""
        if self._decoder is None:
            return
        kinds = [set(map(type, column)) - {str, _Unset, type(None)} for column in columns]
        if any(kind - _OTHERS for kind in kinds):
            self._decoder = None
            return
        others = self._others | {at for at, kind in enumerate(kinds) if kind}
        if others != self._others:
            self._others = others
            self._decoder = self._make()
