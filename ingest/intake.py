"""From records of the log to batches: one per part, and what could not be read as rejects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from ingest.decode.assemble import decode_part
from ingest.decode.layout import Layout, Origin, Unreadable
from ingest.decode.times import micros, time_series
from ingest.logsources import HINTS
from ingest.route import reader
from ingest.unpack import Unpacked, unpack
from luytre.core.batch import Batch, LogSource, Part, TopicPartition
from luytre.core.ecs import ENVELOPE, REJECTS, empty_rejects
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from luytre.core.batch import Needed
    from luytre.core.message import Record

REJECTED = Part("rejects", (LogSource(),))
"""The part of a batch that holds nothing but rejects."""

log = get_logger("ingest")


class Admit(Protocol):
    """Says which sequences of a record are new (``SeenSequences.admit`` of ``ingest.ledger``)."""

    def __call__(
        self,
        place: TopicPartition,
        offset: int,
        stream: str,
        first_seq: int,
        count: int,
        *,
        replayed: bool = False,
    ) -> Sequence[tuple[int, int]]:
        """Return the ranges to take. Raises ``ValueError`` with the reason of a reject."""


class Intake:
    """Unpacks messages, routes their events to parts, and decodes the columns that are needed.

    Bad data never raises: it becomes a reject with a reason. All batches of one call carry the
    same offsets. ``organization`` is whose events are those of foreign messages that do not say.
    """

    def __init__(
        self, needed: Needed, admit: Admit | None = None, *, organization: str = "local"
    ) -> None:
        self._needed = needed
        self._admit = admit
        self._organization = organization

    def __call__(self, records: Sequence[Record]) -> list[Batch]:
        """Return the batches of these records, at least one if there are any records."""
        gathered = _Gathered()
        offsets: dict[TopicPartition, int] = {}
        for record in records:
            place = TopicPartition(record.topic, record.partition)
            offsets[place] = max(offsets.get(place, 0), record.offset + 1)
            self._take(unpack(record), place, gathered)
        if not records:
            return []
        batches = self._batches(gathered, offsets)
        rejects = gathered.rejects()
        if not batches:
            return [Batch(REJECTED, pl.DataFrame(schema=ENVELOPE), rejects, offsets)]
        first = batches[0]
        return [Batch(first.part, first.events, rejects, offsets), *batches[1:]]

    def _take(self, message: Unpacked, place: TopicPartition, gathered: _Gathered) -> None:
        ranges: Sequence[tuple[int, int]] | None = None
        problem = message.problem
        if self._admit is not None and message.count:
            sequence = message.record.offset if message.foreign else message.first_seq or 0
            count = 1 if message.foreign else message.count
            replayed = "replayed" in message.headers
            try:
                ranges = self._admit(
                    place, message.record.offset, message.stream, sequence, count, replayed=replayed
                )
            except ValueError as error:
                problem = problem or str(error)
            if ranges is not None and not ranges:
                return
        gathered.message(message, self._organization)
        if problem:
            for index in range(len(message.events)):
                gathered.reject(message, index, problem)
            return
        read = reader(gathered.origin.hint)
        for index in _taken(message, ranges):
            gathered.read(message, index, read)

    def _batches(self, gathered: _Gathered, offsets: dict[TopicPartition, int]) -> list[Batch]:
        envelope = gathered.envelope()
        return [
            Batch(
                layout.part,
                _events(layout, group, envelope, self._needed(layout.part)),
                empty_rejects(),
                offsets,
            )
            for layout, group in gathered.groups.items()
        ]


def _taken(message: Unpacked, ranges: Sequence[tuple[int, int]] | None) -> Sequence[int]:
    count = len(message.events)
    if ranges is None or message.foreign or message.first_seq is None:
        return range(count)
    first = message.first_seq
    return [
        i for low, high in ranges for i in range(max(low - first, 0), min(high - first + 1, count))
    ]


def _events(
    layout: Layout, group: _Group, envelope: pl.DataFrame, needed: frozenset[str]
) -> pl.DataFrame:
    rows = envelope[group.index] if len(group.index) != envelope.height else envelope
    times = time_series(group.times).alias("@timestamp")
    columns = decode_part(layout, group.fields, sorted(needed - ENVELOPE.keys()))
    return rows.with_columns(times, *columns).select(*ENVELOPE, *(c.name for c in columns))


@dataclass(slots=True)
class _Group:
    """The rows of one part: where they stand in the envelope, their times and their fields."""

    index: list[int] = field(default_factory=list)
    times: list[str | int | None] = field(default_factory=list)
    fields: list[Any] = field(default_factory=list)


class _Gathered:
    """The events of one call, before they become columns."""

    def __init__(self) -> None:
        self.groups: dict[Layout, _Group] = {}
        self.origin = Origin()
        self._ids: list[str] = []
        self._originals: list[bytes] = []
        self._sequences: list[int | None] = []
        self._message_of: list[int] = []
        self._messages: list[dict[str, object]] = []
        self._rejects: list[dict[str, object]] = []

    def message(self, message: Unpacked, organization: str) -> None:
        """Note what the following events have in common."""
        record, headers = message.record, message.headers
        hint = headers.get("hint", "auto")
        self.origin = Origin(
            hint if hint in HINTS else "auto",
            headers.get("path", ""),
            headers.get("host", ""),
            micros(record.appended_at),
        )
        self._messages.append(
            {
                "event.ingested": record.appended_at,
                "organization.id": headers.get("organization") or organization,
                "luytre.stream": message.stream,
                "log.topic": record.topic,
                "log.partition": record.partition,
                "log.offset": record.offset,
            }
        )

    def read(self, message: Unpacked, index: int, read: Callable[[bytes, Origin], Any]) -> None:
        """Read one event into its part's group, or note why it cannot be read."""
        raw = message.events[index]
        try:
            layout, time, fields = read(raw, self.origin)
        except Unreadable as error:
            self.reject(message, index, str(error))
            return
        except Exception as error:  # noqa: BLE001 - one poisoned event must not stop the SOC
            log.error("a decoder failed", error=repr(error), event_id=_event_id(message, index))
            self.reject(message, index, f"a decoder failed: {type(error).__name__}")
            return
        group = self.groups.get(layout)
        if group is None:
            group = self.groups[layout] = _Group()
        group.index.append(len(self._ids))
        group.times.append(time)
        group.fields.append(fields)
        self._ids.append(_event_id(message, index))
        self._originals.append(raw)
        self._sequences.append(_sequence(message, index))
        self._message_of.append(len(self._messages) - 1)

    def reject(self, message: Unpacked, index: int, reason: str) -> None:
        """Note an event that cannot be read."""
        self._rejects.append(
            {
                **self._messages[-1],
                "event.id": _event_id(message, index),
                "event.original": message.events[index],
                "luytre.sequence": _sequence(message, index),
                "luytre.hint": self.origin.hint,
                "error.message": reason,
                "luytre.origin": message.origin,
                "luytre.position": message.positions[index],
                "host.name": self.origin.host,
                "log.file.path": self.origin.path,
            }
        )

    def rejects(self) -> pl.DataFrame:
        """Return the rejects as a frame."""
        return pl.DataFrame(self._rejects, schema=REJECTS)

    def envelope(self) -> pl.DataFrame:
        """Return the envelope of all events, but for their times."""
        schema = {name: ENVELOPE[name] for name in self._messages[0]} if self._messages else {}
        messages = pl.DataFrame(self._messages, schema=schema)
        return messages[self._message_of].with_columns(
            pl.Series("event.id", self._ids, pl.String),
            pl.Series("event.original", self._originals, pl.Binary),
            pl.Series("luytre.sequence", self._sequences, pl.Int64),
        )


def _event_id(message: Unpacked, index: int) -> str:
    """Return sha256(origin, position, sha256(raw)): 1.9 us at 840 bytes, two thirds for raw."""
    digest = hashlib.sha256(message.events[index]).hexdigest()
    identity = f"{message.origin}\n{message.positions[index]}\n{digest}"
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()


def _sequence(message: Unpacked, index: int) -> int | None:
    if message.foreign:
        return message.record.offset
    return None if message.first_seq is None else message.first_seq + index
