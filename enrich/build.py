"""Wires the configured tables into one stage that can be reloaded while it runs."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from enrich import assets, geoip, identities, indicators, organizations
from enrich.first_seen import FirstSeen
from enrich.source import Source
from luytre.core.ecs import ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from enrich.lookup import Table
    from luytre.core.batch import Batch
    from luytre.core.clock import Clock
    from luytre.core.config import EnrichConfig


RESERVED = frozenset(
    name
    for table in (
        organizations.Organizations,
        assets.Assets,
        identities.Identities,
        geoip.GeoIP,
        indicators.Indicators,
        FirstSeen,
    )
    for name in table.columns
)
"""Every column that enrichment can ever add: none of them is taken from a payload."""


class Enrichment:
    """Adds every configured table's columns: same rows, same order, the offsets untouched.

    A missing or unusable file leaves nulls and a note, never an error.
    """

    def __init__(self, sources: Sequence[Source[Any]], first_seen: FirstSeen | None) -> None:
        self._sources = tuple(sources)
        self._first_seen = first_seen
        for source in self._sources:
            source.refresh()
        self._ready = self._current()
        self._tables, self._versions = self._ready

    def __call__(self, batch: Batch) -> Batch:
        """Add the columns; a column of that name that the log brought along is replaced."""
        if not self._tables:
            return batch
        events = batch.events
        for table in self._tables:
            events = table(events)
        return batch.with_columns(events, self.columns)

    @property
    def needed(self) -> frozenset[str]:
        """The columns it reads that somebody else has to decode."""
        read = frozenset[str]().union(*(table.needed for table in self._tables))
        return read - frozenset(ENVELOPE) - self.columns

    @property
    def columns(self) -> frozenset[str]:
        """The columns it adds, all of them in the encoding of ``luytre.core.cells``."""
        return frozenset(name for table in self._tables for name in table.columns)

    @property
    def versions(self) -> Mapping[str, str]:
        """The tables in use: name -> start of the SHA-256 of their files."""
        return self._versions

    @property
    def notes(self) -> Sequence[str]:
        """What `luytre doctor` says: files that are missing, expired or partly unreadable."""
        return [f"{source.name}: {note}" for source in self._sources for note in source.notes]

    def checkpoint(self) -> None:
        """Save durably which values were seen; to be called before offsets are committed."""
        if self._first_seen:
            self._first_seen.checkpoint()

    def refresh(self) -> bool:
        """Read the files that changed; tell whether ``swap`` would bring another table.

        May run beside the loop, in one thread; of an unusable file the last good version stays.
        """
        changed = [source.refresh() for source in self._sources]
        self._ready = self._current()
        return any(changed)

    def swap(self) -> bool:
        """Use the tables that were read last, all at once: only between batches."""
        before = self._versions
        self._tables, self._versions = self._ready
        return self._versions != before

    def _current(self) -> tuple[tuple[Table, ...], Mapping[str, str]]:
        tables: list[Table] = [source.table for source in self._sources]
        versions = MappingProxyType({s.name: s.version for s in self._sources if s.version})
        # Last, because it may watch what the tables add ("source.as.number").
        return (*tables, *([self._first_seen] if self._first_seen else [])), versions


def build(settings: EnrichConfig, state: Path, clock: Clock) -> Enrichment:
    """Return the configured tables as one stage; ``state`` is the folder for what it remembers.

    Raises ``NeighbourError`` if the first-seen database cannot be opened; tables never raise.
    """
    sources: list[Source[Any]] = [
        Source(
            "organizations",
            _one(settings.organizations),
            organizations.parse,
            organizations.assemble,
        ),
        Source("assets", _one(settings.assets), assets.parse, assets.assemble),
        Source("identities", _one(settings.identities), identities.parse, identities.assemble),
        Source(
            "geoip",
            settings.geoip,
            partial(geoip.parse, folder=state, clock=clock),
            geoip.assemble,
        ),
        Source(
            "indicators",
            settings.indicators,
            partial(indicators.parse, clock=clock),
            indicators.assemble,
        ),
    ]
    first_seen = FirstSeen(settings.first_seen, state) if settings.first_seen else None
    return Enrichment([source for source in sources if source.paths], first_seen)


def _one(path: Path | None) -> tuple[Path, ...]:
    return (path,) if path else ()
