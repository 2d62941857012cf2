"""The events of one call of the intake, by part, before they become frames."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from datetime import UTC
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import polars as pl

from ingest.dead_letter import second_try
from ingest.decode.assemble import plan
from ingest.decode.layout import Layout, Origin, Unreadable
from ingest.decode.times import in_zone, micros, time_series
from ingest.logsources import HINTS
from ingest.route import lines_reader, reader
from luytre.core.ecs import ENVELOPE, PROVENANCE, REJECTS
from luytre.core.log import get_logger
from luytre.core.zone import parse_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.decode.assemble import Plan
    from ingest.decode.layout import Cells
    from ingest.unpack import Unpacked
    from luytre.core.batch import Column, Needed, Part, Rows

log = get_logger("ingest")


class _Group:
    """The rows of one part: where they stand in order of arrival, and their fields."""

    __slots__ = ("columns", "fields", "index", "plan")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.index: list[int] = []
        self.fields: list[Any] = []
        self.columns: dict[str, Cells] = {}

    def decode(self) -> None:
        """Make the columns."""
        self.columns = self.plan.decode(self.fields)


class _Rows:
    """The events of one part; their frame is made when it is first asked for."""

    def __init__(self, gathered: Gathered, part: Part, group: _Group, start: int) -> None:
        self._gathered, self._part, self._group, self._start = gathered, part, group, start

    @property
    def height(self) -> int:
        return len(self._group.index)

    @cached_property
    def _frame(self) -> pl.DataFrame:
        envelope = self._gathered.envelope.slice(self._start, self.height)
        return envelope.hstack(self._group.plan.series(self._group.columns, self.height))

    def frame(self) -> pl.DataFrame:
        """Return the envelope and the needed columns."""
        return self._frame

    def cells(self, column: str) -> Column | None:
        """Return a column, empty if all its cells are missing; None for most of the envelope."""
        found: Column | None = self._group.columns.get(column)
        if found is not None:
            return found
        if column == _ORIGINAL:
            return self._gathered.originals(self._group.index)
        if column in _ENVELOPE:
            return None
        constant = self._part.constants.get(column)
        return [] if constant is None else [constant] * self.height


class Gathered:
    """Collects events by part, and rejects."""

    def __init__(self, organization: str, needed: Needed) -> None:
        self._organization = organization
        self._needed = needed
        self._groups: dict[Layout, _Group] = {}
        self._times: list[str | int | None] = []
        self._kept: list[tuple[Unpacked, Sequence[int]]] = []
        self._starts: list[int] = []
        self._origins: list[Origin] = []
        self._originals: list[bytes] = []
        self._sequences: list[int] = []
        self._message_of: list[int] = []
        self._messages: list[dict[str, object]] = []
        self._provenances: list[dict[str, object]] = []
        self._rejects: list[dict[str, object]] = []

    def read(self, message: Unpacked, taken: Sequence[int]) -> None:
        """Read the events of a message that are taken into the groups of their parts."""
        origin = self._note(message)
        read, groups, events = reader(origin.hint), self._groups, message.events
        ready = lines_reader(origin.hint)(message.payload, events) if message.payload else None
        times, refused = self._times, set()
        start = len(times)
        # 1 us an event of 1 KB: the readers say which part an event belongs to.
        for index in taken:
            try:
                row = ready[index] if ready is not None else None
                layout, time, fields = row or read(events[index], origin)
                group = groups.get(layout) or self._group(layout)
            except Exception as error:  # noqa: BLE001 - one poisoned event must not stop the SOC
                refused.add(index)
                self._reject(message, origin, index, _reason(error, origin))
                continue
            group.index.append(len(times))
            group.fields.append(fields)
            times.append(time)
        zone = parse_zone(message.headers.get("zone", ""))
        if zone is not UTC:
            times[start:] = in_zone(times[start:], zone)
        self._origins.append(origin)
        self._keep(message, [at for at in taken if at not in refused] if refused else taken)

    def _keep(self, message: Unpacked, kept: Sequence[int]) -> None:
        events = message.events
        self._kept.append((message, kept))
        self._starts.append(len(self._originals))
        self._originals += events if kept == range(len(events)) else [events[at] for at in kept]
        self._sequences += message.sequences(kept)
        self._message_of += [len(self._messages) - 1] * len(kept)

    def refuse(self, message: Unpacked, reason: str) -> None:
        """Reject a whole message."""
        origin = self._note(message)
        for index in range(len(message.events)):
            self._reject(message, origin, index, reason)

    def _group(self, layout: Layout) -> _Group:
        needed = self._needed(layout.part)
        group = self._groups[layout] = _Group(plan(layout, needed - _ENVELOPE))
        return group

    def parts(self) -> Iterable[tuple[Part, Rows]]:
        """Return the parts that have events. What they have then is all; ask for rejects after."""
        for group in self._groups.values():
            self._sift(group)
        starts = accumulate((len(group.index) for group in self._groups.values()), initial=0)
        return [
            (layout.part, _Rows(self, layout.part, group, start))
            for (layout, group), start in zip(self._groups.items(), starts, strict=False)
            if group.index
        ]

    def _sift(self, group: _Group) -> None:
        """Reject the events of a part whose fields cannot be decoded."""
        try:
            group.decode()
        except Exception:  # noqa: BLE001 - one poisoned event must not stop the SOC
            left = [
                (at, fields)
                for at, fields in zip(group.index, group.fields, strict=True)
                if not self._refused(group.plan, at, fields)
            ]
            group.index, group.fields = [at for at, _ in left], [fields for _, fields in left]
            group.decode()

    def _refused(self, plan: Plan, at: int, fields: Any) -> bool:
        try:
            plan.decode([fields])
        except Exception as error:  # noqa: BLE001 - the same
            number = bisect_right(self._starts, at) - 1
            message, kept = self._kept[number]
            origin, index = self._origins[number], kept[at - self._starts[number]]
            self._reject(message, origin, index, _reason(error, origin), self._message_of[at])
            return True
        return False

    def originals(self, index: Sequence[int]) -> list[bytes]:
        """Return raw events by where they stand in order of arrival."""
        return [self._originals[at] for at in index]

    @cached_property
    def envelope(self) -> pl.DataFrame:
        """The columns of ``ENVELOPE`` and ``PROVENANCE`` of all events, part by part."""
        order = [index for group in self._groups.values() for index in group.index]
        messages = pl.DataFrame(
            [row | more for row, more in zip(self._messages, self._provenances, strict=True)],
            schema={name: _EVERY[name] for name in (*_OF_MESSAGE, *_HOW)},
        )
        places = [place for message, kept in self._kept for place in _positions(message, kept)]
        ids = [event_id for kept in self._kept for event_id in _event_ids(*kept)]
        events = pl.DataFrame(
            [
                pl.Series("event.id", ids, pl.String),
                time_series(self._times).alias("@timestamp"),
                pl.Series(_ORIGINAL, self._originals, pl.Binary),
                pl.Series("luytre.sequence", self._sequences, pl.Int64),
                pl.Series("luytre.position", places, pl.String),
            ]
        )
        of_message = pl.Series(self._message_of, dtype=pl.UInt32)
        rows = messages[of_message].hstack(events)[list(_EVERY)]
        return rows[pl.Series(order, dtype=pl.UInt32)]

    def rejects(self) -> pl.DataFrame:
        """Return the columns of ``REJECTS``."""
        return pl.DataFrame(self._rejects, schema=REJECTS)

    def _note(self, message: Unpacked) -> Origin:
        """Keep what the events of a message have in common."""
        record, headers = message.record, message.headers
        values = (
            record.appended_at,
            headers.get("organization") or self._organization,
            message.stream,
            record.topic,
            record.partition,
            record.offset,
        )
        self._messages.append(dict(zip(_OF_MESSAGE, values, strict=True)))
        hint, path = headers.get("hint", "auto"), headers.get("path", "")
        how = (message.origin, hint, headers.get("zone") or None, path or None)
        self._provenances.append(dict(zip(_HOW, how, strict=True)))
        return Origin(
            hint if hint in HINTS else "auto",
            path,
            headers.get("host", ""),
            micros(record.appended_at),
        )

    def _reject(
        self, message: Unpacked, origin: Origin, index: int, reason: str, number: int = -1
    ) -> None:
        """Keep an event that cannot be read; ``number`` is that of its message."""
        [event_id] = _event_ids(message, [index])
        self._rejects.append(
            {
                **self._messages[number],
                "event.id": event_id,
                "event.original": message.events[index],
                "luytre.sequence": message.sequence(index),
                "luytre.hint": origin.hint,
                "luytre.zone": message.headers.get("zone"),
                "error.message": reason,
                **second_try(message, index),
                "host.name": origin.host,
                "log.file.path": origin.path,
            }
        )


_ENVELOPE, _ORIGINAL = frozenset(ENVELOPE), "event.original"
_EVERY: dict[str, pl.DataType] = {**ENVELOPE, **PROVENANCE}
_HOW = ("luytre.origin", "luytre.hint", "luytre.zone", "luytre.path")
_OF_MESSAGE = (
    "event.ingested", "organization.id", "luytre.stream", "log.topic", "log.partition",
    "log.offset",
)  # fmt: skip


def _reason(error: Exception, origin: Origin) -> str:
    if isinstance(error, Unreadable):
        return str(error)
    log.error("a decoder failed", error=repr(error), hint=origin.hint)
    return f"a decoder failed: {type(error).__name__}"


def _positions(message: Unpacked, kept: Sequence[int]) -> list[str]:
    places = message.places
    return [str(places[at]) for at in kept]


def _event_ids(message: Unpacked, kept: Sequence[int]) -> list[str]:
    """Return sha256(origin, position, sha256(raw)) of each: 1.7 us at 840 bytes, mostly for raw."""
    sha256, origin = hashlib.sha256, message.origin
    places, events = message.places, message.events
    return [
        sha256(
            f"{origin}\n{places[at]}\n{sha256(events[at]).hexdigest()}".encode(
                "utf-8", "surrogatepass"
            )
        ).hexdigest()
        for at in kept
    ]
