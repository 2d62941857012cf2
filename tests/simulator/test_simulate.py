"""A simulated province repeats, and its truth is true to the line."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from luytre.core.config import load_config
from luytre.core.errors import Refused
from luytre.simulator import Truth, read_truth, simulate
from luytre.simulator.journal import read_timeline

START = datetime(2026, 11, 23, 2, tzinfo=UTC)


def province(folder: Path, *, seed: int = 1, attacks: bool = True, whole: bool = False) -> Truth:
    return simulate(
        folder, seed=seed, start=START, minutes=2, attacks=attacks, rate=0.5, whole=whole
    )


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_one_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    province(tmp_path / "a")
    province(tmp_path / "b")

    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_another_seed_gives_other_people_and_lines(tmp_path: Path) -> None:
    province(tmp_path / "a")
    province(tmp_path / "b", seed=2)

    one, other = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert one.keys() == other.keys()
    assert [name for name in one if name.startswith("logs/") and one[name] == other[name]] == []
    assert one["tables/identities.csv"] != other["tables/identities.csv"]


@pytest.mark.parametrize(("whole", "attacks"), [(False, 5), (True, 16)])
def test_evidence_names_the_very_lines(*, whole: bool, attacks: int, tmp_path: Path) -> None:
    truth = province(tmp_path / "a", whole=whole)

    assert len(truth.attacks) == attacks
    for attack in truth.attacks:
        assert attack.evidence
        assert attack.rules
        for line in attack.evidence:
            raw = (tmp_path / "a" / line.file).read_bytes().split(b"\n")[line.number - 1]
            assert hashlib.sha256(raw).hexdigest() == line.sha256


def test_events_are_counted_per_file(tmp_path: Path) -> None:
    truth = province(tmp_path / "a")

    counts = {
        name: data.count(b"\n")
        for name, data in contents(tmp_path / "a").items()
        if name.startswith("logs/")
    }
    assert dict(truth.events) == counts


def test_attacks_only_add_lines(tmp_path: Path) -> None:
    truth = province(tmp_path / "a")
    calm = province(tmp_path / "b", attacks=False)

    assert calm.attacks == ()
    for file in calm.events:
        lines = (tmp_path / "a" / file).read_bytes().split(b"\n")
        guilty = {e.number for a in truth.attacks for e in a.evidence if e.file == file}
        innocent = [line for number, line in enumerate(lines, 1) if number not in guilty]
        assert innocent == (tmp_path / "b" / file).read_bytes().split(b"\n")


def test_a_machine_whose_logging_is_switched_off_says_nothing_more(tmp_path: Path) -> None:
    truth = province(tmp_path / "a", whole=True)
    calm = province(tmp_path / "b", whole=True, attacks=False)

    last = next(a for a in truth.attacks if a.id == "silence").evidence[-1]
    lines = (tmp_path / "a" / last.file).read_text().splitlines()
    host = json.loads(lines[last.number - 1])["Event"]["System"]["Computer"]
    assert not any(f'"Computer": "{host}"' in line for line in lines[last.number :])
    assert any(f'"Computer": "{host}"' in line for line in lines[: last.number - 4])
    others = [json.loads(line)["Event"]["System"]["Computer"] for line in lines[last.number :]]
    assert len(set(others)) == 4
    assert calm.events[last.file] > truth.events[last.file] - 30


def test_lines_are_in_the_order_of_time(tmp_path: Path) -> None:
    province(tmp_path / "a")

    for times in read_timeline(tmp_path / "a").values():
        assert times == sorted(times)
        assert 0 <= times[0] <= times[-1] <= 120_000


def test_the_truth_is_read_back(tmp_path: Path) -> None:
    truth = province(tmp_path / "a")

    assert read_truth(tmp_path / "a") == truth


@pytest.mark.parametrize("whole", [False, True])
def test_the_settings_are_valid_and_their_tables_there(*, whole: bool, tmp_path: Path) -> None:
    truth = province(tmp_path / "a", whole=whole)
    config = load_config(tmp_path / "a" / "luytre.yaml")

    tables = (config.enrich.organizations, config.enrich.assets, config.enrich.identities)
    assert all(table and table.is_file() for table in (*tables, *config.enrich.indicators))
    followed = {
        str(path.relative_to(tmp_path / "a"))
        for files in config.ship.files
        for pattern in files.paths
        for path in Path("/").glob(pattern.removeprefix("/"))
    }
    assert followed == set(truth.events)


def test_ten_minutes_are_a_load_for_a_weak_machine(tmp_path: Path) -> None:
    truth = simulate(tmp_path / "a", seed=1, start=START)

    assert 20_000 < sum(truth.events.values()) < 40_000


@pytest.mark.parametrize(("missed", "found"), [
    pytest.param(frozenset(), {("r1", "a"), ("r1", "b"), ("r2", "b")}, id="all"),
    pytest.param({"r1"}, {("r1", "a"), ("r2", "b")}, id="one line missed"),
    pytest.param({"r1", "r2"}, {("r1", "c"), ("r2", "a")}, id="on other lines only"),
])  # fmt: skip
def test_an_attack_says_what_was_missed(missed: set[str], found: set[tuple[str, str]]) -> None:
    from luytre.simulator import Attack, Evidence  # noqa: PLC0415 - only this test makes its own

    attack = Attack("x", "vi", "en", "", (
        Evidence("f", 1, "a", ("r1",)), Evidence("f", 2, "b", ("r1", "r2")),
    ))  # fmt: skip

    assert attack.missed(found) == missed
    assert Truth((attack,), {}).false_alarms(found) == sorted(x for x in found if x[1] == "c")


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()

    with pytest.raises(Refused, match="not empty"):
        province(tmp_path)


def test_a_time_without_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="time zone"):
        simulate(tmp_path / "a", seed=1, start=datetime(2026, 11, 23))  # noqa: DTZ001


def test_a_folder_without_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"truth\.ndjson"):
        read_truth(tmp_path)
