"""Which alerts make one incident, why, and what later knowledge changes."""

from dataclasses import replace

import pytest

from luytre.audit.book import LogQuery
from luytre.cases.model import IncidentQuery
from luytre.cases.room import DUTY
from luytre.core.alert import Alert
from tests.cases.conftest import ALL, LAN, Desk, made

PC = {"host.name": "PC-02.dong-son.example"}


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        pytest.param(made(1, PC), made(2, {"host.name": "pc-02.DONG-SON.example"}, at=30), True, id="one host, however it is written"),
        pytest.param(made(1, PC), made(2, {"host.name": "PC-03"}, at=30), False, id="two hosts"),
        pytest.param(made(1, PC), made(2, PC, at=239), True, id="within four hours"),
        pytest.param(made(1, PC), made(2, PC, at=241), False, id="later than four hours"),
        pytest.param(made(1, PC, at=200), made(2, PC, at=0), True, id="in any order of arrival"),
        pytest.param(made(1, PC), made(2, PC, organization="other"), False, id="one name in two organisations"),
        pytest.param(made(1, {"source.ip": "203.0.113.9"}), made(2, {"source.ip": "203.0.113.9"}, at=9), True, id="one attacker's address"),
        pytest.param(made(1, {"destination.ip": "203.0.113.9"}), made(2, {"destination.ip": "203.0.113.9"}), False, id="one address on the Internet that many visit"),
        pytest.param(made(1, {"user.name": "ACME\\hoa"}), made(2, {"user.name": "acme\\HOA"}), True, id="one user"),
        pytest.param(made(1, {"user.name": "ACME\\hoa"}), made(2, {"user.name": "hoa@acme.example"}), True, id="one account, as a machine and a mail server write it"),
        pytest.param(made(1, {"host.name": "db01"}), made(2, {"source.ip": "10.1.3.9", "source.asset.name": "db01"}), True, id="one machine, by its name and by an address of the inventory"),
        pytest.param(made(1, {"user.name": "NT AUTHORITY\\SYSTEM"}), made(2, {"user.name": "NT AUTHORITY\\SYSTEM"}), False, id="an account that every machine has"),
        pytest.param(made(1, {"user.name": "PC-02$"}), made(2, {"user.name": "PC-02$"}), False, id="a machine's account"),
        pytest.param(made(1, {"source.ip": "127.0.0.1"}), made(2, {"source.ip": "127.0.0.1"}), False, id="the machine itself"),
        pytest.param(made(1), made(2), False, id="nothing to group by"),
        pytest.param(
            made(1, {"event.category": "web", "luytre.stream": "portal/53a96/1", "source.ip": "198.51.100.1"}, tags=("attack.t1491.002",)),
            made(2, {"event.category": "web", "luytre.stream": "portal", "source.ip": "198.51.100.2"}, at=9, tags=("attack.t1491.001",)),
            True, id="one technique against one web site",
        ),
        pytest.param(
            made(1, {"event.category": "web", "luytre.stream": "portal"}, tags=("attack.t1491",)),
            made(2, {"event.category": "web", "luytre.stream": "portal"}, at=9, tags=("attack.t1505",)),
            False, id="two techniques against one web site",
        ),
    ],
)  # fmt: skip
def test_grouping(desk: Desk, first: Alert, second: Alert, *, together: bool) -> None:
    desk.take(first)
    desk.take(second)

    homes = desk.homes()
    assert (homes["alert-1"] == homes["alert-2"]) == together


def test_the_reasons_are_shown(desk: Desk) -> None:
    desk.take(made(1, PC), made(2, PC, at=5), made(3))

    members, hidden = desk.incidents.members(1, ALL)
    assert hidden == 0
    assert [member.reason for member in members] == [
        "the first about host pc-02.dong-son.example",
        "same host pc-02.dong-son.example within 4 hours",
    ]
    assert desk.incidents.members(2, ALL)[0][0].reason == "it names nothing to group by"


def test_a_machine_that_a_central_sensor_sees_is_its_offices(desk: Desk) -> None:
    office = {"source.ip": "10.31.7.22", "source.asset.organization": "xa-dong-son"}
    desk.take(made(1, {**PC, **office}, organization="xa-dong-son"))
    desk.take(made(2, office, at=1, organization="centre"))

    assert set(desk.homes().values()) == {1}
    assert desk.incidents.get(1, ALL).organization == "xa-dong-son"


def test_an_alert_that_links_two_untouched_incidents_joins_them(desk: Desk) -> None:
    desk.take(made(1, {"host.name": "a"}), made(2, {"source.ip": "203.0.113.9"}, at=1))
    desk.take(made(3, {"host.name": "a", "source.ip": "203.0.113.9"}, at=2))

    assert set(desk.homes().values()) == {1}
    second = desk.incidents.get(2, ALL)
    assert (second.state, second.disposition, second.merged_into) == ("closed", "duplicate", 1)
    assert desk.incidents.life(2, ALL)[-1].action == "incident.merge"


def test_what_a_person_has_taken_up_is_not_joined_by_itself(desk: Desk) -> None:
    desk.take(made(1, {"host.name": "a"}), made(2, {"source.ip": "203.0.113.9"}, at=1))
    with desk.cases.change(LAN) as change:
        change.connection.execute("UPDATE incidents SET state = 'in progress' WHERE id = 2")
        change.record("incident.state", "incident:2", organization="so-y-te")

    desk.take(made(3, {"host.name": "a", "source.ip": "203.0.113.9"}, at=2))

    assert desk.homes() == {"alert-1": 1, "alert-2": 2, "alert-3": 1}


def test_a_revised_alert_updates_its_incident_and_says_so(desk: Desk) -> None:
    desk.take(made(1, PC, episode="e", revision=1, level="medium"))
    before = desk.incidents.get(1, ALL)
    desk.take(made(2, PC, at=3, episode="e", revision=2, level="critical"))

    after = desk.incidents.get(1, ALL)
    assert after.alerts == 1
    assert (before.level, after.level) == ("medium", "critical")
    assert after.version > before.version
    assert desk.incidents.life(1, ALL)[-1].action == "incident.revise"


def test_an_older_revision_that_comes_late_changes_nothing(desk: Desk) -> None:
    desk.take(made(2, PC, episode="e", revision=2))
    before = desk.incidents.get(1, ALL)
    desk.take(made(1, PC, episode="e", revision=1, level="critical"))

    assert desk.incidents.get(1, ALL) == before


def test_a_withdrawn_alert_counts_no_more(desk: Desk) -> None:
    desk.take(made(1, PC, episode="e", revision=1, level="critical"), made(5, PC, level="low"))
    desk.take(made(2, PC, episode="e", revision=2, level="critical", withdrawn=True))

    incident = desk.incidents.get(1, ALL)
    assert (incident.level, incident.alerts) == ("low", 2)


def test_an_alert_for_a_closed_incident_opens_another_that_names_it(desk: Desk) -> None:
    desk.take(made(1, PC))
    with desk.cases.change(LAN) as change:
        change.connection.execute("UPDATE incidents SET state = 'closed' WHERE id = 1")
        change.record("incident.close", "incident:1", organization="so-y-te")
    desk.take(made(2, PC, at=1))

    assert desk.homes()["alert-2"] == 2
    assert "incident 1" in desk.incidents.members(2, ALL)[0][0].reason


def test_backfill_is_marked_and_pages_nobody(desk: Desk) -> None:
    desk.take(made(1, PC, level="critical", late_s=86_400))
    assert desk.incidents.get(1, ALL).backfill
    assert desk.incidents.notifications([DUTY], ALL) == []

    desk.take(made(2, PC, at=10, level="critical"))
    assert not desk.incidents.get(1, ALL).backfill
    assert [what for *_, what in desk.incidents.notifications([DUTY], ALL)] == ["opened"]


def test_what_a_search_of_the_archive_finds_is_backfill_and_pages_nobody(desk: Desk) -> None:
    desk.take(replace(made(1, PC, level="critical"), retro=True))
    assert desk.incidents.get(1, ALL).backfill

    desk.take(made(2, PC, at=1, level="low"))
    desk.take(replace(made(3, PC, at=2, level="critical"), retro=True))
    paged = [what for *_, what in desk.incidents.notifications([DUTY], ALL)]

    # The second alert is real, and its incident is urgent: that is said once, by it.
    assert paged == ["opened"]
    assert not desk.incidents.get(1, ALL).backfill


def test_a_search_of_the_archive_makes_no_incident_worth_a_page(desk: Desk) -> None:
    desk.take(made(1, PC, level="low"))
    desk.take(replace(made(2, PC, at=1, level="critical"), retro=True))
    quiet = desk.incidents.notifications([DUTY], ALL)
    desk.take(made(3, PC, at=2, level="low"))

    assert desk.incidents.get(2, ALL).score >= 60
    assert quiet == []
    assert [what for *_, what in desk.incidents.notifications([DUTY], ALL)] == ["opened"]


def test_a_clock_that_is_ahead_is_measured(desk: Desk) -> None:
    desk.take(made(1, PC, late_s=-120))

    assert desk.incidents.members(1, ALL)[0][0].delay_s == -120


def test_the_score_is_explained(desk: Desk) -> None:
    desk.take(
        made(1, {**PC, "host.asset.level": "3", "threat.indicator.confidence": "90"}, level="critical", tags=("attack.execution", "attack.impact")),
    )  # fmt: skip

    incident = desk.incidents.get(1, ALL)
    assert incident.score == sum(points for _, points in incident.score_parts) == 75 + 8 + 9 + 3 + 5
    assert [text for text, _ in incident.score_parts] == [
        "level critical",
        "asset of security level 3",
        "indicator of confidence 90",
        "2 tactics of an attack: execution, impact",
        "a rule that had not fired here for 30 days",
    ]


def test_every_change_of_triage_is_in_the_history(desk: Desk) -> None:
    desk.take(made(1, PC), made(2, PC))
    desk.take(made(3, PC))

    found = desk.cases.book.find(LogQuery(), ALL)
    assert [read.entry["action"] for read in reversed(found)] == [
        "audit.begin", "triage.read", "incident.open", "triage.read", "incident.grow",
    ]  # fmt: skip
    assert found[2].detail is not None
    assert found[2].detail["alerts"] == ["alert-1", "alert-2"]


def test_a_replay_changes_nothing(desk: Desk) -> None:
    alerts = [made(n, {"host.name": f"pc-{n % 3}"}, at=n) for n in range(9)]
    desk.take(*alerts)
    before = desk.incidents.find(IncidentQuery(), ALL)
    desk.take(*alerts)

    assert desk.incidents.find(IncidentQuery(), ALL) == before


def test_hostile_values_are_only_text(desk: Desk) -> None:
    evil = "'; DROP TABLE incidents; -- <script> \x1b[31m \u202e =cmd|'/C calc'!A0"
    desk.take(made(1, {"host.name": evil, "user.name": evil}, rule=evil))

    by_text = desk.incidents.find(IncidentQuery(text='script" OR NEAR( drop*'), ALL)
    by_entity = desk.incidents.find(IncidentQuery(entity=f"host:{evil.lower()}"), ALL)
    assert by_text == []
    assert [incident.id for incident in by_entity] == [1]


@pytest.mark.parametrize("text", ["dong son", "Đồng", '"pc 02"', "title rule", "pc-02*"])
def test_incidents_are_found_by_folded_text(desk: Desk, text: str) -> None:
    desk.take(
        made(1, {"host.name": "PC-02.Đồng-Sơn"}), made(2, {"host.name": "other"}, at=1, rule="x")
    )

    assert 1 in [incident.id for incident in desk.incidents.find(IncidentQuery(text=text), ALL)]
