"""Packs that were altered, or are none: no piece of the evidence is exchangeable."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from luytre.audit.notes import VerifierKey, note, parse_note, sign
from luytre.core.errors import Refused
from luytre.processor.pack_custody import custody
from luytre.processor.pack_recompute import recompute
from luytre_verify.anchor import read_anchor
from luytre_verify.checkpoint import Unreadable
from luytre_verify.pack import PackReport, verify_pack
from tests.processor.pack_house import (
    Files,
    House,
    added,
    changed,
    files,
    flipped,
    gone,
    remade,
    written,
)


def _entry_of_another_manifest(files: Files) -> None:
    """Forge the evidence, and the entry's detail with it."""
    was = sha256(files["pack.json"]).hexdigest()
    remade(flipped("raw/"))(files)
    changed("custody/entries", was.encode(), sha256(files["pack.json"]).hexdigest().encode())(files)


def _signed_anew(files: Files) -> None:
    """Sign the checkpoint with another key."""
    key = Ed25519PrivateKey.generate()
    checkpoint, _ = parse_note(files["custody/checkpoint"].decode())
    signature = sign(checkpoint, checkpoint.origin, key)
    files["custody/checkpoint"] = note(checkpoint, signature).encode()
    public = VerifierKey(checkpoint.origin, key.public_key().public_bytes_raw())
    files["custody/key.txt"] = f"{public}\n".encode()


def _without_the_last_entry(files: Files) -> None:
    lines = files["custody/entries.ndjson"].splitlines(keepends=True)
    files["custody/entries.ndjson"] = b"".join(lines[:-1])


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        pytest.param(flipped("raw/"), "raw/", id="a bit of an event"),
        pytest.param(changed("alerts/", b'"level":"', b'"level":"in'), "alerts/", id="a level"),
        pytest.param(changed("content/", b"level", b"lever"), "content/", id="a rule"),
        pytest.param(changed("incident.json", b'"state"', b'"stale"'), "incident.json", id="state"),
        pytest.param(gone("raw/"), "raw/", id="an event taken away"),
        pytest.param(gone("alerts/"), "alerts/", id="an alert taken away"),
        pytest.param(added, "one-more", id="an event planted"),
        pytest.param(remade(flipped("raw/")), "pack.json", id="an event, with the manifest"),
        pytest.param(remade(gone("alerts/")), "pack.json", id="an alert, with the manifest"),
        pytest.param(_entry_of_another_manifest, "detail of entry", id="and with the detail"),
        pytest.param(changed("custody/entries", b"incident.open", b"incident.oben"), "entry", id="an entry"),
        pytest.param(changed("custody/entries", b'"proof":["', b'"proof":["00'), "proof", id="a proof"),
        pytest.param(_without_the_last_entry, "what was packed", id="the entry taken away"),
        pytest.param(_signed_anew, "other key|another key", id="signed anew"),
        pytest.param(gone("custody/checkpoint"), "checkpoint", id="no checkpoint"),
    ],
)  # fmt: skip
def test_what_is_altered_is_named(
    alter: Callable[[Files], None], named: str, house: House, whole: Path, tmp_path: Path
) -> None:
    inside = files(whole)
    alter(inside)

    report = verify_pack(
        written(inside, tmp_path / "altered.zip"), [read_anchor(house.folder / "usb")]
    )

    said = "\n".join(finding.text("en") for finding in report.findings)
    assert any(word in said for word in named.split("|")), said
    assert "\n".join(finding.text("vi") for finding in report.findings)


def test_no_file_of_a_pack_can_be_altered_or_taken_away(whole: Path, tmp_path: Path) -> None:
    chance = random.Random(6)
    inside = files(whole)

    for name, data in inside.items():
        for _ in range(3 if name.startswith("custody/") else 1):
            at, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
            flipped = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
            assert _is_found(inside | {name: flipped}, tmp_path), f"{name}: {bit} at {at}"
        assert _is_found(inside | {name: data + b"\n"}, tmp_path), f"{name}: longer"
        assert _is_found(inside | {name: b""}, tmp_path), f"{name}: empty"
        assert _is_found({n: d for n, d in inside.items() if n != name}, tmp_path), f"{name}: gone"


def test_no_entry_can_be_taken_away_moved_or_doubled(whole: Path, tmp_path: Path) -> None:
    inside = files(whole)
    lines = inside["custody/entries.ndjson"].splitlines(keepends=True)
    assert len(lines) > 2

    for at, line in enumerate(lines):
        seq = json.loads(line)["seq"]
        report = _report(_with(inside, lines[:at] + lines[at + 1 :]), tmp_path)
        said = [finding.text("en") for finding in report.findings]
        last = at == len(lines) - 1
        wanted = "that says what was packed" if last else f"entry {seq} about the incident"
        assert any(wanted in each for each in said), said
        assert _is_found(_with(inside, [*lines[:at], line, *lines[at:]]), tmp_path)
    assert _is_found(_with(inside, [lines[1], lines[0], *lines[2:]]), tmp_path)


def test_an_entry_that_was_not_packed_is_stray(house: House, whole: Path, tmp_path: Path) -> None:
    lines = files(whole)["custody/entries.ndjson"].splitlines()
    packed = [int(json.loads(line)["seq"]) for line in lines]
    assert 0 not in packed

    inside = files(whole) | dict(custody(house.rooms.cases, (0, *packed)))
    report = _report(inside, tmp_path)

    assert [(found.code, found.first) for found in report.findings] == [("pack entry stray", 0)]


def test_a_later_pack_proves_the_earlier_one_too(house: House, tmp_path: Path) -> None:
    first, later = (house.packed(tmp_path / f"{name}.zip").entry for name in ("first", "later"))
    inside = files(tmp_path / "later.zip")
    lines = inside["custody/entries.ndjson"].splitlines(keepends=True)

    assert verify_pack(tmp_path / "later.zip").packed_seq == later
    assert _report(_with(inside, lines[:-1]), tmp_path).packed_seq == first
    without = [line for line in lines if json.loads(line)["seq"] != first]
    assert [found.first for found in _report(_with(inside, without), tmp_path).findings] == [first]


@pytest.mark.parametrize(
    "name",
    ["content/../../../escaped.yml", "content//etc/escaped.yml", "content/a\\..\\escaped.yml"],
)
def test_a_hostile_pack_writes_nothing_outside(name: str, whole: Path, tmp_path: Path) -> None:
    inside = files(whole) | {name: b"title: planted\n"}
    remade(lambda _files: None)(inside)
    before = _around(tmp_path)

    with pytest.raises(Refused, match="not named after its SHA-256"):
        recompute(written(inside, tmp_path / "hostile.zip"))

    assert _around(tmp_path) - before == {tmp_path / "hostile.zip"}


def test_a_hostile_name_is_shown_as_harmless_text(whole: Path, tmp_path: Path) -> None:
    name = "raw/\x1b[2J\u202egnp.exe\n../../x"
    target = written(files(whole) | {name: b"planted"}, tmp_path / "hostile.zip")

    ran = subprocess.run(
        [sys.executable, "-m", "luytre_verify", target], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 1
    assert "\\x1b[2J\\u202egnp.exe\\n../../x is in the pack, but pack.json" in ran.stdout
    assert all(line.isprintable() for line in ran.stdout.splitlines())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param("pack.json", b"[]", id="a manifest that is a list"),
        pytest.param("pack.json", b'{"files":{"a":7}}', id="a manifest of numbers"),
        pytest.param("events.ndjson", b"{}\n", id="an event of nothing"),
        pytest.param("events.ndjson", b'["a"]\n', id="an event that is a list"),
        pytest.param("content.json", b'{"plans":7}', id="content that is none"),
        pytest.param("alerts/0.json", b'{"id":1}', id="an alert that is none"),
        pytest.param("alerts/0.json", b"\xff\xfe", id="an alert that is no text"),
    ],
)
def test_rubbish_in_a_pack_is_refused(name: str, data: bytes, whole: Path, tmp_path: Path) -> None:
    inside = files(whole) | {name: data}
    if name != "pack.json":
        remade(lambda _files: None)(inside)
    target = written(inside, tmp_path / "rubbish.zip")

    with pytest.raises(Refused):
        recompute(target)
    assert _is_found(inside, tmp_path)


def _with(inside: Files, lines: list[bytes]) -> Files:
    return inside | {"custody/entries.ndjson": b"".join(lines)}


def _packed_in(pack: Path) -> int:
    return verify_pack(pack).packed_seq


def _report(inside: Files, folder: Path) -> PackReport:
    return verify_pack(written(inside, folder / "altered.zip"))


def _is_found(inside: Files, folder: Path) -> bool:
    try:
        return not _report(inside, folder).whole
    except Unreadable:
        return True


def _around(folder: Path) -> set[Path]:
    return {each for top in (folder.parent, folder) for each in top.iterdir()}
