"""The history from the command line: read, anchored, exported, verified, refused."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from luytre.audit.database import CaseDatabase
from luytre.audit.signer import Signer
from luytre.core.clock import SystemClock
from luytre.core.database import ROOMS_TABLE, open_database
from tests.audit.conftest import NOTES, person, write

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    cases = CaseDatabase(data / "cases.sqlite", Signer(data / "signer"), SystemClock(), [NOTES])
    for text in ("Đã xem", "=cmd|'/C calc'!A0", "\x1b[31m\u202e"):
        write(cases, person("analyst"), text)
    cases.close()
    return tmp_path


@pytest.fixture
def run(house: Path) -> Run:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "luytre", *arguments],
            cwd=house, capture_output=True, text=True, check=False, env={**os.environ, **environment},
        )  # fmt: skip

    return run


def test_the_history_is_anchored_exported_and_verified(house: Path, run: Run) -> None:
    anchored = run("audit", "anchor", "--data", "data", "--to", "usb")
    page = run("audit", "anchor", "--data", "data", "--print")
    (house / "page.txt").write_text(page.stdout)
    exported = run("audit", "export", "--data", "data", "--to", "out")
    verified = run("audit", "verify", "--data", "data", "--anchor", "usb", "--anchor", "page.txt")

    assert anchored.stdout == "4 entries anchored in usb\n"
    assert re.match(r"8 entries in out", exported.stdout)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.endswith("WHOLE\n")


def test_an_altered_entry_is_named(house: Path, run: Run) -> None:
    run("audit", "anchor", "--data", "data", "--to", "usb")
    database = open_database(house / "data" / "cases.sqlite", [ROOMS_TABLE])
    database.execute("DROP TRIGGER audit_entries_keep")
    database.execute("UPDATE audit_entries SET entry = replace(entry, 'lan', 'hoa') WHERE seq = 2")
    database.close()

    verified = run("audit", "verify", "--data", "data", "--anchor", "usb", "--json")

    named = {(f["code"], f["first"], f["last"]) for f in json.loads(verified.stdout)["findings"]}
    assert verified.returncode == 1
    assert ("not the anchored", 2, 2) in named


def test_the_log_is_read_as_text(run: Run) -> None:
    shown = run("audit", "log", "--data", "data", "--action", "note", "--limit", "2")
    as_json = run("audit", "log", "--data", "data", "--json")

    assert all(c.isprintable() or c == "\n" for c in shown.stdout + as_json.stdout)
    assert [json.loads(line)["entry"]["seq"] for line in as_json.stdout.splitlines()] == [
        *(5, 4),  # both looks are entries too
        *(3, 2, 1, 0),
    ]
    assert len(shown.stdout.splitlines()) == 3


PEOPLE = """
people:
  - user: hoa
    roles: [auditor]
  - user: lan
    roles: [analyst]
"""


@pytest.mark.parametrize(
    ("user", "code"),
    [
        pytest.param("hoa", 0, id="an auditor"),
        pytest.param("lan", 7, id="an analyst"),
        pytest.param("nobody-we-know", 7, id="not listed"),
    ],
)
@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_roles_are_those_of_the_configuration(house: Path, run: Run, user: str, code: int) -> None:
    (house / "luytre.yaml").write_text(PEOPLE)

    exported = run("audit", "export", "--to", "out", SUDO_USER=user)

    assert exported.returncode == code
    assert (house / "out").exists() == (code == 0)


def test_where_there_is_no_history_commands_say_so(tmp_path: Path, run: Run) -> None:
    done = run("audit", "log", "--data", "elsewhere")

    assert done.returncode == 4
    assert "holds no history" in done.stderr
