"""Records in portions of bounded size: what one turn of a loop may hold in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from luytre.core.message import Record

EVENTS_MAX = 50_000
BYTES_MAX = 32 * 2**20
"""Before compression: 107 bytes of zstd can be a thousand lines."""


def portions(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records in their order, gathered up to a bound of events and plain bytes.

    One record that is larger than the bound is a portion of its own.
    """
    gathered: list[Record] = []
    events = size = 0
    for record in records:
        count, plain = weight(record)
        if gathered and (events + count > EVENTS_MAX or size + plain > BYTES_MAX):
            yield gathered
            gathered, events, size = [], 0, 0
        gathered.append(record)
        events += count
        size += plain
    if gathered:
        yield gathered


def weight(record: Record) -> tuple[int, int]:
    """Return how many events and plain bytes a record says it holds."""
    headers, value = record.message.headers, record.message.value
    count = headers.get("count", "1")
    events = int(count) if count.isascii() and count.isdigit() else 1
    plain = len(value)
    if headers.get("encoding") == "zstd":
        try:
            plain = max(plain, zstandard.frame_content_size(value))
        except zstandard.ZstdError:
            return events, plain
    return events, plain
