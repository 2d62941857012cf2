"""What the verifier knows, and what nobody can know: the window after the last anchor."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from luytre.audit.canonical import canonical
from luytre.audit.signer import Signer
from luytre_verify.anchor import Anchor, read_anchor, typed_anchor
from luytre_verify.checkpoint import Unreadable
from luytre_verify.verify import verify
from tests.proofs.alter import cut
from tests.verifier.history import History, Outside, honest, rechain, resign, size_of, write


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, list[Outside], Path]:
    folder = tmp_path_factory.mktemp("lived")
    history, outside = honest(folder, random.Random(3))
    return history, outside, folder


def anchors_of(outside: list[Outside]) -> list[Anchor]:
    return [read_anchor(kept.path) for kept in outside]


def test_an_honest_history_is_whole(lived: tuple[History, list[Outside], Path]) -> None:
    history, outside, folder = lived

    report = verify(folder / "export", anchors_of(outside))

    assert report.whole
    assert report.entries == len(history.lines)
    assert report.anchored == max(kept.size for kept in outside)
    assert report.key_is_from_outside


def test_every_older_export_is_whole_without_anchors(
    lived: tuple[History, list[Outside], Path],
) -> None:
    _, _, folder = lived
    older = list(folder.glob("older-*"))

    assert older
    assert all(verify(export).whole for export in older)


def test_a_page_can_be_typed(lived: tuple[History, list[Outside], Path]) -> None:
    _, outside, folder = lived
    page = next(kept for kept in outside if not kept.exact).path.read_text()
    typed = page.split("--checkpoint '")[1].split("'")[0]
    size, _, root = typed.partition(":")

    assert verify(folder / "export", [typed_anchor(typed)]).whole
    wrong = root.replace(root[0], "0" if root[0] != "0" else "1", 1)
    assert not verify(folder / "export", [typed_anchor(f"{size}:{wrong}")]).whole


@pytest.mark.parametrize("text", ["", "12", "12:", "x:00", "12:0g", "12:" + "0" * 63])
def test_a_mistyped_page_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        typed_anchor(text)


class TestAfterTheLastAnchor:
    """Documented in docs/reference/audit.md: who can do what there, and is not found."""

    @staticmethod
    def tail(history: History, outside: list[Outside]) -> tuple[list[Anchor], int]:
        size = max(kept.size for kept in outside)
        assert size < len(history.lines) - 1
        return anchors_of(outside), size

    def test_an_older_signed_state_looks_whole(
        self, lived: tuple[History, list[Outside], Path], tmp_path: Path
    ) -> None:
        history, outside, _ = lived
        anchors, size = self.tail(history, outside)
        # The anchor's own entry comes after what it covers, and may be cut off with the rest.
        older = replace(history.copy(), older=[])
        newest = max(size_of(note) for note in older.notes if size_of(note) < len(older.lines))
        cut(older, newest)

        assert newest >= size
        assert verify(write(older, tmp_path / "older"), anchors).whole

    def test_a_change_signed_with_the_stolen_key_looks_whole(
        self, lived: tuple[History, list[Outside], Path], tmp_path: Path
    ) -> None:
        history, outside, _ = lived
        anchors, _ = self.tail(history, outside)
        forged = altered(history, len(history.lines) - 1)
        resign(forged, history.key, len(history.lines) - 2)

        assert verify(write(forged, tmp_path / "forged"), anchors).whole

    @pytest.mark.parametrize("signed", [False, True], ids=["not signed", "signed with another key"])
    def test_without_the_key_no_change_is_hidden(
        self, lived: tuple[History, list[Outside], Path], tmp_path: Path, *, signed: bool
    ) -> None:
        history, outside, _ = lived
        anchors, _ = self.tail(history, outside)
        last = len(history.lines) - 1
        forged = altered(history, last)
        if signed:
            resign(forged, Ed25519PrivateKey.generate(), last - 1)

        assert not verify(write(forged, tmp_path / "forged"), anchors).whole


def altered(history: History, seq: int) -> History:
    forged = history.copy()
    entry = json.loads(forged.lines[seq])
    entry["actor"]["user"] = "somebody-else"
    forged.lines[seq] = canonical(entry)
    rechain(forged, seq)
    return forged


def test_without_an_anchor_the_thief_of_the_key_rewrites_all(
    lived: tuple[History, list[Outside], Path], tmp_path: Path
) -> None:
    history, outside, _ = lived
    forged = altered(history, 1)
    resign(forged, history.key)

    assert not verify(write(forged, tmp_path / "forged"), anchors_of(outside)).whole
    forged.anchors = [{**a, "note": a["note"]} for a in forged.anchors]
    assert verify(write(forged, tmp_path / "forged")).whole


def test_an_erased_detail_needs_its_receipt(
    lived: tuple[History, list[Outside], Path], tmp_path: Path
) -> None:
    history = lived[0].copy()
    del history.details[2]

    (finding,) = verify(write(history, tmp_path / "erased")).findings

    assert (finding.code, finding.first) == ("detail gone", 2)


@pytest.mark.parametrize(
    "name",
    [
        "entries.ndjson",
        "details.tsv",
        "key.txt",
        "checkpoint",
        "anchors.ndjson",
        "checkpoints.ndjson",
    ],
)
def test_a_missing_file_is_named(
    lived: tuple[History, list[Outside], Path], tmp_path: Path, name: str
) -> None:
    folder = write(lived[0], tmp_path / "export")
    (folder / name).unlink()

    assert any(f.code == "file missing" and f.name == name for f in verify(folder).findings)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\xff" * 1000,
        b"{}\n" * 5000,
        b'{"a":' * 3000,
        b"9" * 5000 + b"\t{}\n",
        b"\x00\n\x00",
    ],
    ids=range(7),
)
def test_rubbish_is_found_and_never_crashes(
    lived: tuple[History, list[Outside], Path], tmp_path: Path, content: bytes
) -> None:
    for name in (
        "entries.ndjson",
        "details.tsv",
        "checkpoint",
        "checkpoints.ndjson",
        "anchors.ndjson",
        "key.txt",
    ):
        folder = write(lived[0], tmp_path / "export")
        (folder / name).write_bytes(content)
        if name == "checkpoints.ndjson" and not content:
            continue  # the newest checkpoint alone is enough

        assert not verify(folder, anchors_of(lived[1])).whole, name


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-m", "luytre_verify", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_says_it_in_both_languages(
    lived: tuple[History, list[Outside], Path], tmp_path: Path
) -> None:
    history, outside, folder = lived
    anchors = [word for kept in outside for word in ("--anchor", kept.path)]
    forged = write(altered(history, 3), tmp_path / "forged")

    whole, vi = run(folder / "export", *anchors), run(forged, *anchors, "--language", "vi")
    as_json = run(forged, *anchors, "--json")

    assert (whole.returncode, whole.stdout.splitlines()[-1]) == (0, "WHOLE")
    assert (vi.returncode, vi.stdout.splitlines()[-1]) == (1, "ĐÃ BỊ SỬA")
    assert "bản ghi 3 đến 3" in vi.stdout
    assert "không điểm neo nào khớp" in vi.stdout
    assert json.loads(as_json.stdout)["whole"] is False


def test_the_command_refuses_what_is_no_export(tmp_path: Path) -> None:
    done = run(tmp_path)

    assert done.returncode == 2
    assert "is no export" in done.stderr


def test_hostile_text_reaches_the_terminal_as_text(
    lived: tuple[History, list[Outside], Path], tmp_path: Path
) -> None:
    history = lived[0].copy()
    history.latest = history.latest.replace("luytre/", "luytre/\x1b[31m\u202e", 1)

    done = run(write(history, tmp_path / "export"))

    assert done.returncode == 1
    assert all(c.isprintable() or c == "\n" for c in done.stdout)


def test_it_shares_no_module_with_the_server() -> None:
    code = "import sys, luytre_verify.__main__; print([m for m in sys.modules if m.split('.')[0] in ('luytre', 'ingest', 'detections', 'polars')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_signer_of_another_installation_is_another_history(tmp_path: Path) -> None:
    first, second = Signer(tmp_path / "a").state(), Signer(tmp_path / "b").state()

    assert first.origin != second.origin
    assert first.key != second.key
