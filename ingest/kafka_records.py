"""From what kafka-python gives to the log's records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from luytre.core.message import Message, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_MS_MAX = 253_402_300_799_999
"""The end of the year 9999."""


def record_of(
    found: Any, topic: str, headers: Mapping[str, str] | None = None, value: bytes | None = None
) -> Record:
    """Return a record of Kafka as ours: ``topic`` is what we call it.

    ``headers`` replace those of the message, whose sender may claim anything in them; ``value``
    replaces what it carries.
    """
    if headers is None:
        # A header that is not text is nobody's whom we know; undecodable bytes stay visible.
        headers = {
            name: (value or b"").decode(errors="backslashreplace") for name, value in found.headers
        }
    message = Message(found.key or b"", (found.value or b"") if value is None else value, headers)
    return Record(topic, found.partition, found.offset, _time(found.timestamp), message)


def _time(milliseconds: int | None) -> datetime:
    # Where a producer sets the time, it may be nonsense.
    within = min(max(milliseconds or 0, 0), _TIME_MS_MAX)
    return _EPOCH + timedelta(milliseconds=within)
