"""From records of the log to batches: one per part, and what could not be read as rejects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import polars as pl

from ingest.gather import Gathered
from ingest.unpack import Unpacked, unpack
from luytre.core.batch import Batch, LogSource, Part, TopicPartition
from luytre.core.collection import no_collection
from luytre.core.ecs import ENVELOPE, empty_rejects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.batch import Needed
    from luytre.core.message import Record

REJECTED = Part("rejects", (LogSource(),))
"""The part of a batch that holds nothing but rejects."""


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
        if not records:
            return []
        with no_collection():
            return self._batches(records)

    def _batches(self, records: Sequence[Record]) -> list[Batch]:
        gathered = Gathered(self._organization, self._needed)
        offsets: dict[TopicPartition, int] = {}
        for record in records:
            place = TopicPartition(record.topic, record.partition)
            offsets[place] = max(offsets.get(place, 0), record.offset + 1)
            self._take(unpack(record), place, gathered)
        batches = [
            Batch(part, events, empty_rejects(), offsets) for part, events in gathered.parts()
        ]
        rejects = gathered.rejects()
        if not batches:
            return [Batch(REJECTED, pl.DataFrame(schema=ENVELOPE), rejects, offsets)]
        return [replace(batches[0], rejects=rejects), *batches[1:]]

    def _take(self, message: Unpacked, place: TopicPartition, gathered: Gathered) -> None:
        problem, ranges = message.problem, None
        numbered = message.foreign or message.first_seq is not None
        if self._admit is not None and numbered and message.count:
            try:
                ranges = self._admit(
                    place,
                    message.record.offset,
                    message.stream,
                    message.sequence(0),
                    1 if message.foreign else message.count,
                    replayed="replayed" in message.headers,
                )
            except ValueError as error:
                problem = problem or str(error)
        if problem:
            if ranges is None or ranges:
                gathered.refuse(message, problem)
            return
        gathered.read(message, _taken(message, ranges))


def _taken(message: Unpacked, ranges: Sequence[tuple[int, int]] | None) -> Sequence[int]:
    """Return the indexes of the events inside the ranges of sequences; all if None."""
    count = len(message.events)
    if ranges is None or (message.foreign and ranges):
        return range(count)
    first = message.sequence(0)
    return [
        i for low, high in ranges for i in range(max(low - first, 0), min(high - first + 1, count))
    ]
