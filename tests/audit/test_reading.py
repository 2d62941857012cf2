"""Who reads the history is in it; without a signer it is read all the same, and told."""

from pathlib import Path

import pytest

from luytre.audit.book import LogQuery
from luytre.audit.database import CaseDatabase
from luytre.audit.reading import AGAIN_AFTER, LOOK, read_history
from luytre.audit.signer import SignedState, Signer
from luytre.core.clock import ManualClock
from luytre.core.errors import Forbidden, NeighbourError, Refused
from luytre.core.organization import Scope
from tests.audit.conftest import NOTES, person, write

AUDITOR = person("auditor", user="binh")
LAN = LogQuery(user="lan")


def looks(cases: CaseDatabase) -> list[tuple[str, str]]:
    found = cases.book.find(LogQuery(action=LOOK), Scope.everything())
    return [(read.entry["actor"]["user"], read.entry["organization"]) for read in found]


def test_a_look_is_one_entry_until_it_asks_for_something_else_or_is_old(
    cases: CaseDatabase, clock: ManualClock
) -> None:
    write(cases, person("analyst"), "x")
    counts = []
    for query, user, later_s in [
        (LAN, "binh", 0),
        (LogQuery(user="lan", offset=100), "binh", 60),
        (LogQuery(), "binh", 0),
        (LAN, "quan", 0),
        (LAN, "binh", AGAIN_AFTER.total_seconds()),
    ]:
        clock.advance(later_s)
        assert read_history(cases, person("auditor", user=user), query).unlogged == ""
        counts.append(len(looks(cases)))

    assert counts == [1, 1, 2, 3, 4]


def test_what_was_asked_is_in_the_detail_and_the_look_comes_before_the_answer(
    cases: CaseDatabase,
) -> None:
    found, _ = read_history(cases, AUDITOR, LogQuery(subject="history"))

    assert [(read.entry["action"], read.detail and read.detail["asked"]) for read in found] == [
        (LOOK, {"subject": "history"})
    ]


def test_a_reader_of_two_offices_leaves_an_entry_in_each_and_sees_no_other(
    cases: CaseDatabase,
) -> None:
    for organization in ("a", "b", "c"):
        write(cases, person("analyst"), "x", organization)

    found, _ = read_history(cases, person("auditor", scope=Scope.only("a", "b")), LogQuery())

    assert {read.entry["organization"] for read in found} == {"a", "b"}
    assert sorted(looks(cases)) == [("lan", "a"), ("lan", "b")]


@pytest.mark.parametrize("role", ["analyst", "rule_admin", "service"])
def test_who_is_no_auditor_reads_nothing_and_leaves_nothing(cases: CaseDatabase, role: str) -> None:
    write(cases, person("analyst"), "x")
    before = cases.book.size()

    with pytest.raises(Forbidden):
        read_history(cases, person(role), LogQuery())
    assert cases.book.size() == before


class _Broken(Signer):
    error: Exception | None = None

    def state(self) -> SignedState:
        if self.error:
            raise self.error
        return super().state()


@pytest.mark.parametrize("error", [NeighbourError("no answer"), Refused("another history")])
def test_with_a_signer_that_fails_the_history_is_shown_and_says_so(
    tmp_path: Path, error: Exception
) -> None:
    signer = _Broken(tmp_path / "signer")
    cases = CaseDatabase(tmp_path / "cases.sqlite", signer, ManualClock(), [NOTES])
    write(cases, person("analyst"), "x")
    signer.error = error

    found, unlogged = read_history(cases, AUDITOR, LogQuery(action="note."))

    assert len(found) == 1
    assert str(error) in unlogged
    assert looks(cases) == []
    cases.close()
