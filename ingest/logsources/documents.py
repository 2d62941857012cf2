"""Any JSON object without a log source of its own: its fields by their dotted paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.decode.columns import UNSET, decode_documents, resolve
from ingest.decode.jsontext import load_object
from ingest.decode.layout import Layout, Origin, Row
from ingest.decode.times import epoch_us
from luytre.core.batch import LogSource, Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIMES = ("@timestamp", "timestamp", "time", "ts", "eventTime", "datetime", "date", "event.created")

LAYOUT = Layout(Part("json", (LogSource(),)), decode_documents, open=True)


def read(raw: bytes, origin: Origin) -> Row:
    """Return the row of a JSON object. Raises ``Unreadable``."""
    return read_document(load_object(raw), origin)


def read_document(document: dict[str, Any], origin: Origin) -> Row:
    """Return the row of a decoded JSON object."""
    return Row(LAYOUT, document_time(document, _TIMES), with_host(document, "host.name", origin))


def document_time(document: Mapping[str, Any], names: Sequence[str]) -> str | int | None:
    """Return the first of the named fields that is a time: ISO 8601 text, or an epoch."""
    for name in names:
        value = resolve(document, name)
        if isinstance(value, str):
            return epoch_us(value) if value.replace(".", "", 1).isdigit() else value
        if value is not UNSET and isinstance(value, int | float) and not isinstance(value, bool):
            return epoch_us(value)
    return None


def with_host(document: dict[str, Any], name: str, origin: Origin) -> dict[str, Any]:
    """Return the document with the sender's host, where it names none itself."""
    if origin.host and resolve(document, name) is UNSET:
        return {**document, name: origin.host}
    return document
