"""The columns of Windows events: from EVTX structures decoded by need, and from flat fields."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from ingest.decode.columns import UNSET, to_cells, value_cell
from ingest.decode.jsontext import load_json
from ingest.logsources.windows_shapes import Flat, element, evtx_flat, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


class EvtxTop(msgspec.Struct, gc=False):
    """One line of an EVTX converter."""

    Event: EvtxEvent


_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CACHED_MAX = 10_000  # decoders by names, attributes by text; a full cache starts anew
_decoders: dict[tuple[str, ...], Callable[[Any], Any]] = {}
_attributes: dict[bytes, dict[str, Any]] = {}

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
_SHORT = {
    "UserID": "Security_UserID",
    "ProcessID": "Execution_ProcessID",
    "ThreadID": "Execution_ThreadID",
}
_TIME_NAMES = frozenset({"TimeCreated", "TimeCreated_SystemTime"})


def decode_windows(rows: Sequence[EvtxEvent | Flat], names: Sequence[str]) -> list[Cells]:
    """Return one column of cells per name."""
    wanted = tuple(names)
    if not wanted:
        return []
    columns = zip(*_values(rows, wanted), strict=True)
    return [
        to_cells(_with_system(column, rows, name), _element_cell)
        for name, column in zip(wanted, columns, strict=False)
    ]


def event_type(row: EvtxEvent | Flat) -> Any:
    """Return EventType, which divides the events 12 of Sysmon."""
    return _values([row], ("EventType",))[0][0]


def _element_cell(value: Any) -> str:
    return value_cell(text_of(value))


def _values(rows: Sequence[Any], names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Return the values of event data and user data, row by row; the last of a row is Data."""
    decode = _decoder(names)
    values = []
    # 0.6 us an event at 20 names: event data are decoded once, whatever their number.
    for row in rows:
        if row.__class__ is EvtxEvent and row.UserData is UNSET and row.EventData is not UNSET:
            try:
                found = astuple(decode(row.EventData))
            except _DECODE_ERRORS:
                found = _UNKNOWN
            # Data may hold named elements: those, a text, a lone surrogate go the slow way.
            if found[-1] is UNSET:
                values.append(found)
                continue
        values.append(_slow_values(row, names))
    return values


_UNKNOWN = (None,)


def _slow_values(row: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    flat = (
        row if isinstance(row, Flat) else evtx_flat(_loaded(row.EventData), _loaded(row.UserData))
    )
    return (*(_flat_value(flat, name) for name in names), UNSET)


def _loaded(raw: Any) -> Any:
    return None if raw is UNSET else load_json(bytes(raw))


def _decoder(names: tuple[str, ...]) -> Callable[[Any], Any]:
    found = _decoders.get(names)
    if found is None:
        if len(_decoders) >= _CACHED_MAX:
            _decoders.clear()
        keys = {f"f{i}": name for i, name in enumerate(names) if name != "Data"}
        fields = [(f"f{i}", Any, UNSET) for i in range(len(names))]
        struct = msgspec.defstruct(
            "EventData", [*fields, ("Data", Any, UNSET)], rename=keys, gc=False
        )
        found = _decoders[names] = msgspec.json.Decoder(struct).decode
    return found


def _flat_value(row: Any, name: str) -> Any:
    for fields in row:
        value = fields.get(name, UNSET)
        if value is not UNSET:
            return value
    return UNSET


def _with_system(column: Sequence[Any], rows: Sequence[Any], name: str) -> Sequence[Any]:
    """Fill what event data lack from the System element."""
    if name in _DIRECT:
        get: Callable[[EvtxSystem], Any] = attrgetter(name)
    elif (full := _SHORT.get(name, name)) in _IN_ATTRIBUTES:
        get = partial(_attribute, _IN_ATTRIBUTES[full], full)
    elif name in _TIME_NAMES:
        get = _time
    else:
        return column
    return [
        get(row.System) if value is UNSET and row.__class__ is EvtxEvent else value
        for value, row in zip(column, rows, strict=True)
    ]


def _time(system: EvtxSystem) -> Any:
    time = system.TimeCreated.attributes.SystemTime
    return UNSET if time is None else time


def _attribute(name: str, full: str, system: EvtxSystem) -> Any:
    raw = getattr(system, name)
    if raw is UNSET:
        return UNSET
    # The same few providers and users again and again: 0.1 us instead of 0.4.
    text = bytes(raw)
    found = _attributes.get(text)
    if found is None:
        if len(_attributes) >= _CACHED_MAX:
            _attributes.clear()
        found = _attributes[text] = dict(element({name: load_json(text)}, name))
    return found.get(full, UNSET)
