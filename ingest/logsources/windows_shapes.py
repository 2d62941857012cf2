"""The JSON shapes of a Windows event, brought to one: event data, user data, system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.decode.columns import UNSET, resolve, value_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ATTRIBUTES = "#attributes"
_TEXT = "#text"


class Flat(NamedTuple):
    """One event; a field is looked up in ``data``, then ``user``, then ``system``."""

    data: Mapping[str, Any]
    user: Mapping[str, Any]
    system: Mapping[str, Any]

    @property
    def time(self) -> str | None:
        """The event's own time, as the log wrote it."""
        for name in ("TimeCreated", "@timestamp", "EventTime"):
            value = self.system.get(name)
            if isinstance(value, str):
                return value
        return None


def flatten(document: Mapping[str, Any]) -> Flat | None:
    """Return the one shape of any JSON form of a Windows event, None if it is none."""
    event = document.get("Event", document)
    if isinstance(event, dict) and isinstance(event.get("System"), dict):
        return _evtx(event)
    if resolve(document, "winlog.event_id") is not UNSET:
        return _winlogbeat(document)
    if "event_id" in document and "log_name" in document:
        return _winlogbeat_6(document)
    if "EventID" in document and not document.keys().isdisjoint(_FLAT_MARKS):
        return _nxlog(document)
    return None


def text_of(value: Any) -> Any:
    """Return what an element with attributes holds: ``{"#text": x}`` is x."""
    return value.get(_TEXT, value) if isinstance(value, dict) else value


def element_cell(value: Any) -> str:
    """Return the cell of a value that may be an element with attributes."""
    return value_cell(text_of(value))


def element(system: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """Yield the names under which an element of System is known, with their values."""
    value = system[name]
    if not isinstance(value, dict):
        yield name, value
        return
    attributes = value.get(_ATTRIBUTES)
    for key, inner in (attributes if isinstance(attributes, dict) else value).items():
        if key == _TEXT:
            yield name, inner
        elif not isinstance(inner, dict | list):
            yield f"{name}_{key.removeprefix('@')}", inner
    if isinstance(attributes, dict) and _TEXT in value:
        yield name, value[_TEXT]


_ALIASES = {
    "UserID": "Security_UserID",
    "ProcessID": "Execution_ProcessID",
    "ThreadID": "Execution_ThreadID",
    "TimeCreated": "TimeCreated_SystemTime",
}


def _system(system: Mapping[str, Any]) -> dict[str, Any]:
    flat = {key: value for name in system for key, value in element(system, name)}
    for alias, name in _ALIASES.items():
        if name in flat:
            flat.setdefault(alias, flat[name])
    return flat


def _evtx(event: Mapping[str, Any]) -> Flat:
    flat = evtx_flat(event.get("EventData"), event.get("UserData"))
    return flat._replace(system=_system(event["System"]))


def evtx_flat(data: Any, user: Any) -> Flat:
    """Return EventData and the first element inside UserData, without System."""
    inner: Any = None
    if isinstance(user, dict):
        inner = next((v for k, v in user.items() if not is_attribute(k)), None)
    return Flat(event_data(data), _fields(inner) if isinstance(inner, dict) else {}, {})


def event_data(value: Any) -> dict[str, Any]:
    """Return the fields of EventData, whose ``Data`` may be named, unnamed, or a list of both."""
    if not isinstance(value, dict):
        return {} if value is None else {"Data": value}
    fields = _fields(value)
    data = value.get("Data")
    items = data if isinstance(data, list) else [data]
    named = {name: text for name, text in map(_named, items) if name}
    if named:
        fields.pop("Data", None)
        unnamed = [text for name, text in map(_named, items) if not name]
        return {**fields, **({"Data": unnamed} if unnamed else {}), **named}
    return fields


def _fields(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: text_of(inner) for name, inner in value.items() if not is_attribute(name)}


def is_attribute(name: str) -> bool:
    """Tell whether a key of an element stands for its attributes, not for an element inside."""
    return name == _ATTRIBUTES or name.startswith("@")


def _named(item: Any) -> tuple[str, Any]:
    """Return the name and text of one ``<Data Name="x">text</Data>``."""
    if not isinstance(item, dict):
        return "", item
    attributes = item.get(_ATTRIBUTES, item)
    name = (
        attributes.get("@Name", attributes.get("Name", "")) if isinstance(attributes, dict) else ""
    )
    return (name if isinstance(name, str) else ""), item.get(_TEXT, None if name else item)


_WINLOG = {
    "EventID": "event_id", "Channel": "channel", "Provider_Name": "provider_name",
    "Provider_Guid": "provider_guid", "Computer": "computer_name", "EventRecordID": "record_id",
    "Task": "task", "Opcode": "opcode", "Keywords": "keywords", "Version": "version",
    "Level": "level", "Security_UserID": "user.identifier", "UserID": "user.identifier",
    "Execution_ProcessID": "process.pid", "Execution_ThreadID": "process.thread.id",
    "ProcessID": "process.pid", "ThreadID": "process.thread.id", "TimeCreated": "time_created",
}  # fmt: skip
_WINLOG_6 = {
    "EventID": "event_id", "Channel": "log_name", "Provider_Name": "source_name",
    "Provider_Guid": "provider_guid", "Computer": "computer_name", "EventRecordID": "record_number",
    "Task": "task", "Opcode": "opcode", "Keywords": "keywords", "Version": "version",
    "Level": "level", "Security_UserID": "user.identifier", "UserID": "user.identifier",
    "Execution_ProcessID": "process_id", "Execution_ThreadID": "thread_id",
    "ProcessID": "process_id", "ThreadID": "thread_id",
    "Message": "message", "@timestamp": "@timestamp",
}  # fmt: skip
NXLOG: Mapping[str, tuple[str, ...]] = {
    "Provider_Name": ("SourceName", "ProviderName", "Provider"),
    "Provider_Guid": ("ProviderGuid",),
    "Computer": ("Hostname", "ComputerName", "MachineName"),
    "EventRecordID": ("RecordNumber", "RecordID"),
    "Security_UserID": ("UserID",),
    "Execution_ProcessID": ("ExecutionProcessID",),
    "Execution_ThreadID": ("ExecutionThreadID",),
    "Opcode": ("OpcodeValue",),
    "Level": ("SeverityValue",),
}
_FLAT_MARKS = frozenset({"Channel", "Provider_Name", *NXLOG["Provider_Name"]})


def _prefixed(document: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return what stands under ``prefix``, nested or as dotted keys."""
    nested = resolve(document, prefix)
    if isinstance(nested, dict):
        return nested
    start = prefix + "."
    return {k.removeprefix(start): v for k, v in document.items() if k.startswith(start)}


def _picked(
    document: Mapping[str, Any], names: Mapping[str, str], prefix: str = ""
) -> dict[str, Any]:
    found = {name: resolve(document, prefix + path) for name, path in names.items()}
    return {name: value for name, value in found.items() if value is not UNSET}


def _winlogbeat(document: Mapping[str, Any]) -> Flat:
    system = _picked(document, _WINLOG, "winlog.")
    system |= _picked(document, {"Message": "message", "@timestamp": "@timestamp"})
    data = _prefixed(document, "winlog.event_data")
    return Flat(_parameters(data), _prefixed(document, "winlog.user_data"), system)


def _winlogbeat_6(document: Mapping[str, Any]) -> Flat:
    data, user = _prefixed(document, "event_data"), _prefixed(document, "user_data")
    return Flat(_parameters(data), user, _picked(document, _WINLOG_6))


def _parameters(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Winlogbeat calls unnamed data param1, param2, ...; Sigma calls all of them Data."""
    if "param1" not in data or "Data" in data:
        return data
    values: list[Any] = []
    while (name := f"param{len(values) + 1}") in data:
        values.append(data[name])
    return {**data, "Data": values}


def _nxlog(document: Mapping[str, Any]) -> Flat:
    system = {
        name: document[key]
        for name, keys in NXLOG.items()
        if name not in document
        for key in reversed(keys)
        if key in document
    }
    for name in ("EventID", "Channel", "TimeCreated", "@timestamp", "EventTime"):
        if name in document:
            system[name] = document[name]
    if isinstance(system.get("EventTime"), str) and has_zone(system["EventTime"]):
        system.setdefault("TimeCreated", system["EventTime"])
    return Flat(document, {}, system)


def has_zone(time: str) -> bool:
    """Tell whether an ISO 8601 time says its zone, which 1e+16 does not."""
    dated = ":" in time or "T" in time
    return dated and (time.endswith("Z") or "+" in time or time.count("-") > 2)  # noqa: PLR2004
