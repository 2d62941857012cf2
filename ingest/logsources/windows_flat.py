"""Windows events as flat JSON (NXLog, Logstash): which lines they are, and their columns."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from ingest.decode.columns import UNSET
from ingest.decode.jsontext import DECODE_ERRORS, load_object, may_be_deep
from ingest.logsources.windows_shapes import NXLOG, has_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


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


def is_flat(top: FlatTop, raw: bytes) -> bool:
    """Tell whether ``flatten`` would take the object for a flat event that names its channel."""
    return (
        isinstance(top.Channel, str)
        and top.EventID is not UNSET
        and top.System is top.winlog is top.dotted is UNSET
        and (top.event_id is UNSET or top.log_name is UNSET)
        and not may_be_deep(raw)
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


@lru_cache(maxsize=4096)
def line_reader(names: tuple[str, ...]) -> Callable[[bytes], list[Any]]:
    """Return what finds the values of ``names`` in a line of flat JSON, and maybe more after them.

    A line is decoded once more, but only for what somebody needs: 2.5 us at 2.5 KB, where the
    dictionary of all fields and the look-ups in it took 20.
    """
    others = {at: more for at, name in enumerate(names) if (more := _stand_ins(name))}
    asked = tuple(dict.fromkeys((*names, *(other for more in others.values() for other in more))))
    decode = decoder(asked)
    stand_ins = [(at, [asked.index(other) for other in more]) for at, more in others.items()]

    def read(raw: bytes) -> list[Any]:
        try:
            values = list(astuple(decode(raw)))
        except DECODE_ERRORS:
            document = load_object(raw)  # only the lenient reader takes it
            values = [document.get(name, UNSET) for name in asked]
        for at, places in stand_ins:
            if values[at] is UNSET:
                values[at] = _first(values, places, zoned=asked[at] == "TimeCreated")
        return values

    return read


def _first(values: Sequence[Any], places: Sequence[int], *, zoned: bool) -> Any:
    for at in places:
        value = values[at]
        if value is not UNSET:
            return value if not zoned or (isinstance(value, str) and has_zone(value)) else UNSET
    return UNSET


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
