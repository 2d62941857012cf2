"""The evidence of an incident: checked and made again elsewhere, with all that it must say."""

import json
import shutil
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from luytre.audit.database import CaseDatabase
from luytre.audit.signer import SignedState, Signer
from luytre.core.actor import Actor
from luytre.core.batch import TopicPartition
from luytre.core.clock import SystemClock
from luytre.core.config import load_config
from luytre.core.errors import Forbidden, NeighbourError, Refused
from luytre.core.organization import Scope
from luytre.processor.case_host import ROOMS
from luytre.processor.pack import Rooms, pack
from luytre.processor.pack_recompute import recompute
from luytre.processor.places import Places
from luytre.store.archive import Archive
from luytre_verify.anchor import read_anchor
from luytre_verify.checkpoint import Unreadable
from luytre_verify.pack import verify_pack
from tests.processor.pack_house import ADMIN, ALL, House, evidence, files, remade, written


class Dead(Signer):
    """A signer that does not answer."""

    def state(self) -> SignedState:
        raise NeighbourError("the signer is gone")


def test_a_pack_is_whole_and_every_alert_is_made_again(house: House, whole: Path) -> None:
    report = verify_pack(whole, [read_anchor(house.folder / "usb")])
    verdicts = recompute(whole)

    assert report.findings == []
    assert report.missing == []
    assert report.packed_by == "root"
    assert report.key_is_from_outside
    assert list(report.anchored.values()) == [report.entries - 1], "all but that of the pack"
    assert [v for v in verdicts if v.differs or v.not_possible] == []
    assert "Root's password was guessed" in {verdict.rule for verdict in verdicts}
    assert len(verdicts) == report.alerts > 10


def test_the_same_incident_gives_the_same_evidence(
    house: House, whole: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.zip"

    packed = house.packed(again)

    assert packed.manifest == verify_pack(whole).manifest
    assert evidence(again) == evidence(whole)


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


def test_without_the_archive_the_alerts_own_copies_are_packed_and_the_pack_says_so(
    house: House, whole: Path, tmp_path: Path
) -> None:
    rooms = replace(house.rooms, archive=Archive(tmp_path / "nothing"))
    packed = pack(rooms, ADMIN, house.attacked, tmp_path / "a.zip")

    report = verify_pack(tmp_path / "a.zip", [read_anchor(house.folder / "usb")])
    told = _told(tmp_path / "a.zip")
    verdicts = recompute(tmp_path / "a.zip")

    assert report.findings == []
    assert {row["bytes"] for row in told} == {"of the alert"}
    assert {row["bytes"] for row in _told(whole)} == {"of the archive"}
    own = [each for each in packed.missing if each.endswith("its bytes are the alert's copy")]
    assert len(own) == len(told)
    assert len(packed.missing) == len(_told(whole))
    assert [verdict for verdict in verdicts if verdict.differs] == []
    assert {v.rule for v in verdicts if v.not_possible} <= {"Root's password was guessed"}


def test_a_broken_archive_is_no_reason_to_pack_nothing(house: House, tmp_path: Path) -> None:
    [log] = house.folder.rglob("_delta_log")
    shutil.copytree(log.parent, tmp_path / "broken")
    for lost in (tmp_path / "broken").rglob("*.parquet"):
        lost.unlink()
    rooms = replace(house.rooms, archive=Archive(tmp_path / "broken"))

    packed = pack(rooms, ADMIN, house.attacked, tmp_path / "a.zip")

    assert any("the archive cannot be read" in each for each in packed.missing)
    assert verify_pack(tmp_path / "a.zip").findings == []


def test_an_archive_that_was_altered_is_named(house: House, whole: Path, tmp_path: Path) -> None:
    event = _told(whole)[0]["event.id"]
    rows = house.rooms.archive.scan(ALL, where=pl.col("event.id") == event).collect()
    other = Archive(tmp_path / "archive")
    place = TopicPartition(rows["log.topic"][0], rows["log.partition"][0])
    altered = rows.with_columns(pl.lit(b"another").alias("event.original"))
    other.append(altered, {place: rows["log.offset"][0] + 1})

    packed = pack(replace(house.rooms, archive=other), ADMIN, house.attacked, tmp_path / "a.zip")

    assert f"event {event}: the archive has other bytes than its alert" in packed.missing
    assert files(tmp_path / "a.zip")[f"raw/{event}"] == files(whole)[f"raw/{event}"]


def test_a_correlation_says_which_events_it_is_of(whole: Path) -> None:
    inside = files(whole)
    [found] = [
        alert
        for name, data in inside.items()
        if name.startswith("alerts/") and (alert := json.loads(data))["episode"]
    ]

    assert len(found["events"]) >= 4
    assert {f"raw/{event}" for event in found["events"]} <= set(inside)


def test_what_is_no_pack_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "junk.zip").write_bytes(b"junk")
    written({"a": b""}, tmp_path / "empty.zip")

    for name in ("junk.zip", "empty.zip"):
        with pytest.raises(Unreadable):
            verify_pack(tmp_path / name)
        with pytest.raises(Refused):
            recompute(tmp_path / name)


def test_with_another_rule_the_alert_is_not_made_again(whole: Path, tmp_path: Path) -> None:
    inside = files(whole)
    name = next(n for n, data in inside.items() if n.startswith("content/") and b"Guessed" in data)
    text = inside.pop(name).replace(b"user.name: root", b"user.name: rooo", 1)
    inside[f"content/{sha256(text).hexdigest()}.yml"] = text
    remade(lambda _files: None)(inside)

    verdicts = recompute(written(inside, tmp_path / "other.zip"))

    assert {v.rule for v in verdicts if v.differs} == {"Guessed", "Root's password was guessed"}


def _told(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in files(path)["events.ndjson"].splitlines()]
