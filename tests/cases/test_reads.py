from typing import Any

import pytest

from luytre.cases.read import Incidents
from luytre.core.organization import Scope
from tests.cases.conftest import ALL, LAN, Desk, made
from tests.contracts.incident_reads import IncidentReads

ROWS: dict[str, list[Any]] = {
    "incident_comments": [1, ..., "2026", "lan", "secret"],
    "incident_tasks": [1, ..., "secret", "lan", ""],
    "incident_clocks": [..., "secret", "vn", "2026", "2026", ""],
}


class TestIncidentReads(IncidentReads):
    @pytest.fixture
    def incidents(self, desk: Desk) -> Incidents:
        return desk.incidents

    @pytest.fixture
    def secret(self, desk: Desk) -> int:
        for number in range(40):
            desk.take(made(number, {"host.name": f"h{number}"}, organization="third"))
        event = {"host.name": "secret-host", "user.name": "secret-user"}
        desk.take(
            made("secret", event, organization="theirs", level="critical", rule="secret-rule")
        )
        number = desk.homes()["alert-secret"]
        with desk.cases.change(LAN) as change:
            for table, row in ROWS.items():
                marks = ", ".join("?" * len(row))
                change.connection.execute(
                    f"INSERT INTO {table} VALUES ({marks})",
                    [number if v is Ellipsis else v for v in row],
                )
            change.record("incident.comment", f"incident:{number}", organization="theirs")
        return number


def test_an_alert_that_another_organisation_saw_is_only_counted(desk: Desk) -> None:
    office = {"source.ip": "10.31.7.22", "source.asset.organization": "office"}
    desk.take(made(1, office, organization="office"), made(2, office, organization="centre"))

    members, hidden = desk.incidents.members(1, Scope.only("office"))
    assert [member.alert for member in members] == ["alert-1"]
    assert hidden == 1
    assert len(desk.incidents.members(1, ALL)[0]) == 2
