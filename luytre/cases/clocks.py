"""Legal clocks: by when an incident must have been reported, as data with effective dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from luytre.audit.canonical import stamp
from luytre.core.config_section import Section
from luytre.core.errors import ConfigurationError, Fault, Refused
from luytre.core.yamlfile import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from luytre.cases.decide import Decisions
    from luytre.core.actor import Actor

BUILT_IN = Path(__file__).parent / "profiles"
HOURS_MAX = 24 * 366


class LegalClock(Section):
    """A duty: what is due so many hours after T0, and which text says so."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    hours: int = Field(gt=0, le=HOURS_MAX)
    vi: str
    en: str
    source: str


class Profile(Section):
    """The clocks that hold from a day on, until a later profile does."""

    name: str
    effective_from: date
    clocks: tuple[LegalClock, ...] = Field(min_length=1)


class _File(Section):
    profiles: tuple[Profile, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """A clock that was started: T0 and the due time, both to the minute."""

    clock: LegalClock
    profile: str
    started_at: datetime
    due_at: datetime


def read_profiles(paths: Iterable[Path] = ()) -> tuple[Profile, ...]:
    """Return the profiles that come with Luytre and those of more files, oldest first.

    Raises:
        ConfigurationError: with every fault of every file.
    """
    found: list[Profile] = []
    faults: list[Fault] = []
    for path in (*sorted(BUILT_IN.glob("*.yml")), *paths):
        documents, bad = read_yaml(path)
        faults += bad
        for document in documents:
            try:
                found += _File.model_validate(document.data).profiles
            except ValidationError as error:
                faults += [
                    document.fault(tuple(item["loc"]), item["msg"])
                    for item in error.errors(include_url=False)
                ]
    if faults:
        raise ConfigurationError(faults)
    return tuple(sorted(found, key=lambda profile: (profile.effective_from, profile.name)))


def running(profiles: Sequence[Profile], clock: str, started_at: datetime) -> Running:
    """Return a clock started at a moment, by the profile that held on that day.

    Raises:
        Refused: no profile that holds then has such a clock.
    """
    minute = started_at.astimezone(UTC).replace(second=0, microsecond=0)
    held = [p for p in profiles if p.effective_from <= minute.date()]
    for profile in reversed(held):
        for known in profile.clocks:
            if known.id == clock:
                return Running(known, profile.name, minute, minute + timedelta(hours=known.hours))
        break
    names = sorted({c.id for c in held[-1].clocks}) if held else []
    raise Refused(f"no clock {clock} holds on {minute.date()}; there are {', '.join(names)}")


class Clocks:
    """Starts and stops the clocks of incidents."""

    def __init__(self, decisions: Decisions, profiles: Sequence[Profile]) -> None:
        self._decisions, self._profiles = decisions, profiles

    def start(
        self, actor: Actor, number: int, clock: str, started_at: datetime | None = None
    ) -> Running:
        """Start a clock at T0, when the incident was opened if no time is given.

        Raises:
            Refused: the clock was started before; it runs on.
        """
        with self._decisions.on(actor, number, None) as (change, incident):
            at = started_at or datetime.fromisoformat(incident.opened_at)
            found = running(self._profiles, clock, at)
            change.connection.execute(
                "INSERT OR IGNORE INTO incident_clocks VALUES (?, ?, ?, ?, ?, '')",
                (number, clock, found.profile, stamp(found.started_at), stamp(found.due_at)),
            )
            if not change.connection.changes():
                raise Refused(f"the clock {clock} of incident {number} was started before")
            after = {
                "clock": clock,
                "profile": found.profile,
                "started": found.started_at,
                "due": found.due_at,
            }
            self._decisions.record(change, incident, "incident.clock", after=after)
            return found

    def stop(self, actor: Actor, number: int, clock: str) -> None:
        """Say that what a clock asks for is done."""
        with self._decisions.on(actor, number, None) as (change, incident):
            change.connection.execute(
                "UPDATE incident_clocks SET stopped_at = ?"
                " WHERE incident = ? AND clock = ? AND stopped_at = ''",
                (self._decisions.now(), number, clock),
            )
            if not change.connection.changes():
                raise Refused(f"incident {number} has no running clock {clock}")
            after = {"clock": clock, "stopped": True}
            self._decisions.record(change, incident, "incident.clock", after=after)
