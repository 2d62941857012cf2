"""The queue and its decisions from the command line, as two people use it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cases.conftest import Desk, made

Run = Callable[..., subprocess.CompletedProcess[str]]
EVIL = "=cmd|'/C calc'!A0 <script> ../../x $(id) \x1b[31m \u202e"
PEOPLE = """
data_dir: data
people:
  - {user: lan, roles: [analyst]}
  - {user: minh, roles: [analyst], organizations: [so-y-te]}
  - {user: hoa, roles: [auditor]}
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    desk = Desk(tmp_path / "data")
    desk.take(
        made("a1", {"host.name": "pc-1"}, level="critical"),
        made("a2", {"host.name": "pc-1"}),
        made("b1", {"host.name": "pc-2", "user.name": EVIL}, rule=EVIL),
        made("c1", {"host.name": "pc-3"}, organization="so-tai-chinh"),
    )
    desk.cases.close()
    (tmp_path / "data" / "log").mkdir()
    (tmp_path / "luytre.yaml").write_text("data_dir: data\n")
    return tmp_path


@pytest.fixture
def run(house: Path) -> Run:
    def run(*arguments: str, user: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "luytre", *arguments],
            cwd=house, capture_output=True, text=True, check=False,
            env={**os.environ, "SUDO_USER": user},
        )  # fmt: skip

    return run


def test_a_shift_from_the_queue_to_the_closing(run: Run) -> None:
    queue = [json.loads(line) for line in run("incidents", "list", "--json").stdout.splitlines()]
    taken = run("incidents", "take", "1")
    closed = run("incidents", "close", "1", "-d", "true-positive", "-m", "Đã cô lập máy", "--json")
    shown = json.loads(run("incidents", "show", "1", "--json").stdout)
    again = run("incidents", "close", "1", "-d", "false-positive")

    assert [incident["id"] for incident in queue] == [1, 2, 3]
    assert taken.stdout == "incident 1 is yours\n"
    assert json.loads(closed.stdout) == {"incident": 1, "disposition": "true positive"}
    assert [step["action"] for step in shown["life"]] == [
        "incident.open",
        "incident.assign",
        "incident.state",
        "incident.close",
    ]
    assert shown["comments"][0][2] == "Đã cô lập máy"
    assert again.returncode == 6
    assert "closed already (true positive)" in again.stderr


def test_many_are_counted_first(run: Run) -> None:
    counted = json.loads(run("incidents", "many", "--level", "high", "--json").stdout)["count"]
    wrong = run("incidents", "many", "--level", "high", "-d", "false-positive", "--expect", "7")
    done = run(
        "incidents", "many", "--level", "high", "-d", "false-positive", "--expect", f"{counted}"
    )

    assert (counted, wrong.returncode, done.returncode) == (2, 6, 0)
    assert run("incidents", "list", "--level", "high").stdout.startswith("No incidents.")


def test_hostile_values_are_only_text(run: Run) -> None:
    outputs = [
        run("incidents", "list").stdout,
        run("incidents", "list", "--json").stdout,
        run("incidents", "show", "2").stdout,
        run("incidents", "show", "2", "--json").stdout,
        run("incidents", "comment", "2", EVIL).stdout,
        run("incidents", "show", "2").stdout,
        run("audit", "log", "--json").stdout,
    ]

    assert all(outputs)
    assert all(c.isprintable() or c == "\n" for output in outputs for c in output)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_roles_and_organisations_hold(house: Path, run: Run) -> None:
    (house / "luytre.yaml").write_text(PEOPLE)

    seen = run("incidents", "list", "--json", "--state", "all", user="minh").stdout
    assert {json.loads(line)["organization"] for line in seen.splitlines()} == {"so-y-te"}
    assert run("incidents", "show", "3", user="minh").stderr == "there is no incident 3\n"
    assert run("incidents", "close", "3", "-d", "duplicate", user="minh").returncode == 4
    assert run("incidents", "close", "1", "-d", "duplicate", user="hoa").returncode == 7
    assert run("incidents", "list", user="stranger").returncode == 7
    assert run("incidents", "close", "1", "-d", "duplicate", user="minh").returncode == 0
