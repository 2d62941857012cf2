from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from luytre.audit.database import CaseDatabase, Room
from luytre.audit.signer import Signer
from luytre.cases.clocks import read_profiles
from luytre.cases.model import IncidentQuery
from luytre.cases.read import Incidents
from luytre.cases.room import ROOM as CASES
from luytre.cases.triage import Triage
from luytre.core.actor import Actor
from luytre.core.alert import Alert, RuleCard
from luytre.core.clock import ManualClock
from luytre.core.errors import Forbidden, Refused
from luytre.core.organization import Scope
from luytre.processor.case_desk import CLOCKS, CaseDesk, incident_of
from luytre.processor.case_host import ROOMS
from playbooks.actions.action import ActionFailedError
from playbooks.run_rows import MIGRATIONS, Rows
from playbooks.run_rows import ROOM as RUNS
from playbooks.runner import ACTOR

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
EVERYTHING = Scope.everything()
LAN = Actor("lan", frozenset({"analyst"}), EVERYTHING, "test")


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
    assert (due - started).total_seconds() == (24 if clock == "notice-24h" else 72) * 3600
    assert stopped >= started
    assert cases.book.size() == entries + 1


def test_what_the_desk_refuses_fails_the_step(cases: CaseDatabase) -> None:
    desk = CaseDesk(cases, ManualClock(NOW), ACTOR, read_profiles())

    tries: list[Callable[[], None]] = [
        lambda: desk.comment("99", "x", "nam"),
        lambda: desk.stop_clock(incident_of(cases, "a1", EVERYTHING), "report-72h", "nam"),
    ]
    for doing in tries:
        with pytest.raises(ActionFailedError):
            doing()


def home(desk: CaseDesk, cases: CaseDatabase, actor: Actor, **given: str) -> str:
    asked = {"incident": "", "alert": "", "organization": "tinh", "title": "Web shell", **given}
    with cases.change(actor) as change:
        found = desk.home(change, **asked)
        change.record("run.start", "run:x", organization="tinh")
    return found


def test_a_run_belongs_to_the_named_incident_or_the_alert_s(cases: CaseDatabase) -> None:
    desk = CaseDesk(cases, ManualClock(NOW), ACTOR, read_profiles())

    assert home(desk, cases, LAN, alert="a1") == home(desk, cases, LAN, incident="1") == "1"


def test_a_run_without_an_incident_gets_one_of_its_own(cases: CaseDatabase) -> None:
    desk = CaseDesk(cases, ManualClock(NOW), ACTOR, read_profiles())

    number = int(home(desk, cases, LAN, alert="not-taken-yet", title="Mã độc tống tiền"))
    desk.start_clock(str(number), "report-72h", "lan")
    desk.comment(str(number), "gọi cho chủ máy", "lan")

    incidents = Incidents(cases)
    opened = incidents.get(number, EVERYTHING)
    assert (opened.title, opened.state, opened.assignee, opened.alerts) == (
        "Mã độc tống tiền", "in progress", "lan", 0,
    )  # fmt: skip
    assert [i.id for i in incidents.find(IncidentQuery(text="ma doc"), EVERYTHING)] == [number]
    assert [step.action for step in incidents.life(number, EVERYTHING)] == [
        "incident.open", "incident.clock", "incident.comment",
    ]  # fmt: skip
    assert number not in {i.id for i in incidents.find(IncidentQuery(), Scope.only("so-y-te"))}


@pytest.mark.parametrize("incident", ["99", "run:1", "-1", "1; DROP TABLE runs", "\u0661"])
def test_an_incident_that_is_not_there_is_refused(cases: CaseDatabase, incident: str) -> None:
    desk = CaseDesk(cases, ManualClock(NOW), ACTOR, read_profiles())
    entries = cases.book.size()

    with pytest.raises(Refused):
        home(desk, cases, LAN, incident=incident)
    assert cases.book.size() == entries


def test_nobody_opens_an_incident_for_others(cases: CaseDatabase) -> None:
    desk = CaseDesk(cases, ManualClock(NOW), ACTOR, read_profiles())
    elsewhere = Actor("nam", frozenset({"analyst"}), Scope.only("so-y-te"), "test")

    with pytest.raises(Forbidden):
        home(desk, cases, elsewhere)


def test_what_runs_kept_for_themselves_moves_to_incidents(tmp_path: Path) -> None:
    """A database of before: two runs with clocks and notes of their own, one with an incident."""
    clock, old = ManualClock(NOW), Room("playbooks", MIGRATIONS[:1], RUNS.actions)
    signer = Signer(tmp_path / "signer")
    before = CaseDatabase(tmp_path / "cases.sqlite", signer, clock, [CASES, old])
    at = "2026-11-24T08:00:00.000000Z"
    with before.change(LAN) as change:
        for name, incident in (("r1", "run:r1"), ("r2", "run:r2"), ("r3", "7")):
            change.connection.execute(
                "INSERT INTO runs VALUES (?, 'p', 'Ransomware', 'tinh', ?, '', 'lan', ?, '',"
                " 'running', '', 'hoa', x'7b7d', x'7b7d')",
                (name, incident, at),
            )
        change.connection.execute(
            "INSERT INTO legal_clocks VALUES ('run:r1', 'report-72h', 'tinh', ?, ?, '')", (at, at)
        )
        change.connection.execute(
            "INSERT INTO run_notes VALUES ('run:r2', 'tinh', ?, 'nam', 'đã gọi')", (at,)
        )
        change.record("run.start", "run:r1", organization="tinh")
    before.close()

    after = CaseDatabase(tmp_path / "cases.sqlite", signer, clock, ROOMS)
    runs, incidents = Rows(after.connection), Incidents(after)

    one, two, three = (runs.run(name, EVERYTHING).incident for name in ("r1", "r2", "r3"))
    assert three == "7"
    assert one != two
    assert incidents.get(int(one), EVERYTHING).title == "Ransomware"
    assert incidents.get(int(one), EVERYTHING).assignee == "hoa"
    assert [row[:2] for row in incidents.clocks(int(one), EVERYTHING)] == [
        ("incident-report", "vn-2026")
    ]
    assert "đã gọi" in incidents.comments(int(two), EVERYTHING)[0]
    after.close()


def test_an_alert_that_triage_has_not_taken_has_no_incident(cases: CaseDatabase) -> None:
    assert incident_of(cases, "b2", EVERYTHING) == ""
    assert incident_of(cases, "a1", Scope.only("so-y-te")) == ""
