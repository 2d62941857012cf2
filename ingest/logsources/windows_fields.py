"""The columns of Windows events: from EVTX structures decoded by need, and from flat fields."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from ingest.decode.columns import UNSET, to_cells, value_cell
from ingest.decode.jsontext import DECODE_ERRORS, load_json
from ingest.logsources.windows_flat import decoder, line_reader
from ingest.logsources.windows_shapes import Flat, element, evtx_flat, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.decode.layout import Cells

_Raw = msgspec.Raw


class _TimeAttributes(msgspec.Struct, frozen=True, gc=False):
    SystemTime: str | None = None


class _Time(msgspec.Struct, frozen=True, gc=False, rename={"attributes": "#attributes"}):
    attributes: _TimeAttributes = _TimeAttributes()


class EvtxSystem(msgspec.Struct, gc=False):
    """The System element; what has attributes stays JSON until somebody needs it."""

    Channel: Any = UNSET
    EventID: Any = UNSET
    Computer: Any = UNSET
    Level: Any = UNSET
    Task: Any = UNSET
    Opcode: Any = UNSET
    Keywords: Any = UNSET
    Version: Any = UNSET
    EventRecordID: Any = UNSET
    TimeCreated: _Time = _Time()
    Provider: _Raw | msgspec.UnsetType = UNSET
    Security: _Raw | msgspec.UnsetType = UNSET
    Execution: _Raw | msgspec.UnsetType = UNSET
    Correlation: _Raw | msgspec.UnsetType = UNSET


class EvtxEvent(msgspec.Struct, gc=False):
    """The Event element."""

    System: EvtxSystem
    EventData: _Raw | msgspec.UnsetType = UNSET
    UserData: _Raw | msgspec.UnsetType = UNSET


_DIRECT = frozenset(
    {"Channel", "EventID", "Computer", "Level", "Task", "Opcode", "Keywords", "Version",
     "EventRecordID"}
)  # fmt: skip
_IN_ATTRIBUTES = {
    "Provider_Name": "Provider",
    "Provider_Guid": "Provider",
    "Provider_EventSourceName": "Provider",
    "Security_UserID": "Security",
    "Execution_ProcessID": "Execution",
    "Execution_ThreadID": "Execution",
    "Correlation_ActivityID": "Correlation",
    "Correlation_RelatedActivityID": "Correlation",
}
_CACHED_MAX = 10_000  # a full cache starts anew
_attributes: dict[str, dict[bytes, Any]] = {full: {} for full in _IN_ATTRIBUTES}
"""Attribute -> the JSON text of its element -> its value."""

_SHORT = {
    "UserID": "Security_UserID",
    "ProcessID": "Execution_ProcessID",
    "ThreadID": "Execution_ThreadID",
}
_TIME_NAMES = frozenset({"TimeCreated", "TimeCreated_SystemTime"})


_Keep = Callable[["EvtxEvent | Flat | bytes"], tuple[Any, ...]]


def windows_keeper(names: tuple[str, ...]) -> _Keep:
    """Return what takes the values of ``names`` from an event, for ``decode_windows``.

    An event is an EVTX structure, a flat one, or the bytes of a line of flat JSON.
    """
    if not names:
        return lambda _row: ()
    asked = names if "Data" in names else (*names, "Data")
    decode, data, other = decoder(asked), asked.index("Data"), _slow_keeper(names, asked)
    system = _system_reader(names)

    # 1.2 us for 10 names, of which 0.4 decode: in here nothing is looked up, nothing called twice.
    def keep(row: EvtxEvent | Flat | bytes) -> tuple[Any, ...]:
        if row.__class__ is not EvtxEvent:
            return other(row)
        if row.UserData is UNSET and row.EventData is not UNSET:
            try:
                found = astuple(decode(row.EventData))
            except DECODE_ERRORS:
                return other(row) + system(row.System)
            # Data may hold named elements: those, a text, a lone surrogate go the slow way.
            if found[data] is UNSET:
                return found + system(row.System)
        return other(row) + system(row.System)

    return keep


def _slow_keeper(names: tuple[str, ...], asked: tuple[str, ...]) -> _Keep:
    """Return what takes the same from all other events, System left to the caller."""
    line = line_reader(names)
    of_system = (UNSET,) * len(_of_system(names))
    of_line = (UNSET,) * (len(asked) - len(names)) + of_system

    def keep(row: EvtxEvent | Flat | bytes) -> tuple[Any, ...]:
        if isinstance(row, bytes):
            return tuple(line(row)[: len(names)]) + of_line
        if isinstance(row, Flat):
            return (*(_flat_value(row, name) for name in asked), *of_system)
        flat = evtx_flat(_loaded(row.EventData), _loaded(row.UserData))
        return tuple(_flat_value(flat, name) for name in asked)

    return keep


def decode_windows(rows: Sequence[tuple[Any, ...]], names: Sequence[str]) -> list[Cells]:
    """Return one column of cells per name, from what a keeper of the same names took."""
    if not names:
        return []
    columns = list(zip(*rows, strict=True))
    of_system = _of_system(names)
    for name, column in zip(of_system, columns[len(columns) - len(of_system) :], strict=True):
        at = names.index(name)
        columns[at] = _filled(columns[at], column)
    return [to_cells(columns[at], _element_cell) for at in range(len(names))]


def _filled(column: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Fill what event data lack from the System element."""
    missing = column.count(UNSET)
    if missing in {0, len(column)}:
        return other if missing else column
    return tuple(b if a is UNSET else a for a, b in zip(column, other, strict=True))


def event_type(row: EvtxEvent | Flat) -> Any:
    """Return EventType, which divides the events 12 of Sysmon."""
    return _keep_event_type(row)[0]


def _element_cell(value: Any) -> str:
    return value_cell(text_of(value))


def _loaded(raw: Any) -> Any:
    return None if raw is UNSET else load_json(bytes(raw))


def _flat_value(row: Any, name: str) -> Any:
    for fields in row:
        value = fields.get(name, UNSET)
        if value is not UNSET:
            return value
    return UNSET


def _of_system(names: Sequence[str]) -> list[str]:
    """Return which of the names may stand in the System element, its own fields first."""
    attributes = [n for n in names if _SHORT.get(n, n) in _IN_ATTRIBUTES or n in _TIME_NAMES]
    return [*(name for name in names if name in _DIRECT), *attributes]


def _system_reader(names: Sequence[str]) -> Callable[[EvtxSystem], tuple[Any, ...]]:
    """Return what finds those names in a System element, 0.1 us for its own fields together."""
    direct = [name for name in names if name in _DIRECT]
    getters = [_getter(name) for name in _of_system(names)[len(direct) :]]
    fields = attrgetter(*direct) if len(direct) > 1 else _single(direct)
    if not getters:
        return fields
    if len(getters) == 1:
        [one] = getters
        return lambda system: (*fields(system), one(system))
    return lambda system: (*fields(system), *[get(system) for get in getters])


def _single(direct: Sequence[str]) -> Callable[[EvtxSystem], tuple[Any, ...]]:
    if not direct:
        return lambda _system: ()
    get = attrgetter(*direct)
    return lambda system: (get(system),)


def _getter(name: str) -> Callable[[EvtxSystem], Any]:
    return _time if name in _TIME_NAMES else _attribute_getter(_SHORT.get(name, name))


def _time(system: EvtxSystem) -> Any:
    time = system.TimeCreated.attributes.SystemTime
    return UNSET if time is None else time


def _attribute_getter(full: str) -> Callable[[EvtxSystem], Any]:
    name = _IN_ATTRIBUTES[full]
    raw_of, known = attrgetter(name), _attributes[full]

    def get(system: EvtxSystem) -> Any:
        raw = raw_of(system)
        if raw is UNSET:
            return UNSET
        # The same few providers and users again and again: 0.2 us instead of 0.6.
        text = bytes(raw)
        found = known.get(text)
        if found is None:
            if len(known) >= _CACHED_MAX:
                known.clear()
            found = dict(element({name: load_json(text)}, name)).get(full, UNSET)
            known[text] = found
        return found

    return get


_keep_event_type = windows_keeper(("EventType",))
