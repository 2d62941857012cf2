"""The units of systemd: commands that exist, hardened, limited, with time to drain."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from ingest.logsources import HINTS
from luytre.core.config import load_config
from luytre.processor.supervise import DRAIN_S
from tests.deploy.lines import DEPLOY, parse

FOLDER = DEPLOY / "systemd"
SERVICES = sorted(path.name for path in FOLDER.glob("*.service"))
LOOPS = [name for name in SERVICES if name != "luytre-backup.service"]
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE_MAX = 20
"""Of `systemd-analyze security`, in tenths: 2.0 is "OK", the lower the better."""
Unit = dict[str, list[str]]


def read(path: Path) -> Unit:
    """Return the settings of a unit; one that is named twice has both values."""
    found: Unit = defaultdict(list)
    for line in path.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


def unit(name: str) -> Unit:
    return read(FOLDER / name)


@pytest.mark.parametrize("name", SERVICES)
def test_its_command_is_one_of_luytre(name: str) -> None:
    (line,) = unit(name)["ExecStart"]
    program, *arguments = line.replace("%i", "3").split()

    assert program == "/opt/luytre/bin/luytre"
    parse(arguments)
    assert arguments[-2:] == ["--config", "/etc/luytre/luytre.yaml"]


def test_every_loop_has_a_unit() -> None:
    commands = {unit(name)["ExecStart"][0].split()[1] for name in LOOPS}

    assert commands == {
        "run", "ship", "detect", "correlate", "index", "triage", "respond", "upkeep", "audit", "console"
    }  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_limited_started_again_and_may_drain(name: str) -> None:
    found = unit(name)

    assert found["User"][0].startswith("luytre")
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert found["MemoryMax"]
    assert float(found["TimeoutStopSec"][0]) > DRAIN_S
    assert found["PartOf"] == found["WantedBy"] == ["luytre.target"]
    assert not any(
        re.search("pass|secret|token", line, re.IGNORECASE) for line in found["Environment"]
    )


def test_the_hardening_changes_nothing_that_a_unit_says_itself() -> None:
    (shared,) = (FOLDER / "luytre-.service.d").iterdir()
    common = set(read(shared)) - {"Environment"}  # which adds up

    assert {name: common & set(unit(name)) for name in SERVICES} == {n: set() for n in SERVICES}
    assert {
        "NoNewPrivileges",
        "ProtectSystem",
        "SystemCallFilter",
        "CapabilityBoundingSet",
    } <= common


def test_polars_starts_where_no_memory_may_become_executable() -> None:
    settings = read(FOLDER / "luytre-.service.d" / "10-hardening.conf")
    assert settings["MemoryDenyWriteExecute"] == ["yes"]
    deny = "import ctypes; assert not ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); "  # PR_SET_MDWE
    environment = dict(line.split("=") for line in settings["Environment"])

    done = subprocess.run(
        [sys.executable, "-c", f"{deny}import luytre.cli.main, polars; polars.DataFrame()"],
        env=environment, cwd=DEPLOY.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip

    if "AssertionError" in done.stderr:
        pytest.skip("this kernel has no PR_SET_MDWE (6.3 or newer)")
    assert done.returncode == 0, done.stderr


def test_a_backup_stops_everything_that_has_a_unit() -> None:
    found = unit("luytre-backup.service")
    before = found["ExecStartPre"][0].split()

    for name in set(LOOPS) - {"luytre-signer.service"}:
        assert name in before or name.replace("@.service", "@*") in before
    # Without a signer there is no entry of the backup, and without an entry no backup.
    assert not {"luytre.target", "luytre-signer.service"} & set(before)
    assert found["ExecStopPost"][0].split()[-2:] == ["start", "luytre.target"]


@pytest.mark.parametrize(
    "path", [FOLDER / "centre.yaml", *sorted((DEPLOY / "low-spec").glob("*.yaml"))], ids=lambda p: p.name
)  # fmt: skip
def test_the_configurations_are_good(path: Path) -> None:
    config = load_config(path, HINTS)

    assert config.data_dir == Path("/var/lib/luytre")
    assert not config.metrics.one_port
    assert bool(config.kafka.bootstrap) == (path.name != "centre.yaml" or path.parent == FOLDER)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """The units in a folder, with the program that is here instead of the one installed."""
    luytre = str(Path(sys.executable).parent / "luytre")
    for path in FOLDER.rglob("*"):
        if path.is_file() and path.suffix != ".yaml":
            copy = tmp_path / path.relative_to(FOLDER)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(path.read_text().replace("/opt/luytre/bin/luytre", luytre))
    return tmp_path


def ask(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if ANALYZE is None and os.environ.get("CI"):
        pytest.fail("systemd-analyze is missing (apt install systemd)")
    if ANALYZE is None:
        pytest.skip("systemd-analyze is missing (apt install systemd)")
    return subprocess.run(
        [ANALYZE, *arguments], env={"SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_systemd_understands_them(unpacked: Path) -> None:
    names = [name.replace("@", "@0") for name in SERVICES]
    extra = ["luytre.target", "luytre-backup.timer"]

    found = ask(unpacked, "verify", "--man=no", *(str(unpacked / n) for n in names if "@" not in n), *names, *extra)  # fmt: skip

    complaints = [line for line in found.stderr.splitlines() if "luytre" in line]
    assert (found.returncode, complaints) == (0, [])


@pytest.mark.parametrize("name", SERVICES)
def test_little_is_exposed(unpacked: Path, name: str) -> None:
    path = unpacked / name.replace("@", "@0")
    if not path.exists():
        path.write_text((unpacked / name).read_text())

    found = ask(unpacked, "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", str(path))

    assert found.returncode == 0, found.stdout[-3000:] + found.stderr
