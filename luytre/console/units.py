"""What organisations are called: the names of the tree that events are enriched with."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import polars as pl

from enrich import organizations
from enrich.source import Source
from luytre.core.ecs import TIME

if TYPE_CHECKING:
    from pathlib import Path

    from luytre.core.clock import Clock

FOR_S = 60


class Units:
    """Names of organisations as of now, read again after a minute."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._source: Source[Any] | None = None
        if path is not None:
            self._source = Source(
                "organizations", (path,), organizations.parse, organizations.assemble
            )
        self._names: dict[str, str] = {}
        self._read_s = float("-inf")

    def name(self, identity: str) -> str:
        """Return the name of an organisation; empty if nobody named it."""
        if self._source is None or not identity:
            return ""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s - self._read_s > FOR_S:
                self._source.refresh()
                self._names, self._read_s = {}, now_s
            if identity not in self._names:
                self._names[identity] = self._look_up(identity)
            return self._names[identity]

    def _look_up(self, identity: str) -> str:
        assert self._source is not None
        now = [self._clock.now()]
        event = pl.DataFrame(
            {"organization.id": [identity], "@timestamp": now, "event.ingested": now},
            schema_overrides={"@timestamp": TIME, "event.ingested": TIME},
        )
        return str(self._source.table(event).get_column("organization.name")[0] or "")
