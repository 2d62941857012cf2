"""What a rule says about an event, with everything a person needs to judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import msgspec

if TYPE_CHECKING:
    from luytre.core.batch import Batch
    from luytre.core.clock import Clock
    from luytre.core.organization import Scope

Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""Sigma's levels, mildest first."""


@dataclass(frozen=True, slots=True)
class RuleCard:
    """What an alert keeps of its rule. ``version`` is the digest of the rule's file."""

    id: str
    title: str
    level: Level
    version: str
    status: str = ""
    description: str = ""
    author: str = ""
    licence: str = ""
    path: str = ""
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One atom that held: ``value`` of ``field`` (our ``column``) met ``operation`` ``pattern``."""

    selection: str
    field: str
    column: str
    operation: str
    pattern: str
    value: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule on one event.

    ``event`` holds the event's cells that are not missing, decoded for reading. ``versions`` says
    which enrichment tables and which content it was judged with.

    The alert of a correlation is about an ``episode``: many events, of which ``events`` names the
    first. Its documents, each with an ``id`` of its own, have the same ``episode``; the one with
    the highest ``revision`` is current, and if that is ``withdrawn`` the episode is no more.
    ``supersedes`` are the episodes that were found, with later knowledge, to be part of this one.

    With ``hidden_by`` it is no alert but a hit that these filters hide: kept to be counted and
    searched, shown to nobody who does not ask for it. ``retro``: found when new content was run
    over the archive.
    """

    id: str
    rule: RuleCard
    event_id: str
    organization_id: str
    seen_at: datetime | None
    ingested_at: datetime
    detected_at: datetime
    part: str
    reasons: tuple[Reason, ...]
    event: Mapping[str, str]
    original: bytes
    versions: Mapping[str, str]
    episode: str = ""
    revision: int = 0
    supersedes: tuple[str, ...] = ()
    withdrawn: bool = False
    events: tuple[str, ...] = ()
    hidden_by: tuple[str, ...] = ()
    retro: bool = False


def hidden_id(rule_id: str, event_id: str) -> str:
    """Return the id of a hit that filters hide: without the filter it is an alert of its own."""
    return hashlib.sha256(f"hidden\n{rule_id}\n{event_id}".encode()).hexdigest()


def alert_id(rule_id: str, event_id: str) -> str:
    """Return the id that makes a replayed alert the same alert."""
    return hashlib.sha256(f"{rule_id}\n{event_id}".encode()).hexdigest()


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Alert)


def encode_alert(alert: Alert) -> bytes:
    """Return an alert as JSON; its original bytes become base64."""
    return _ENCODER.encode(alert)


def decode_alert(data: bytes) -> Alert:
    """Return the alert that ``encode_alert`` wrote."""
    return _DECODER.decode(data)


class Matcher(Protocol):
    """Finds what a batch's rules say about its events."""

    def __call__(self, batch: Batch) -> list[Alert]: ...

    def needed(self, part: object) -> frozenset[str]:
        """Return the columns of a part that its rules read."""


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts to read. ``text`` is free text, folded as the store folds (đ -> d, no marks).

    ``since`` is inclusive and ``until`` exclusive, on the event's time (or receipt, where an event
    has no time of its own). ``hidden`` asks for hits that filters hide instead of alerts, with
    ``hidden_by`` for those of one filter. Newest first.
    """

    text: str = ""
    rule: str = ""
    levels: tuple[Level, ...] = ()
    host: str = ""
    user: str = ""
    tag: str = ""
    since: datetime | None = None
    until: datetime | None = None
    hidden: bool = False
    hidden_by: str = ""
    limit: int = 100
    offset: int = 0


DeadLetters = Callable[[Sequence[tuple[Alert, str]]], None]
"""Durably keeps alerts that a store will never take, each with the reason, before it returns."""


class AlertStore(Protocol):
    """Where alerts are kept: append-only facts. Every read names the organisations it may see.

    All documents are kept; ``find``, ``count`` and ``tally`` show only those that are current and
    whose episode is superseded by no current one, in whatever order they were added. Two episodes
    that supersede each other are both shown.
    """

    def add(self, alerts: Sequence[Alert]) -> int:
        """Durably keep alerts and return how many are new; a known id changes nothing."""

    def get(self, alert_id: str, scope: Scope) -> Alert | None:
        """Return the alert whose id starts with ``alert_id``; None if none or several do."""

    def history(self, alert_id: str, scope: Scope) -> Sequence[Alert]:
        """Return all documents of the episode of the alert that ``get`` gives, oldest first.

        An alert of a single event is its own history; that of an unknown alert is empty.
        """

    def find(self, query: AlertQuery, scope: Scope) -> Sequence[Alert]: ...

    def count(self, query: AlertQuery, scope: Scope) -> int:
        """Return how many alerts ``find`` would give without limit and offset."""

    def tally(self, scope: Scope) -> Mapping[tuple[str, Level], int]:
        """Return how many alerts each (rule title, level) has."""

    def expire(self, days: float, clock: Clock) -> int:
        """Delete what was detected longer than ``days`` ago and return how many alerts it was.

        A store may keep an alert longer, until all of its month can go.
        """

    def close(self) -> None: ...
