from pathlib import Path

import pytest

from luytre.audit.anchors import anchor_in, anchor_page
from luytre.audit.book import LogQuery
from luytre.audit.database import AUDIT, CaseDatabase
from luytre.audit.erase import erase, hold, release
from luytre.audit.export import export
from luytre.audit.reading import read_history
from luytre.core.clock import ManualClock
from luytre.core.errors import Forbidden, Refused
from luytre.core.organization import Scope
from luytre_verify.verify import verify
from tests.audit.conftest import person, write

ANALYST, ADMIN = person("analyst"), person("admin", user="an")


def test_an_erased_detail_leaves_its_entry_and_a_receipt(
    cases: CaseDatabase, tmp_path: Path
) -> None:
    write(cases, ANALYST, "số căn cước của một người dân")
    receipt = erase(cases, ADMIN, 1, "Luật 91/2025")
    export(cases, ADMIN, tmp_path / "export")

    (first,) = cases.book.find(LogQuery(action="note.write"), Scope.everything())
    assert first.detail is None
    assert receipt == 2
    report = verify(tmp_path / "export")
    assert report.whole
    assert report.erased == 1
    everything = b"".join(
        p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and "export" in str(p)
    )
    assert "số căn cước".encode() not in everything


def test_what_is_on_hold_is_not_erased(cases: CaseDatabase) -> None:
    write(cases, ANALYST, "x")
    hold(cases, ADMIN, "note:1", "so-y-te", "Công văn 12")

    with pytest.raises(Refused, match=r"legal hold \(Công văn 12\)"):
        erase(cases, ADMIN, 1, "Luật 91/2025")
    with pytest.raises(Refused, match="already"):
        hold(cases, ADMIN, "note:1", "so-y-te", "again")
    release(cases, ADMIN, "note:1", "so-y-te")
    assert erase(cases, ADMIN, 1, "Luật 91/2025")


@pytest.mark.parametrize(("seq", "reason"), [(1, " "), (99, "x"), (-1, "x")])
def test_no_reason_no_entry_no_erasure(cases: CaseDatabase, seq: int, reason: str) -> None:
    write(cases, ANALYST, "x")

    with pytest.raises(Refused):
        erase(cases, ADMIN, seq, reason)
    assert cases.book.size() == 2


def test_nothing_is_erased_twice(cases: CaseDatabase) -> None:
    write(cases, ANALYST, "x")
    erase(cases, ADMIN, 1, "x")

    with pytest.raises(Refused, match="already"):
        erase(cases, ADMIN, 1, "x")


@pytest.mark.parametrize("role", ["analyst", "auditor", "rule_admin", "service"])
def test_only_an_admin_erases_and_holds(cases: CaseDatabase, role: str) -> None:
    write(cases, ANALYST, "x")

    with pytest.raises(Forbidden):
        erase(cases, person(role), 1, "x")
    with pytest.raises(Forbidden):
        hold(cases, person(role), "note:1", "so-y-te", "x")
    assert cases.book.size() == 2


def test_every_action_of_the_history_itself_leaves_its_entry(
    cases: CaseDatabase, tmp_path: Path, clock: ManualClock
) -> None:
    write(cases, ANALYST, "x")
    anchor_in(cases, ADMIN, tmp_path / "usb")
    anchor_page(cases, ADMIN, clock.now())
    hold(cases, ADMIN, "note:1", "so-y-te", "x")
    release(cases, ADMIN, "note:1", "so-y-te")
    erase(cases, ADMIN, 1, "x")
    read_history(cases, ADMIN, LogQuery())
    export(cases, ADMIN, tmp_path / "export")

    found = cases.book.find(LogQuery(action="audit."), Scope.everything())
    assert {read.entry["action"] for read in found} == set(AUDIT.actions)
