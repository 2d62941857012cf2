"""Content as it would run: what a backtest asks of each of its two sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detections.hiding import Judged
    from detections.plan import Plan
    from detections.program import Hit
    from luytre.core.alert import Alert
    from luytre.core.batch import Batch, Part
    from luytre.core.errors import Fault
    from luytre.core.matches import Match


class Engine(Protocol):
    """Finds hits, and those that filters hide: ``detections.match.Engine``."""

    def judged(self, batch: Batch) -> Judged: ...

    def alerts(self, batch: Batch, hits: Sequence[Hit]) -> list[Alert]: ...


class Side(Protocol):
    """Rules, filters, mappings, and tables, wired as the running system wires them.

    ``digest`` names all of it; ``faults`` are what was left out.
    """

    @property
    def digest(self) -> str: ...

    @property
    def plan(self) -> Plan: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def faults(self) -> Sequence[Fault]: ...

    def needed(self, part: Part) -> frozenset[str]:
        """Return the columns of a part that are read."""

    def enriched(self, batch: Batch) -> Batch:
        """Return a batch with what the tables add."""

    def alerting(self, hits: Sequence[Hit]) -> Sequence[Hit]:
        """Return the hits of rules that make alerts of their own."""

    def matches(self, batch: Batch, hits: Sequence[Hit]) -> Sequence[Match]:
        """Return what correlations are to hear of these hits."""

    def correlate(self, matches: Sequence[Match]) -> Sequence[Alert]:
        """Return the alerts of all matches, as if all events had come in order."""

    def checkpoint(self) -> None:
        """Durably keep what enrichment remembers."""


class Sides(Protocol):
    """What runs, and what would; ``shared``: both enrich alike, so it is done once."""

    @property
    def before(self) -> Side: ...

    @property
    def after(self) -> Side: ...

    @property
    def shared(self) -> bool: ...
