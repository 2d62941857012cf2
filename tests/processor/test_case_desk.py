from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from luytre.audit.database import CaseDatabase
from luytre.audit.signer import Signer
from luytre.cases.clocks import read_profiles
from luytre.cases.read import Incidents
from luytre.cases.triage import Triage
from luytre.core.alert import Alert, RuleCard
from luytre.core.clock import ManualClock
from luytre.core.organization import Scope
from luytre.processor.case_desk import CLOCKS, CaseDesk, incident_of
from luytre.processor.case_host import ROOMS
from playbooks.actions.action import ActionFailedError
from playbooks.actions.desk import CLOCK_HOURS
from playbooks.runner import ACTOR

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
EVERYTHING = Scope.everything()


@pytest.fixture
def cases(tmp_path: Path) -> Iterator[CaseDatabase]:
    clock = ManualClock(NOW)
    opened = CaseDatabase(tmp_path / "cases.sqlite", Signer(tmp_path / "signer"), clock, ROOMS)
    card = RuleCard("r", "Web shell", "high", "v")
    event = {"host.name": "web-1", "source.ip": "203.0.113.45"}
    Triage(opened, clock).take(
        [Alert("a1", card, "e1", "tinh", NOW, NOW, NOW, "p", (), event, b"", {})], {}
    )
    yield opened
    opened.close()


def test_what_playbooks_write_stands_in_the_incident_of_the_alert(cases: CaseDatabase) -> None:
    number = incident_of(cases, "a1", EVERYTHING)
    desk = CaseDesk(cases, ManualClock(NOW), ACTOR, read_profiles())

    desk.assign(number, "lan", "nam")
    desk.comment(number, "đã chặn", "nam")

    incidents = Incidents(cases)
    assert incidents.get(int(number), EVERYTHING).assignee == "lan"
    assert "đã chặn (nam)" in incidents.comments(int(number), EVERYTHING)[0]


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_clock_runs_on_and_stops_once(cases: CaseDatabase, clock: str) -> None:
    number = incident_of(cases, "a1", EVERYTHING)
    desk = CaseDesk(cases, ManualClock(NOW), ACTOR, read_profiles())
    for _ in range(2):
        desk.start_clock(number, clock, "nam")
    entries = cases.book.size()
    for _ in range(2):
        desk.stop_clock(number, clock, "nam")

    rows = Incidents(cases).clocks(int(number), EVERYTHING)
    started, due, stopped = (datetime.fromisoformat(text) for text in rows[0][2:])
    assert len(rows) == 1
    assert (due - started).total_seconds() == CLOCK_HOURS[clock] * 3600
    assert stopped >= started
    assert cases.book.size() == entries + 1


def test_what_the_desk_refuses_fails_the_step(cases: CaseDatabase) -> None:
    desk = CaseDesk(cases, ManualClock(NOW), ACTOR, read_profiles())

    tries: list[Callable[[], None]] = [
        lambda: desk.comment("99", "x", "nam"),
        lambda: desk.stop_clock(incident_of(cases, "a1", EVERYTHING), "report-72h", "nam"),
        lambda: desk.comment("run:none", "x", "nam"),
    ]
    for doing in tries:
        with pytest.raises(ActionFailedError):
            doing()


def test_an_alert_that_triage_has_not_taken_has_no_incident(cases: CaseDatabase) -> None:
    assert incident_of(cases, "b2", EVERYTHING) == ""
    assert incident_of(cases, "a1", Scope.only("so-y-te")) == ""
