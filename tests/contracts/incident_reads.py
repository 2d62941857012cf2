"""The contract of every read of incidents: what lies outside the scope does not exist.

The suite calls each public method of ``Incidents`` with every query that could find, count or name
an incident of another organisation; a method without a way to call it here fails.
"""

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from luytre.cases.model import STATES, IncidentQuery
from luytre.cases.read import Incidents
from luytre.core.errors import Refused
from luytre.core.organization import Scope

QUERIES = [
    IncidentQuery(),
    IncidentQuery(states=STATES),
    IncidentQuery(text="secret"),
    IncidentQuery(entity="host:secret-host"),
    IncidentQuery(entity="secret-host"),
    IncidentQuery(rule="secret-rule"),
    IncidentQuery(rule="%"),
    IncidentQuery(assignee="-"),
    IncidentQuery(levels=("critical", "high")),
    IncidentQuery(since="2000-01-01"),
    IncidentQuery(limit=-1),
]
Read = Callable[[Incidents, int, Scope], Any]


def each(method: str) -> Read:
    return lambda incidents, _, scope: [getattr(incidents, method)(q, scope) for q in QUERIES]


def of(method: str) -> Read:
    return lambda incidents, number, scope: getattr(incidents, method)(number, scope)


READS: dict[str, Read] = {
    "get": of("get"),
    "find": each("find"),
    "count": each("count"),
    "numbers": each("numbers"),
    "members": of("members"),
    "incident_of": lambda incidents, _, scope: incidents.incident_of("alert-secret", scope),
    "life": of("life"),
    "comments": of("comments"),
    "tasks": of("tasks"),
    "clocks": of("clocks"),
    "clocks_between": lambda incidents, _, scope: incidents.clocks_between("0", "9", scope),
    "notifications": lambda incidents, _, scope: incidents.notifications(["duty", "lan"], scope),
}


class IncidentReads:
    """To be inherited; ``incidents`` has one incident of "theirs" (its number is ``secret``)."""

    def test_every_read_is_tried_and_asks_for_a_scope(self) -> None:
        public = {
            name: method
            for name, method in inspect.getmembers(Incidents, inspect.isfunction)
            if not name.startswith("_")
        }

        assert set(public) == set(READS)
        for method in public.values():
            parameter = inspect.signature(method).parameters["scope"]
            assert parameter.default is inspect.Parameter.empty

    @pytest.mark.parametrize("scope", [Scope.only("ours"), Scope.only()], ids=["another", "none"])
    @pytest.mark.parametrize("name", READS)
    def test_nothing_leaks(
        self, incidents: Incidents, secret: int, name: str, scope: Scope
    ) -> None:
        found: list[Any] = []
        with suppress(Refused):
            found = READS[name](incidents, secret, scope)

        assert not any(found)

    @pytest.mark.parametrize("name", READS)
    def test_the_same_reads_find_it_for_its_owner(
        self, incidents: Incidents, secret: int, name: str
    ) -> None:
        assert READS[name](incidents, secret, Scope.only("theirs"))
