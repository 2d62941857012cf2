"""Incidents as people see them, and the words for what they decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from luytre.core.alert import Level
from luytre.core.errors import Refused

IncidentState = Literal["new", "in progress", "on hold", "closed"]
STATES: tuple[IncidentState, ...] = get_args(IncidentState)
OPEN_STATES: tuple[IncidentState, ...] = ("new", "in progress", "on hold")
Disposition = Literal["true positive", "benign true positive", "false positive", "duplicate"]
DISPOSITIONS: tuple[Disposition, ...] = get_args(Disposition)


class Conflict(Refused):
    """Somebody else was faster; the text says what they did."""

    exit_code = 6


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident. Times are texts in UTC; ``score_parts`` say where the score comes from."""

    id: int
    organization: str
    title: str
    state: IncidentState
    disposition: str
    assignee: str
    level: Level
    score: int
    score_parts: tuple[tuple[str, int], ...]
    first_at: str
    last_at: str
    received_at: str
    opened_at: str
    updated_at: str
    closed_at: str
    backfill: bool
    changed_after_close: bool
    merged_into: int | None
    version: int
    alerts: int


@dataclass(frozen=True, slots=True)
class Member:
    """An alert of an incident. ``delay_s``: received after the event; below 0 a clock is ahead."""

    alert: str
    document: str
    revision: int
    organization: str
    rule: str
    title: str
    level: Level
    at: str
    received_at: str
    delay_s: int | None
    reason: str
    backfill: bool
    withdrawn: bool
    superseded_by: str
    disposition: str
    entities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A line of an incident's life, from the history."""

    seq: int
    at: str
    user: str
    action: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClockRow:
    """A legal clock of an incident; an empty ``stopped_at`` runs. Times are texts in UTC."""

    incident: int
    title: str
    organization: str
    clock: str
    profile: str
    started_at: str
    due_at: str
    stopped_at: str


@dataclass(frozen=True, slots=True)
class IncidentQuery:
    """Which incidents to read, most urgent first; empty fields ask for all.

    ``text`` is free text, folded as alerts' is. ``since`` is inclusive and ``until`` exclusive, on
    the time of the last alert. ``assignee`` "-" asks for those of nobody. ``after`` asks for
    those that were opened later than the incident of this number.
    """

    states: tuple[IncidentState, ...] = OPEN_STATES
    levels: tuple[Level, ...] = ()
    assignee: str = ""
    rule: str = ""
    entity: str = ""
    text: str = ""
    since: str = ""
    until: str = ""
    backfill: bool | None = None
    organization: str = ""
    after: int = 0
    limit: int = 50
    offset: int = 0
