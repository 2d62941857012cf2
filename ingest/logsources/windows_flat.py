"""Windows events as flat JSON (NXLog, Logstash): which lines they are, and their columns."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from ingest.decode.columns import UNSET, to_cells
from ingest.decode.jsontext import DECODE_ERRORS, load_object
from ingest.logsources.windows_plain import Plain
from ingest.logsources.windows_shapes import NXLOG, element_cell, has_zone
from luytre.core.cells import is_list

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.decode.layout import Cells


class FlatTop(msgspec.Struct, gc=False, rename={"dotted": "winlog.event_id", "at": "@timestamp"}):
    """What tells a flat event from all other JSON, its part and its time."""

    Channel: Any = UNSET
    EventID: Any = UNSET
    EventTime: Any = UNSET
    at: Any = UNSET
    TimeCreated: Any = UNSET
    EventType: Any = UNSET
    System: Any = UNSET
    winlog: Any = UNSET
    dotted: Any = UNSET
    event_id: Any = UNSET
    log_name: Any = UNSET


def is_flat(top: FlatTop) -> bool:
    """Tell whether ``flatten`` would take the object for a flat event that names its channel."""
    return (
        isinstance(top.Channel, str)
        and top.EventID is not UNSET
        and top.System is top.winlog is top.dotted is UNSET
        and (top.event_id is UNSET or top.log_name is UNSET)
    )


def time_of(top: FlatTop) -> str | None:
    """Return the event's own time; ``EventTime`` stands for ``TimeCreated`` if it has a zone."""
    created = top.TimeCreated
    if created is UNSET and isinstance(top.EventTime, str) and has_zone(top.EventTime):
        created = top.EventTime
    for value in (created, top.at, top.EventTime):
        if isinstance(value, str):
            return value
    return None


class FlatLines:
    """Finds the values of some names in lines of flat JSON, NXLog's names among them.

    A line is decoded once more, but only for what somebody needs.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        others = {at: more for at, name in enumerate(names) if (more := _stand_ins(name))}
        others_named = (other for more in others.values() for other in more)
        self.names, self._asked = names, tuple(dict.fromkeys((*names, *others_named)))
        self._plain, self._decode = Plain(self._asked, data=False), decoder(self._asked)
        self._stand_ins = [
            (at, [self._asked.index(other) for other in more]) for at, more in others.items()
        ]

    def columns(self, lines: Sequence[bytes]) -> list[Cells]:
        """Return one column of cells per name."""
        columns = self._plain.columns(lines)
        if columns is None:
            found = list(zip(*map(self._values, lines), strict=True))
            self._plain.learn(found)
            columns = [to_cells(column, element_cell) for column in found]
        for at, places in self._stand_ins:
            for place in places:
                columns[at] = _stood_in(columns[at], columns[place], self._asked[at])
        return columns[: len(self.names)]

    def _values(self, line: bytes) -> Sequence[Any]:
        try:
            return astuple(self._decode(line))
        except DECODE_ERRORS:
            document = load_object(line)  # only the lenient reader takes it
            return [document.get(name, UNSET) for name in self._asked]


def _stood_in(column: Cells, other: Cells, name: str) -> Cells:
    """Fill what is missing from another name's column."""
    if not other or (column and None not in column):
        return column
    if name == "TimeCreated":
        # Only a time that says its zone stands for one that always does.
        other = [cell if _is_time(cell) else None for cell in other]
    if not column:
        return other if any(cell is not None for cell in other) else []
    return [a if a is not None else b for a, b in zip(column, other, strict=True)]


def _is_time(cell: str | None) -> bool:
    return cell is not None and not is_list(cell) and has_zone(cell)


def _stand_ins(name: str) -> tuple[str, ...]:
    return ("EventTime",) if name == "TimeCreated" else NXLOG.get(name, ())


def decoder(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return what decodes an object's fields of these names into a struct, ``UNSET`` if missing."""
    return msgspec.json.Decoder(fields_struct(names)).decode


@lru_cache(maxsize=4096)
def fields_struct(names: tuple[str, ...]) -> Any:
    """Return the type of an object's fields of these names, in their order."""
    fields = [(f"f{i}", Any, UNSET) for i in range(len(names))]
    keys = {f"f{i}": name for i, name in enumerate(names)}
    return msgspec.defstruct("Fields", fields, rename=keys, gc=False)
