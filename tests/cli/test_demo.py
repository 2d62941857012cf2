"""`luytre demo` finds the five attacks, twice, and harms no folder of others."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from luytre.cases.read import Incidents
from luytre.cli.demo_console import PEOPLE
from luytre.core.alert import AlertQuery
from luytre.core.clock import ManualClock
from luytre.core.config import Config, load_config
from luytre.core.organization import Scope
from luytre.processor import build, case_host, slots
from luytre.simulator.truth import read_truth
from tests.cli.running import LUYTRE, Call

pytestmark = pytest.mark.xdist_group("demo")


def test_a_folder_of_others_is_refused_and_left_alone(luytre: Call, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine.txt").write_text("mine")

    ran = luytre("demo")

    assert ran.code == 4
    assert "not empty and not from an earlier demo" in ran.err
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["mine.txt"]


def test_a_demo_that_runs_is_not_pulled_from_under_itself(luytre: Call, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / ".luytre-demo").touch()
    (tmp_path / "demo" / "luytre.yaml").write_text("data_dir: data")

    with slots.alone(Config(data_dir=tmp_path / "demo" / "data"), "shipper", ManualClock()):
        ran = luytre("demo")

    assert ran.code == 4
    assert "a demo runs in demo" in ran.err
    assert (tmp_path / "demo" / "luytre.yaml").exists()


def test_it_finds_the_attacks_and_can_be_repeated(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        ran = subprocess.run(
            [*LUYTRE, "demo", "--seed", seed], cwd=tmp_path, capture_output=True, check=False
        )

        assert ran.returncode == 0, ran.stderr.decode()
        out = ran.stdout.decode()
        assert out.count("\nfound ") == 5
        assert "False alarms above medium: 0" in out
        assert "luytre console -c demo/luytre.yaml" in out
        assert all(re.search(rf"^{name} +\S{{24}} ", out, re.MULTILINE) for name in PEOPLE)
        homes = incidents_of_attacks(tmp_path / "demo")
        assert [len(numbers) for numbers in homes.values()] == [1] * 5, homes
        assert len(set.union(*homes.values())) == 5, homes


def incidents_of_attacks(demo: Path) -> dict[str, set[int]]:
    """Return the incidents that hold the alerts of each attack."""
    config = load_config(demo / "luytre.yaml")
    store = build.alert_store(config)
    alerts = store.find(AlertQuery(limit=1_000), Scope.everything())
    store.close()
    found: dict[str, set[int]] = {}
    with case_host.case_database(config) as cases:
        incidents = Incidents(cases)
        for attack in read_truth(demo / "province").attacks:
            lines = {evidence.sha256 for evidence in attack.evidence}
            found[attack.id] = {
                incidents.incident_of(alert.id, Scope.everything()).id
                for alert in alerts
                if hashlib.sha256(alert.original).hexdigest() in lines
            }
    return found
