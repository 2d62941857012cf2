"""Which milder alerts an alarm gathers about itself, and which it leaves alone."""

import pytest

from luytre.audit.book import LogQuery
from luytre.core.alert import Alert
from tests.cases.conftest import ALL, LAN, Desk, made

PC = {"host.name": "pc-02"}
HOA = {"user.name": "hoa"}


@pytest.mark.parametrize(
    ("mild", "together"),
    [
        pytest.param(made("mild", PC, at=200, level="medium"), True, id="after the alarm"),
        pytest.param(made("mild", PC, at=-200, level="low"), True, id="before the alarm"),
        pytest.param(made("mild", PC, at=-241, level="medium"), False, id="too long before"),
        pytest.param(made("mild", PC, at=241, level="medium"), False, id="too long after"),
        pytest.param(made("mild", PC, at=1, level="informational"), False, id="only a note"),
        pytest.param(made("mild", HOA, at=1, level="medium"), False, id="by the account alone"),
    ],
)
def test_an_alarm_has_what_happened_on_its_machine(
    desk: Desk, mild: Alert, *, together: bool
) -> None:
    alarm = made("alarm", {**PC, **HOA})
    for alert in sorted((mild, alarm), key=lambda a: a.ingested_at):
        desk.take(alert)

    homes = desk.homes()
    assert (homes["alert-mild"] == homes["alert-alarm"]) == together


def test_a_noisy_rule_makes_no_incident_longer_and_no_two_one(desk: Desk) -> None:
    desk.take(made(1, PC), made(2, PC, at=390))
    desk.take(*(made(f"noise-{at}", PC, at=at, level="medium") for at in range(0, 390, 30)))

    homes = desk.homes()
    assert homes["alert-1"] != homes["alert-2"]
    assert set(homes.values()) == {homes["alert-1"], homes["alert-2"]}


def test_what_an_alarm_gathers_says_whence_it_came(desk: Desk) -> None:
    desk.take(made(1, PC, level="low"))
    desk.take(made(2, PC, at=9))

    left = desk.incidents.get(1, ALL)
    assert desk.homes() == {"alert-1": 2, "alert-2": 2}
    assert (left.state, left.disposition, left.merged_into) == ("closed", "duplicate", 2)
    assert not left.changed_after_close
    reasons = [member.reason for member in desk.incidents.members(2, ALL)[0]]
    assert any("before the alarm, from incident 1" in reason for reason in reasons)
    steps = [step.action for step in desk.incidents.life(1, ALL)]
    assert steps == ["incident.open", "incident.merge", "incident.split"]


def test_what_was_long_before_stays_where_it_was(desk: Desk) -> None:
    desk.take(made("old", PC, level="low"), made("new", PC, at=200, level="low"))
    desk.take(made("alarm", PC, at=420))

    homes = desk.homes()
    assert homes["alert-old"] != homes["alert-new"] == homes["alert-alarm"]
    assert desk.incidents.get(homes["alert-old"], ALL).state == "new"


def test_an_alarm_takes_nothing_from_what_a_person_has_taken_up(desk: Desk) -> None:
    desk.take(made(1, PC, level="low"))
    with desk.cases.change(LAN) as change:
        change.connection.execute("UPDATE incidents SET assignee = 'lan' WHERE id = 1")
        change.record("incident.assign", "incident:1", organization="so-y-te")
    desk.take(made(2, PC, at=9))

    assert desk.homes() == {"alert-1": 1, "alert-2": 2}


def test_what_an_alarm_gathered_goes_with_it_into_another_incident(desk: Desk) -> None:
    desk.take(
        made("first", {"host.name": "a"}),
        made("mild", PC, at=1, level="low"),
        made("second", PC, at=2),
        made("both", {"host.name": "a", "source.ip": "10.1.1.2", "source.asset.name": "pc-02"}, at=3),
    )  # fmt: skip

    assert set(desk.homes().values()) == {1}
    told = [
        (found.entry["subject"], (found.detail or {})["after"])
        for found in desk.cases.book.find(LogQuery(), ALL)
        if found.entry["action"] == "incident.split"
    ]
    assert sorted(told) == [
        ("incident:1", {"alerts": ["alert-mild"], "from": 2}),
        ("incident:2", {"alerts": ["alert-mild"], "into": 1}),
    ]
