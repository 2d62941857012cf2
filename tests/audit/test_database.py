import resource
from pathlib import Path

import pytest

from luytre.audit.book import LogQuery
from luytre.audit.database import CaseDatabase, Room, Unrecorded
from luytre.audit.signer import Growth, SignedState, Signer
from luytre.core.actor import Actor
from luytre.core.clock import ManualClock
from luytre.core.database import DatabaseError, open_database, snapshot
from luytre.core.errors import Forbidden, NeighbourError
from luytre.core.organization import Scope
from tests.audit.conftest import NOTES, person, write

ANALYST = person("analyst")
INSERT = "INSERT INTO notes (organization, text) VALUES ('a', 'b')"


def notes(cases: CaseDatabase) -> list[str]:
    return [text for (text,) in cases.connection.execute("SELECT text FROM notes ORDER BY id")]


def attempt(
    cases: CaseDatabase, actor: Actor, action: str, organization: str = "a", sql: str = INSERT
) -> None:
    with cases.change(actor) as change:
        change.connection.execute(sql)
        change.record(action, "note:1", organization=organization)


def test_a_change_and_its_entry_stand_together(cases: CaseDatabase, signer: Signer) -> None:
    seq = write(cases, ANALYST, "Kiểm tra máy chủ")

    (read,) = cases.book.find(LogQuery(action="note.write"), Scope.everything())
    assert notes(cases) == ["Kiểm tra máy chủ"]
    assert read.entry["seq"] == seq == 1
    assert read.entry["actor"] == {
        "address": "",
        "roles": ["analyst"],
        "user": "lan",
        "via": "test",
    }
    assert read.entry["organization"] == "so-y-te"
    assert read.detail is not None
    assert read.detail["after"] == "Kiểm tra máy chủ"
    assert signer.state().size == cases.book.size() == 2


def test_the_first_entry_names_the_key(cases: CaseDatabase, signer: Signer) -> None:
    write(cases, ANALYST, "x")

    (first,) = cases.book.find(LogQuery(action="audit.begin"), Scope.everything())
    assert first.entry["subject"] == f"key:{signer.state().key}"


def test_a_change_without_an_entry_is_undone(cases: CaseDatabase) -> None:
    with pytest.raises(Unrecorded), cases.change(ANALYST) as change:
        change.connection.execute(INSERT)

    assert notes(cases) == []


def test_an_undeclared_action_is_undone(cases: CaseDatabase) -> None:
    with pytest.raises(Unrecorded, match=r"note\.burn"):
        attempt(cases, ANALYST, "note.burn")

    assert notes(cases) == []
    assert cases.book.size() == 0


def test_what_fails_leaves_neither_change_nor_entry(cases: CaseDatabase) -> None:
    def fail() -> None:
        with cases.change(ANALYST) as change:
            change.connection.execute(INSERT)
            change.record("note.write", "note:1", organization="a")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert notes(cases) == []
    assert cases.book.size() == 0


def test_outside_of_a_change_nothing_can_be_written(cases: CaseDatabase) -> None:
    write(cases, ANALYST, "x")

    with pytest.raises(DatabaseError, match="readonly"):
        cases.connection.execute("UPDATE notes SET text = 'y'")


@pytest.mark.parametrize(
    ("actor", "action", "organization"),
    [
        pytest.param(person("auditor"), "note.write", "a", id="a role that may not"),
        pytest.param(person(), "note.write", "a", id="no role"),
        pytest.param(person("analyst"), "note.approve", "a", id="an action of another role"),
        pytest.param(person("analyst", scope=Scope.only("b")), "note.write", "a", id="another organisation"),
        pytest.param(person("analyst", scope=Scope.only("b")), "note.write", "", id="the whole installation"),
    ],
)  # fmt: skip
def test_who_may_not_changes_nothing(
    cases: CaseDatabase, actor: Actor, action: str, organization: str
) -> None:
    with pytest.raises(Forbidden):
        attempt(cases, actor, action, organization)

    assert notes(cases) == []
    assert cases.book.size() == 0


@pytest.mark.parametrize("sql", [
    "DELETE FROM audit_entries WHERE seq = 1",
    "UPDATE audit_entries SET entry = '{}' WHERE seq = 1",
    "UPDATE audit_entries SET leaf = x'00' WHERE seq = 1",
    "UPDATE audit_entries SET detail = '{}' WHERE seq = 1",
    "UPDATE audit_entries SET seq = 9 WHERE seq = 1",
    "DELETE FROM audit_nodes",
    "UPDATE audit_nodes SET hash = x'00'",
])  # fmt: skip
def test_no_statement_alters_the_book_even_in_a_change(cases: CaseDatabase, sql: str) -> None:
    write(cases, ANALYST, "x")
    before = cases.book.root(2)

    with pytest.raises(DatabaseError, match=r"never|only grows"):
        attempt(cases, ANALYST, "note.write", sql=sql)

    assert cases.book.root(2) == before


class _Silent(Signer):
    """A signer that dies: before anything, or once it has said what it signed."""

    dead = False

    def state(self) -> SignedState:
        if self.dead:
            raise NeighbourError("the audit signer does not answer")
        return super().state()

    def sign(self, growth: Growth) -> SignedState:
        if self.dead:
            raise NeighbourError("the audit signer does not answer")
        return super().sign(growth)


def test_without_a_signer_changes_are_refused_and_reads_are_not(tmp_path: Path) -> None:
    signer = _Silent(tmp_path / "signer")
    cases = CaseDatabase(tmp_path / "cases.sqlite", signer, ManualClock(), [NOTES])
    write(cases, ANALYST, "before")
    signer.dead = True

    with pytest.raises(NeighbourError, match="does not answer"):
        write(cases, ANALYST, "while dead")

    assert notes(cases) == ["before"]
    assert cases.book.size() == 2
    signer.dead = False
    write(cases, ANALYST, "after")
    assert notes(cases) == ["before", "after"]


def test_a_change_whose_signer_dies_meanwhile_stands_and_is_signed_later(tmp_path: Path) -> None:
    signer = _Silent(tmp_path / "signer")
    cases = CaseDatabase(tmp_path / "cases.sqlite", signer, ManualClock(), [NOTES])
    with cases.change(ANALYST) as change:
        change.connection.execute(INSERT)
        change.record("note.write", "note:1", organization="a")
        signer.dead = True

    with pytest.raises(NeighbourError):
        write(cases, ANALYST, "while dead")
    signer.dead = False
    write(cases, ANALYST, "after")

    assert notes(cases) == ["b", "after"]
    assert signer.state().size == cases.book.size() == 3


def test_a_full_disk_refuses_the_change_with_its_reason(cases: CaseDatabase) -> None:
    write(cases, ANALYST, "before")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limit[1]))
    try:
        with pytest.raises(NeighbourError, match="nothing was changed"):
            write(cases, ANALYST, "x" * 500_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert notes(cases) == ["before"]
    write(cases, ANALYST, "after")
    assert notes(cases) == ["before", "after"]


def test_a_rolled_back_database_takes_no_change(
    tmp_path: Path, cases: CaseDatabase, signer: Signer, clock: ManualClock
) -> None:
    write(cases, ANALYST, "kept")
    old = open_database(tmp_path / "old.sqlite")
    with old.backup("main", cases.connection, "main") as backup:
        backup.step()
    old.close()
    write(cases, ANALYST, "lost")

    older = CaseDatabase(tmp_path / "old.sqlite", signer, clock, [NOTES])
    with pytest.raises(NeighbourError, match="rolled back"):
        write(older, ANALYST, "on top of the old")

    assert notes(older) == ["kept"]
    older.close()


def test_another_history_takes_no_change(
    tmp_path: Path, cases: CaseDatabase, signer: Signer, clock: ManualClock
) -> None:
    write(cases, ANALYST, "one")
    forked = CaseDatabase(tmp_path / "fork.sqlite", Signer(tmp_path / "other"), clock, [NOTES])
    for _ in range(3):
        write(forked, ANALYST, "another")
    forked.close()

    forked = CaseDatabase(tmp_path / "fork.sqlite", signer, clock, [NOTES])
    with pytest.raises(NeighbourError, match="not the history that was signed"):
        write(forked, ANALYST, "on top")
    forked.close()


def test_who_sees_some_organisations_reads_only_their_entries(cases: CaseDatabase) -> None:
    write(cases, ANALYST, "x", "a")
    write(cases, ANALYST, "y", "b")

    found = cases.book.find(LogQuery(), Scope.only("b"))

    assert [read.entry["organization"] for read in found] == ["b"]


def test_rooms_share_the_database_and_migrate_apart(
    tmp_path: Path, signer: Signer, clock: ManualClock
) -> None:
    path = tmp_path / "cases.sqlite"
    CaseDatabase(path, signer, clock, [NOTES]).close()
    more = Room(
        "notes", [*NOTES.migrations, "ALTER TABLE notes ADD COLUMN more TEXT"], NOTES.actions
    )
    other = Room("other", ["CREATE TABLE other (n INTEGER)"], {})

    CaseDatabase(path, signer, clock, [more, other]).close()
    CaseDatabase(path, signer, clock, [more]).close()

    with pytest.raises(NeighbourError, match="newer Luytre"):
        CaseDatabase(path, signer, clock, [NOTES])


def test_checkpoints_are_kept_each_hour_and_each_thousand_entries(
    cases: CaseDatabase, clock: ManualClock
) -> None:
    for _ in range(4):
        write(cases, ANALYST, "x")
        clock.advance(1200)
    kept = [size for size, _ in cases.book.checkpoints()]
    with cases.change(ANALYST) as change:
        for number in range(1_000):
            change.record("note.write", f"note:{number}", organization="a")
    write(cases, ANALYST, "x")

    assert kept == [2]
    assert [size for size, _ in cases.book.checkpoints()] == [2, 1005]


def test_a_proof_of_inclusion_is_small(cases: CaseDatabase) -> None:
    with cases.change(ANALYST) as change:
        for number in range(300):
            change.record("note.write", f"note:{number}", organization="a")

    with snapshot(cases.connection):
        assert len(cases.book.inclusion(17, 301)) <= 9
