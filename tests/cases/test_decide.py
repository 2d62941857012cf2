"""What people decide, who may, and what the second of two people is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from luytre.audit.book import LogQuery
from luytre.cases.clocks import Clocks, read_profiles, running
from luytre.cases.decide import Decisions
from luytre.cases.model import STATES, Conflict, IncidentQuery
from luytre.cases.regroup import Regrouping
from luytre.cases.room import ROOM
from luytre.core.errors import ConfigurationError, Forbidden, Refused
from luytre.core.organization import Scope
from tests.cases.conftest import ALL, LAN, MINH, Desk, made, person

PC = {"host.name": "pc-1"}
Decide = Callable[[Decisions], object]


@pytest.fixture
def decisions(desk: Desk) -> Decisions:
    desk.take(made(1, PC), made(2, PC, at=1), made(3, {"host.name": "pc-2"}))
    return Decisions(desk.cases, desk.clock)


@pytest.fixture
def regrouping(desk: Desk, decisions: Decisions) -> Regrouping:
    return Regrouping(desk.cases, desk.clock, decisions)


def actions(desk: Desk, number: int) -> list[str]:
    return [step.action for step in desk.incidents.life(number, ALL)]


def test_a_closing_needs_a_disposition(desk: Desk, decisions: Decisions) -> None:
    with pytest.raises(Refused, match="disposition"):
        decisions.set_state(LAN, 1, "closed")
    with pytest.raises(Refused, match="true positive, benign"):
        decisions.close(LAN, 1, "whatever")  # type: ignore[arg-type]

    decisions.close(LAN, 1, "false positive", "Máy quét của tỉnh")

    incident = desk.incidents.get(1, ALL)
    assert (incident.state, incident.disposition) == ("closed", "false positive")
    assert incident.closed_at
    assert desk.incidents.comments(1, ALL)[0][2] == "Máy quét của tỉnh"
    assert actions(desk, 1) == ["incident.open", "incident.close"]


def test_states_come_and_go(desk: Desk, decisions: Decisions) -> None:
    decisions.set_state(LAN, 1, "in progress")
    decisions.set_state(LAN, 1, "on hold")
    decisions.close(LAN, 1, "true positive")
    decisions.set_state(MINH, 1, "in progress")

    incident = desk.incidents.get(1, ALL)
    assert (incident.state, incident.disposition, incident.closed_at) == ("in progress", "", "")


def test_the_second_of_two_people_is_told_what_the_first_did(
    desk: Desk, decisions: Decisions
) -> None:
    seen = desk.incidents.get(1, ALL).version
    decisions.close(MINH, 1, "benign true positive", version=seen)

    with pytest.raises(
        Conflict,
        match=r"minh, close at .* \(disposition: benign true positive; state: closed\).*look again",
    ):
        decisions.assign(LAN, 1, "lan", version=seen)
    with pytest.raises(Conflict, match=r"closed already \(benign true positive\): minh"):
        decisions.close(LAN, 1, "false positive")

    assert desk.incidents.get(1, ALL).disposition == "benign true positive"


def test_who_is_assigned_is_notified_once(desk: Desk, decisions: Decisions) -> None:
    decisions.assign(LAN, 1, "minh")
    decisions.assign(MINH, 2, "minh")

    assert [(n, what) for _, _, n, what in desk.incidents.notifications(["minh"], ALL)] == [
        (1, "assigned")
    ]
    assert decisions.read_notifications(MINH, ["minh"]) == 1
    assert decisions.read_notifications(MINH, ["minh"]) == 0


def test_tasks_are_done_once(desk: Desk, decisions: Decisions) -> None:
    task = decisions.add_task(LAN, 1, "Ngắt mạng máy trạm", "minh")
    decisions.finish_task(MINH, 1, task)

    with pytest.raises(Refused, match="no open task"):
        decisions.finish_task(MINH, 1, task)
    ((_, text, who, done),) = desk.incidents.tasks(1, ALL)
    assert (text, who) == ("Ngắt mạng máy trạm", "minh")
    assert done
    assert desk.incidents.find(IncidentQuery(text="ngat mang"), ALL)[0].id == 1


@pytest.mark.parametrize("text", ["", "  \n", "x" * 20_001], ids=["empty", "blank", "endless"])
def test_what_says_nothing_is_no_comment(decisions: Decisions, text: str) -> None:
    with pytest.raises(Refused):
        decisions.comment(LAN, 1, text)


def test_a_merge_takes_the_alerts_and_names_the_other(desk: Desk, regrouping: Regrouping) -> None:
    regrouping.merge(LAN, 2, 1)

    assert set(desk.homes().values()) == {1}
    assert desk.incidents.get(2, ALL).merged_into == 1
    assert actions(desk, 1)[-1] == actions(desk, 2)[-1] == "incident.merge"
    reasons = [member.reason for member in desk.incidents.members(1, ALL)[0]]
    assert sum("came with incident 2" in reason for reason in reasons) == 1


def test_incidents_of_two_organisations_are_never_merged(
    desk: Desk, regrouping: Regrouping
) -> None:
    desk.take(made(9, PC, organization="other"))

    with pytest.raises(Refused, match="two organisations"):
        regrouping.merge(LAN, 3, 1)
    with pytest.raises(Refused, match="itself"):
        regrouping.merge(LAN, 1, 1)


def test_a_split_moves_the_named_alerts(desk: Desk, regrouping: Regrouping) -> None:
    fresh = regrouping.split(LAN, 1, ["alert-2"])

    assert desk.homes() == {"alert-1": 1, "alert-2": fresh, "alert-3": 2}
    assert "split off from incident 1" in desk.incidents.members(fresh, ALL)[0][0].reason
    with pytest.raises(Refused, match="no alert in incident 1"):
        regrouping.split(LAN, 1, ["alert-1"])
    with pytest.raises(Refused, match="begins with alert-9"):
        regrouping.split(LAN, 1, ["alert-9"])


def test_one_alert_is_closed_and_its_incident_is_not(desk: Desk, regrouping: Regrouping) -> None:
    regrouping.close_alert(LAN, "alert-2", "false positive")

    with pytest.raises(Conflict, match="closed already"):
        regrouping.close_alert(MINH, "alert-2", "false positive")
    assert [m.disposition for m in desk.incidents.members(1, ALL)[0]] == ["", "false positive"]
    assert desk.incidents.get(1, ALL).state == "new"


def test_many_are_decided_at_once_or_none(desk: Desk, decisions: Decisions) -> None:
    query = IncidentQuery(rule="rule-1")
    counted = desk.incidents.count(query, ALL)
    desk.take(made(4, {"host.name": "pc-3"}))

    with pytest.raises(Conflict, match="2 incidents were counted, and 3 match now"):
        decisions.decide_many(LAN, query, counted, disposition="false positive")
    assert desk.incidents.count(query, ALL) == 3

    done = decisions.decide_many(
        LAN,
        query,
        3,
        disposition="false positive",
        person="lan",
        state="in progress",
        comment="Diễn tập",
    )
    assert done == 3
    closed = desk.incidents.find(IncidentQuery(states=("closed",)), ALL)
    assert {i.disposition for i in closed} == {"false positive"}
    assert actions(desk, 3) == [
        "incident.open",
        "incident.assign",
        "incident.state",
        "incident.close",
    ]


def test_views_are_shared_and_their_owners(decisions: Decisions) -> None:
    decisions.save_view(LAN, "ca đêm", IncidentQuery(assignee="-", levels=("critical",)))

    with pytest.raises(Refused, match="lan's"):
        decisions.save_view(MINH, "ca đêm", IncidentQuery())
    with pytest.raises(Refused):
        decisions.delete_view(MINH, "ca đêm")
    assert decisions.views() == {
        "ca đêm": ("lan", IncidentQuery(assignee="-", levels=("critical",)))
    }
    decisions.delete_view(LAN, "ca đêm")
    assert decisions.views() == {}


T0 = datetime(2026, 11, 25, 7, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "clock", "profile", "due"),
    [
        pytest.param(T0, "serious-notice", "vn-2026", "2026-11-26T07:59:00", id="24 hours, to the minute"),
        pytest.param(T0, "incident-report", "vn-2026", "2026-11-28T07:59:00", id="72 hours"),
        pytest.param(T0.replace(month=6, day=30), "incident-report", "vn-2017", "2026-07-05T07:59:00", id="the law of that day"),
        pytest.param(T0.replace(month=7, day=1), "incident-report", "vn-2026", "2026-07-04T07:59:00", id="from its first day on"),
    ],
)  # fmt: skip
def test_due_times(at: datetime, clock: str, profile: str, due: str) -> None:
    found = running(read_profiles(), clock, at)

    assert (found.profile, found.due_at.isoformat()[:19]) == (profile, due)


@pytest.mark.parametrize(
    ("at", "clock"),
    [
        (T0, "nothing"),
        (T0.replace(year=2010), "incident-report"),
        (T0.replace(month=1), "serious-notice"),
    ],
)
def test_a_clock_that_no_law_has_is_refused(at: datetime, clock: str) -> None:
    with pytest.raises(Refused, match="no clock"):
        running(read_profiles(), clock, at)


def test_a_clock_runs_once_and_stops(desk: Desk, decisions: Decisions) -> None:
    clocks = Clocks(decisions, read_profiles())
    clocks.start(LAN, 1, "incident-report", T0)

    with pytest.raises(Refused, match="started before"):
        clocks.start(LAN, 1, "incident-report")
    clocks.stop(LAN, 1, "incident-report")
    with pytest.raises(Refused, match="no running clock"):
        clocks.stop(LAN, 1, "incident-report")
    ((_, profile, started, due, stopped),) = desk.incidents.clocks(1, ALL)
    assert (profile, started[:16], due[:16], bool(stopped)) == (
        "vn-2026",
        "2026-11-25T07:59",
        "2026-11-28T07:59",
        True,
    )


def test_a_profile_with_faults_names_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("profiles:\n  - name: x\n    effective_from: soon\n    clocks: []\n")

    with pytest.raises(ConfigurationError) as caught:
        read_profiles([path])
    assert {fault.line for fault in caught.value.faults} == {3, 4}


DECISIONS: dict[str, Callable[[Decisions, Regrouping, Clocks, object], object]] = {
    "incident.state": lambda d, r, c, who: d.set_state(who, 1, "in progress"),  # type: ignore[arg-type]
    "incident.close": lambda d, r, c, who: d.close(who, 1, "true positive"),  # type: ignore[arg-type]
    "incident.assign": lambda d, r, c, who: d.assign(who, 1, "minh"),  # type: ignore[arg-type]
    "incident.comment": lambda d, r, c, who: d.comment(who, 1, "x"),  # type: ignore[arg-type]
    "incident.task": lambda d, r, c, who: d.add_task(who, 1, "x"),  # type: ignore[arg-type]
    "incident.merge": lambda d, r, c, who: r.merge(who, 2, 1),  # type: ignore[arg-type]
    "incident.split": lambda d, r, c, who: r.split(who, 1, ["alert-1"]),  # type: ignore[arg-type]
    "incident.clock": lambda d, r, c, who: c.start(who, 1, "incident-report"),  # type: ignore[arg-type]
    "alert.close": lambda d, r, c, who: r.close_alert(who, "alert-1", "duplicate"),  # type: ignore[arg-type]
    "view.save": lambda d, r, c, who: d.save_view(who, "v", IncidentQuery()),  # type: ignore[arg-type]
}
BY_LOOPS = {"triage.read", "incident.open", "incident.grow", "incident.revise"}
NEED_ANOTHER = {"view.delete", "notification.read", "incident.pack"}
"""Tried above, or in tests/processor/test_pack.py, where there is something to begin with."""


def test_every_action_is_tried_here() -> None:
    assert set(ROOM.actions) == {*DECISIONS, *BY_LOOPS, *NEED_ANOTHER}


@pytest.mark.parametrize("action", DECISIONS)
def test_every_decision_leaves_its_entry(
    desk: Desk, decisions: Decisions, regrouping: Regrouping, action: str
) -> None:
    before = desk.cases.book.size()
    DECISIONS[action](decisions, regrouping, Clocks(decisions, read_profiles()), LAN)

    found = desk.cases.book.find(LogQuery(action=action), ALL)
    assert found
    assert all(read.entry["seq"] >= before for read in found)
    assert {read.entry["actor"]["user"] for read in found} == {"lan"}


STRANGERS = {
    "an auditor": person("auditor"),
    "a rule admin": person("rule_admin"),
    "an admin": person("admin"),
    "no role": person(),
    "no organisation": person("analyst", scope=Scope.only()),
    "another organisation": person("analyst", scope=Scope.only("other")),
}


@pytest.mark.parametrize(
    ("action", "who"),
    [
        pytest.param(action, who, id=f"{action} by {name}")
        for action in DECISIONS
        for name, who in STRANGERS.items()
        # A view belongs to a person, not to an organisation.
        if (action, name) != ("view.save", "another organisation")
    ],
)
def test_who_may_not_decide_changes_nothing(
    desk: Desk, decisions: Decisions, regrouping: Regrouping, action: str, who: object
) -> None:
    before = desk.incidents.find(IncidentQuery(states=STATES), ALL), desk.cases.book.size()

    with pytest.raises((Forbidden, Refused)):
        DECISIONS[action](decisions, regrouping, Clocks(decisions, read_profiles()), who)

    after = desk.incidents.find(IncidentQuery(states=STATES), ALL), desk.cases.book.size()
    assert after == before


def test_what_another_organisation_has_does_not_exist_for_decisions(decisions: Decisions) -> None:
    foreign = replace(LAN, scope=Scope.only("other"))

    with pytest.raises(Refused, match="there is no incident 1"):
        decisions.comment(foreign, 1, "x")
    with pytest.raises(Refused, match="no incident matches"):
        decisions.decide_many(foreign, IncidentQuery(), 0, disposition="duplicate")
