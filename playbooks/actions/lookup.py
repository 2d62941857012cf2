"""`query-alerts`, `query-archive` and `lookup-indicator`: what is already known. They only read."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from luytre.core.alert import AlertQuery
from luytre.core.organization import Scope
from playbooks.actions.action import Action, ActionFailedError, Effect, Order, Outcome, Plan
from playbooks.actions.kinds import Arguments, Line

if TYPE_CHECKING:
    from luytre.core.alert import AlertStore
    from luytre.core.clock import Clock
    from luytre.core.response import EventCounter, IndicatorBook

Column = Literal[
    "source.ip", "destination.ip", "host.name", "user.name", "file.hash.sha256", "url.domain",
    "process.executable", "event.action",
]  # fmt: skip


class AlertsArguments(Arguments):
    """Which alerts are counted: words, and how many hours back."""

    text: Line
    hours: int = Field(24, ge=1, le=24 * 366)


class ArchiveArguments(Arguments):
    """Which events are counted: one column's value, and how many hours back."""

    column: Column
    value: Line
    hours: int = Field(24, ge=1, le=24 * 366)


class IndicatorArguments(Arguments):
    """What is looked up: an address, a name, a URL, or a hash."""

    value: Line


def _scope(order: Order) -> Scope:
    """Return what a run may see: its own organisation, never more."""
    return Scope.only(order.organization)


class QueryAlerts(Action[AlertsArguments]):
    """Counts the alerts of the run's organisation."""

    name = "query-alerts"
    arguments = AlertsArguments
    effect: ClassVar[Effect] = "reads"
    repeats = True

    def __init__(self, alerts: AlertStore | None, clock: Clock) -> None:
        self._alerts, self._clock = alerts, clock

    def plan(self, given: AlertsArguments) -> Plan:
        en = f"count the alerts of {given.hours} hours that name {given.text}"
        return Plan(en, f"đếm cảnh báo trong {given.hours} giờ có {given.text}")

    def run(self, given: AlertsArguments, order: Order) -> Outcome:
        if self._alerts is None:
            raise ActionFailedError("no alert store is at hand")
        since = self._clock.now() - timedelta(hours=given.hours)
        count = self._alerts.count(AlertQuery(text=given.text, since=since), _scope(order))
        return Outcome(f"{count} alerts name {given.text}", {"count": str(count)})


class QueryArchive(Action[ArchiveArguments]):
    """Counts the events of the run's organisation."""

    name = "query-archive"
    arguments = ArchiveArguments
    effect: ClassVar[Effect] = "reads"
    repeats = True

    def __init__(self, archive: EventCounter | None, clock: Clock) -> None:
        self._archive, self._clock = archive, clock

    def plan(self, given: ArchiveArguments) -> Plan:
        what = f"{given.column} = {given.value}"
        return Plan(
            f"count the events of {given.hours} hours with {what}",
            f"đếm sự kiện trong {given.hours} giờ có {what}",
        )

    def run(self, given: ArchiveArguments, order: Order) -> Outcome:
        if self._archive is None:
            raise ActionFailedError("no archive is at hand")
        since = self._clock.now() - timedelta(hours=given.hours)
        count = self._archive.count(_scope(order), given.column, given.value, since)
        return Outcome(f"{count} events have {given.column} = {given.value}", {"count": str(count)})


class LookupIndicator(Action[IndicatorArguments]):
    """Says which indicators of compromise a value is."""

    name = "lookup-indicator"
    arguments = IndicatorArguments
    effect: ClassVar[Effect] = "reads"
    repeats = True

    def __init__(self, indicators: IndicatorBook | None) -> None:
        self._indicators = indicators

    def plan(self, given: IndicatorArguments) -> Plan:
        return Plan(
            f"look {given.value} up among the indicators", f"tra {given.value} trong chỉ dấu"
        )

    def run(self, given: IndicatorArguments, order: Order) -> Outcome:
        del order
        found = self._indicators.find(given.value) if self._indicators else ()
        # Without any configured a playbook goes on: it is told, as nothing else depends on it.
        none = "no indicator" if self._indicators else "unknown: no indicators are configured"
        said = "; ".join(found[:10]) or none
        return Outcome(f"{given.value}: {said}", {"count": str(len(found)), "indicator": said})
