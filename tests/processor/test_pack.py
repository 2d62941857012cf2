"""The evidence of an incident: checked and made again elsewhere, and no piece of it exchangeable."""

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from luytre.audit.anchors import anchor_in
from luytre.audit.database import CaseDatabase
from luytre.audit.notes import VerifierKey, note, parse_note, sign
from luytre.audit.signer import SignedState, Signer
from luytre.cases.model import STATES, IncidentQuery
from luytre.cases.read import Incidents
from luytre.core.actor import Actor
from luytre.core.clock import SystemClock
from luytre.core.config import load_config
from luytre.core.errors import Forbidden, NeighbourError, Refused
from luytre.core.organization import Scope
from luytre.processor.build import alert_store, archive
from luytre.processor.case_host import ROOMS
from luytre.processor.kept import Kept
from luytre.processor.pack import Packed, Rooms, pack
from luytre.processor.pack_recompute import recompute
from luytre.processor.places import Places
from luytre.simulator import prepare, simulate
from luytre_verify.anchor import read_anchor
from luytre_verify.checkpoint import Unreadable
from luytre_verify.pack import verify_pack
from tests.proofs import week_logs, week_run

ALL = Scope.everything()
ADMIN = Actor("root", frozenset({"analyst", "auditor", "admin"}), ALL, "test")
GUESSED = """
title: Guessed
id: 0c0d2a5e-51cf-4cbb-9d0a-cb2a0f3d9b11
name: guessed
status: test
logsource: {product: linux, service: sshd}
detection: {s: {event.outcome: failure, user.name: root}, condition: s}
level: low
---
title: Root's password was guessed
id: 7e9d1d35-2d7a-4a0f-a3b0-7d6a3a2a9a41
status: test
correlation:
  type: event_count
  rules: [guessed]
  group-by: [source.ip]
  timespan: 10m
  condition: {gte: 4}
  generate: true
level: high
"""
HIDDEN = """
title: Nobody
id: 5d9f7c0e-0b1f-4f38-8f6e-9a6c53f3f001
status: test
logsource: {product: linux, service: sshd}
filter:
  rules: [guessed]
  s: {user.name: nobody}
  condition: not s
"""


@dataclass
class House:
    """An installation that has lived through ten minutes with five attacks."""

    folder: Path
    rooms: Rooms
    attacked: int

    def packed(self, target: Path, actor: Actor = ADMIN) -> Packed:
        return pack(self.rooms, actor, self.attacked, target)


class Dead(Signer):
    """A signer that does not answer."""

    def state(self) -> SignedState:
        raise NeighbourError("the signer is gone")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    rules = folder / "rules"
    rules.mkdir()
    (rules / "guessed.yml").write_text(GUESSED)
    (rules / "hidden.yml").write_text(HIDDEN)
    truth = simulate(folder / "province", seed=1, start=week_logs.START, minutes=10, rate=0.05)
    prepare(folder / "province", folder)
    arriving = {
        file: [
            (0.0, line)
            for line in (folder / "province" / file).read_bytes().splitlines(keepends=True)
        ]
        for file in truth.events
    }
    logs = week_logs.Logs(folder / "province", truth, arriving, 600)
    config = week_run.run(folder, logs, (rules,), step_s=600)
    places, clock = Places(config.data_dir), SystemClock()
    with (
        closing(CaseDatabase(places.cases, Signer(places.signer), clock, ROOMS)) as cases,
        closing(alert_store(config)) as alerts,
        closing(Kept(places.kept)) as kept,
    ):
        query = IncidentQuery(states=STATES, entity="203.0.113.150")
        [attacked] = Incidents(cases).find(query, ALL)
        yield House(folder, Rooms(cases, alerts, archive(config), kept), attacked.id)


@pytest.fixture(scope="module")
def whole(house: House) -> Path:
    """A pack, and an anchor from before it beside it."""
    anchor_in(house.rooms.cases, ADMIN, house.folder / "usb")
    target = house.folder / "whole.zip"
    house.packed(target)
    return target


def test_a_pack_is_whole_and_every_alert_is_made_again(house: House, whole: Path) -> None:
    report = verify_pack(whole, [read_anchor(house.folder / "usb")])
    verdicts = recompute(whole)

    assert report.findings == []
    assert report.missing == []
    assert report.packed_by == "root"
    assert report.key_is_from_outside
    assert report.anchored
    assert [v for v in verdicts if v.differs or v.not_possible] == []
    assert "Root's password was guessed" in {verdict.rule for verdict in verdicts}
    assert len(verdicts) == report.alerts > 10


def test_the_same_incident_gives_the_same_evidence(
    house: House, whole: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.zip"

    packed = house.packed(again)

    assert packed.manifest == verify_pack(whole).manifest
    assert _evidence(again) == _evidence(whole)


def test_whoever_may_not_see_the_incident_packs_nothing(house: House, tmp_path: Path) -> None:
    elsewhere = Actor("lan", frozenset({"analyst"}), Scope.only("000.14.00.H99"), "test")
    nobody = Actor("tam", frozenset(), ALL, "test")

    with pytest.raises(Refused, match="there is no incident"):
        house.packed(tmp_path / "a.zip", elsewhere)
    with pytest.raises(Forbidden):
        house.packed(tmp_path / "b.zip", nobody)

    assert list(tmp_path.iterdir()) == []


def test_no_entry_no_pack(house: House, tmp_path: Path) -> None:
    places = Places(load_config(house.folder / "luytre.yaml").data_dir)
    rooms = house.rooms
    with closing(CaseDatabase(places.cases, Dead(places.signer), SystemClock(), ROOMS)) as cases:
        deaf = Rooms(cases, rooms.alerts, rooms.archive, rooms.kept)
        with pytest.raises(NeighbourError):
            pack(deaf, ADMIN, house.attacked, tmp_path / "a.zip")

    assert list(tmp_path.iterdir()) == []


Files = dict[str, bytes]


def _first(files: Files, folder: str) -> str:
    return min(name for name in files if name.startswith(folder))


def _changed(folder: str, what: bytes, into: bytes) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        name = _first(files, folder)
        assert what in files[name]
        files[name] = files[name].replace(what, into, 1)

    return change


def _flipped(folder: str) -> Callable[[Files], None]:
    def flip(files: Files) -> None:
        name = _first(files, folder)
        files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]

    return flip


def _gone(folder: str) -> Callable[[Files], None]:
    def remove(files: Files) -> None:
        del files[_first(files, folder)]

    return remove


def _added(files: Files) -> None:
    files["raw/one-more"] = b"planted"


def _remade(change: Callable[[Files], None]) -> Callable[[Files], None]:
    """Change, and make the manifest say that this is what was packed."""

    def forge(files: Files) -> None:
        change(files)
        manifest = json.loads(files["pack.json"])
        kept = {n: d for n, d in files.items() if n != "pack.json" and not n.startswith("custody/")}
        manifest["files"] = {
            n: {"bytes": len(d), "sha256": sha256(d).hexdigest()} for n, d in kept.items()
        }
        files["pack.json"] = json.dumps(manifest, sort_keys=True).encode()

    return forge


def _entry_of_another_manifest(files: Files) -> None:
    """Forge the evidence, and the entry's detail with it."""
    was = sha256(files["pack.json"]).hexdigest()
    _remade(_flipped("raw/"))(files)
    _changed("custody/entries", was.encode(), sha256(files["pack.json"]).hexdigest().encode())(
        files
    )


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
        pytest.param(_flipped("raw/"), "raw/", id="a bit of an event"),
        pytest.param(_changed("alerts/", b'"level":"', b'"level":"in'), "alerts/", id="a level"),
        pytest.param(_changed("content/", b"level", b"lever"), "content/", id="a rule"),
        pytest.param(_changed("incident.json", b'"state"', b'"stale"'), "incident.json", id="state"),
        pytest.param(_gone("raw/"), "raw/", id="an event taken away"),
        pytest.param(_gone("alerts/"), "alerts/", id="an alert taken away"),
        pytest.param(_added, "one-more", id="an event planted"),
        pytest.param(_remade(_flipped("raw/")), "pack.json", id="an event, with the manifest"),
        pytest.param(_remade(_gone("alerts/")), "pack.json", id="an alert, with the manifest"),
        pytest.param(_entry_of_another_manifest, "detail of entry", id="and with the detail"),
        pytest.param(_changed("custody/entries", b"incident.open", b"incident.oben"), "entry", id="an entry"),
        pytest.param(_changed("custody/entries", b'"proof":["', b'"proof":["00'), "proof", id="a proof"),
        pytest.param(_without_the_last_entry, "what was packed", id="the entry taken away"),
        pytest.param(_signed_anew, "other key|another key", id="signed anew"),
        pytest.param(_gone("custody/checkpoint"), "checkpoint", id="no checkpoint"),
    ],
)  # fmt: skip
def test_what_is_altered_is_named(
    alter: Callable[[Files], None], named: str, house: House, whole: Path, tmp_path: Path
) -> None:
    files = _files(whole)
    alter(files)
    with zipfile.ZipFile(tmp_path / "altered.zip", "w") as target:
        for name, data in files.items():
            target.writestr(name, data)

    report = verify_pack(tmp_path / "altered.zip", [read_anchor(house.folder / "usb")])

    said = "\n".join(finding.text("en") for finding in report.findings)
    assert any(word in said for word in named.split("|")), said
    assert "\n".join(finding.text("vi") for finding in report.findings)


def test_what_is_no_pack_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "junk.zip").write_bytes(b"junk")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as target:
        target.writestr("a", b"")

    for name in ("junk.zip", "empty.zip"):
        with pytest.raises(Unreadable):
            verify_pack(tmp_path / name)
        with pytest.raises(Refused):
            recompute(tmp_path / name)


def test_with_another_rule_the_alert_is_not_made_again(whole: Path, tmp_path: Path) -> None:
    files = _files(whole)
    change = _changed("content/", b"user.name: root", b"user.name: rooo")
    name = next(n for n, data in files.items() if n.startswith("content/") and b"Guessed" in data)
    only = {name: files[name]}
    change(only)
    files |= only
    _remade(lambda _files: None)(files)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as target:
        for each, data in files.items():
            target.writestr(each, data)

    verdicts = recompute(tmp_path / "other.zip")

    assert {v.rule for v in verdicts if v.differs} == {"Guessed", "Root's password was guessed"}


def _files(path: Path) -> Files:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def _evidence(path: Path) -> Files:
    return {n: d for n, d in _files(path).items() if not n.startswith("custody/")}
