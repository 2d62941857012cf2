import os
from pathlib import Path

import pytest

from luytre.audit.anchors import anchor_in, anchor_page, is_behind
from luytre.audit.book import LogQuery
from luytre.audit.database import CaseDatabase
from luytre.audit.export import export
from luytre.audit.signer import Signer
from luytre.core.clock import ManualClock
from luytre.core.errors import Forbidden, NeighbourError, Refused
from luytre.core.organization import Scope
from luytre_verify.anchor import read_anchor
from luytre_verify.verify import verify
from tests.audit.conftest import NOTES, person, write

ANALYST, AUDITOR = person("analyst"), person("auditor", user="hoa")


def test_an_anchor_is_recorded_and_brought_up_to_date(cases: CaseDatabase, tmp_path: Path) -> None:
    write(cases, ANALYST, "one")
    first = anchor_in(cases, AUDITOR, tmp_path / "usb")
    write(cases, ANALYST, "two")
    second = anchor_in(cases, AUDITOR, tmp_path / "usb")

    recorded = cases.book.find(LogQuery(action="audit.anchor"), Scope.everything())
    assert (first, second) == (2, 4)
    assert [read.entry["actor"]["user"] for read in recorded] == ["hoa", "hoa"]
    kept = read_anchor(tmp_path / "usb")
    assert sorted(kept.roots) == [2, 4]
    assert len(kept.leaves) == 4 * 32
    assert not kept.damage


def test_anchors_alone_call_for_no_anchor(cases: CaseDatabase, tmp_path: Path) -> None:
    write(cases, ANALYST, "one")
    assert is_behind(cases, tmp_path / "usb")
    anchor_in(cases, AUDITOR, tmp_path / "usb")

    assert not is_behind(cases, tmp_path / "usb")
    write(cases, ANALYST, "two")
    assert is_behind(cases, tmp_path / "usb")


@pytest.mark.parametrize("torn", ["leaves.bin", "checkpoints.ndjson"])
def test_a_torn_anchor_is_mended(cases: CaseDatabase, tmp_path: Path, torn: str) -> None:
    write(cases, ANALYST, "one")
    anchor_in(cases, AUDITOR, tmp_path / "usb")
    (path,) = (tmp_path / "usb").glob(f"*/{torn}")
    with path.open("ab") as stream:
        stream.write(b'{"note":"half a li')

    assert not read_anchor(tmp_path / "usb").damage
    anchor_in(cases, AUDITOR, tmp_path / "usb")

    kept = read_anchor(tmp_path / "usb")
    assert sorted(kept.roots) == [2, 3]
    assert not kept.damage


def test_a_place_that_knows_more_raises_an_alarm(
    tmp_path: Path, cases: CaseDatabase, signer: Signer, clock: ManualClock
) -> None:
    write(cases, ANALYST, "one")
    state = (tmp_path / "signer" / "signer.json").read_bytes()
    write(cases, ANALYST, "two")
    anchor_in(cases, AUDITOR, tmp_path / "usb")

    # The administrator restores an older signer, and makes another history for it.
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "signer.json").write_bytes(state)
    other = CaseDatabase(tmp_path / "other.sqlite", Signer(tmp_path / "fresh"), clock, [NOTES])
    other.close()
    older = Signer(tmp_path / "old")
    forged = CaseDatabase(tmp_path / "forged.sqlite", older, clock, [NOTES])

    with pytest.raises(NeighbourError):
        anchor_in(forged, AUDITOR, tmp_path / "usb")
    forged.close()


def test_a_place_with_another_history_raises_an_alarm(
    tmp_path: Path, cases: CaseDatabase, clock: ManualClock
) -> None:
    write(cases, ANALYST, "one")
    anchor_in(cases, AUDITOR, tmp_path / "usb")
    (folder,) = (tmp_path / "usb").iterdir()
    page = (folder / "checkpoints.ndjson").read_text()
    (folder / "checkpoints.ndjson").write_text(page.replace("\\n2\\n", "\\n9\\n"))

    with pytest.raises(Refused, match="ALARM"):
        anchor_in(cases, AUDITOR, tmp_path / "usb")


def test_a_full_place_changes_nothing_here(
    cases: CaseDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cases, ANALYST, "one")
    size = cases.book.size()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(NeighbourError, match="No space left"):
            anchor_in(cases, AUDITOR, tmp_path / "usb")

    assert cases.book.size() == size


def test_who_may_not_gets_neither_anchor_nor_page_nor_export(
    cases: CaseDatabase, tmp_path: Path, clock: ManualClock
) -> None:
    write(cases, ANALYST, "one")

    with pytest.raises(Forbidden):
        anchor_in(cases, ANALYST, tmp_path / "usb")
    with pytest.raises(Forbidden):
        anchor_page(cases, ANALYST, clock.now())
    with pytest.raises(Forbidden):
        export(cases, ANALYST, tmp_path / "export")
    with pytest.raises(Forbidden):
        export(cases, person("auditor", scope=Scope.only("a")), tmp_path / "export")

    assert not (tmp_path / "usb").exists()
    assert not (tmp_path / "export").exists()


def test_an_export_never_overwrites(cases: CaseDatabase, tmp_path: Path) -> None:
    write(cases, ANALYST, "one")
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "mine.txt").write_text("x")

    with pytest.raises(Refused, match="not empty"):
        export(cases, AUDITOR, tmp_path / "export")


def test_evidence_is_exported_even_when_the_signer_denies_the_database(
    tmp_path: Path, cases: CaseDatabase, signer: Signer, clock: ManualClock
) -> None:
    write(cases, ANALYST, "one")
    forked = CaseDatabase(tmp_path / "fork.sqlite", Signer(tmp_path / "other"), clock, [NOTES])
    for _ in range(3):
        write(forked, ANALYST, "another")
    forked.close()
    forked = CaseDatabase(tmp_path / "fork.sqlite", signer, clock, [NOTES])

    done = export(forked, AUDITOR, tmp_path / "export")
    forked.close()

    assert done.entries == 4
    assert "not the history that was signed" in done.warnings[0]
    assert any(f.code == "not signed" for f in verify(tmp_path / "export").findings)
