"""Archived events as batches again: their original bytes, through the same readers."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from ingest.decode.assemble import Plan, plan
from ingest.decode.layout import Origin
from ingest.logsources import windows
from ingest.logsources.catalogue import describe
from ingest.route import reader
from luytre.core.batch import Batch, TopicPartition
from luytre.core.collection import no_collection
from luytre.core.ecs import ENVELOPE, empty_rejects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.decode.layout import Cells, Layout, Read
    from luytre.core.batch import Column, Needed, Part

COLUMNS = (*ENVELOPE, "event.dataset", "host.name")
"""What must be known of an archived event to read it again."""

_ORIGINAL = "event.original"
_ENVELOPE = frozenset(ENVELOPE)
_OTHER_HINTS = ("auto", "syslog", "auth", "windows", "json")
_FAMILIES = {"windows": "windows", "linux/sysmon": "windows", "zimbra": "zimbra", "web": "auto"}
"""Parts that the catalogue does not list one by one."""


class ReadAgain(NamedTuple):
    """Batches of archived events; ``otherwise`` of them are of another part today.

    ``unreadable`` are events that no reader takes any more.
    """

    batches: list[Batch]
    otherwise: int
    unreadable: int


class Again:
    """Reads archived events as the intake did, with the columns that are ``needed`` today.

    The archive does not keep what the shipper said of the log source, but it keeps the part that
    the event was of: of the ways to read it the one is taken that gives this part again. All of
    the envelope is as it was archived: ids, times, organisation.
    """

    def __init__(self, needed: Needed) -> None:
        self._needed = needed

    def __call__(self, rows: pl.DataFrame) -> ReadAgain:
        """Return batches of rows that have ``COLUMNS``; within a part in the order of the rows."""
        with no_collection():
            reading = _Reading(rows)
            batches = [
                Batch(layout.part, made, empty_rejects(), reading.offsets)
                for layout, index in reading.groups.items()
                if (made := self._rows(layout, index, reading)).height
            ]
        return ReadAgain(batches, reading.otherwise, reading.unreadable)

    def _rows(self, layout: Layout, index: list[int], reading: _Reading) -> _Rows:
        decoder = plan(layout, self._needed(layout.part) - _ENVELOPE)
        fields = [reading.fields[at] for at in index]
        try:
            columns = decoder.decode(fields)
        except Exception:  # noqa: BLE001 - one poisoned event must not stop the others
            index = [at for at in index if _decodes(decoder, reading.fields[at])]
            reading.unreadable += len(fields) - len(index)
            columns = decoder.decode([reading.fields[at] for at in index])
        return _Rows(reading.rows, layout.part, decoder, columns, index)


def _decodes(decoder: Plan, fields: Any) -> bool:
    try:
        decoder.decode([fields])
    except Exception:  # noqa: BLE001 - the same
        return False
    return True


class _Reading:
    """The layout and the fields of each row, by layout in order of appearance."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows = rows
        self.groups: dict[Layout, list[int]] = {}
        self.fields: list[Any] = []
        self.otherwise = self.unreadable = 0
        originals = rows[_ORIGINAL].to_list()
        datasets = rows["event.dataset"].to_list()
        hosts = rows["host.name"].fill_null("").to_list()
        received = rows["event.ingested"].dt.epoch("us").to_list()
        ready = _windows(originals, datasets)
        # 2 us an event, as when it was first read: the readers say which part it belongs to.
        for at, (raw, dataset, host, us) in enumerate(
            zip(originals, datasets, hosts, received, strict=True)
        ):
            read = ready.get(at)
            if read is None or read[0].part.name != dataset:
                read = _read_as(raw, dataset, host, us)
            self.fields.append(None if read is None else read[2])
            if read is None:
                self.unreadable += 1
                continue
            self.otherwise += read[0].part.name != dataset
            self.groups.setdefault(read[0], []).append(at)

    @property
    def offsets(self) -> Mapping[TopicPartition, int]:
        """Nothing: what is read again commits nothing."""
        return {}


def _windows(originals: Sequence[bytes], datasets: Sequence[str]) -> dict[int, Read]:
    """Return what can be read in one go of the Windows events: a third of the time."""
    index = [
        at
        for at, (raw, dataset) in enumerate(zip(originals, datasets, strict=True))
        if dataset.startswith("windows/") and raw[:1] == b"{" and b"\n" not in raw
    ]
    lines = [originals[at] for at in index]
    read = windows.read_lines(b"\n".join(lines) + b"\n", lines) if lines else None
    return {at: row for at, row in zip(index, read or (), strict=bool(read)) if row is not None}


def _read_as(raw: bytes, dataset: str, host: str, received_us: int) -> Read | None:
    """Return an event read so that it is of ``dataset``; else in the way that came first."""
    first: Read | None = None
    for hint in _hints(dataset):
        # Zeek tells its logs by the name of the file; others know none of these names.
        path = f"{dataset.rpartition('/')[2]}.log" if hint == "zeek" else ""
        try:
            read = reader(hint)(raw, Origin(hint, path, host, received_us))
        except Exception:  # noqa: BLE001, S112 - one poisoned event must not stop the others
            continue
        if read[0].part.name == dataset:
            return read
        first = first or read
    return first


@cache
def _hints(dataset: str) -> tuple[str, ...]:
    """Return the hints that may give a part, the likeliest first."""
    known = {described.part: described.hint for described in describe()}
    family = dataset.partition("/")[0]
    own = (
        known.get(dataset)
        or next((hint for start, hint in _FAMILIES.items() if dataset.startswith(start)), None)
        or next((hint for part, hint in known.items() if part.startswith(f"{family}/")), "auto")
    )
    return tuple(dict.fromkeys((own, *_OTHER_HINTS)))


class _Rows:
    """The events of one part; their frame is made when it is first asked for."""

    def __init__(
        self,
        rows: pl.DataFrame,
        part: Part,
        decoder: Plan,
        columns: dict[str, Cells],
        index: list[int],
    ) -> None:
        self._archived, self._part, self._decoder = rows, part, decoder
        self._columns, self._index = columns, index

    @property
    def height(self) -> int:
        return len(self._index)

    @cached_property
    def _frame(self) -> pl.DataFrame:
        envelope = self._archived.select(*ENVELOPE)[pl.Series(self._index, dtype=pl.UInt32)]
        return envelope.hstack(self._decoder.series(self._columns, self.height))

    def frame(self) -> pl.DataFrame:
        """Return the envelope and the needed columns."""
        return self._frame

    def cells(self, column: str) -> Column | None:
        """Return a column, empty if all its cells are missing; None for most of the envelope."""
        found: Column | None = self._columns.get(column)
        if found is not None:
            return found
        if column == _ORIGINAL:
            return self._archived[_ORIGINAL][pl.Series(self._index, dtype=pl.UInt32)].to_list()
        if column in _ENVELOPE:
            return None
        constant = self._part.constants.get(column)
        return [] if constant is None else [constant] * self.height
