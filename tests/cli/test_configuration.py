"""A configuration's faults are told at once, and `run --check` says what would run."""

from pathlib import Path

import pytest

from tests.cli.running import Call

TYPOS = """organisation: x
workers: many
ship:
  files:
    - {paths: [logs], log_source: wndows}
    - {path: [logs]}
log: {partitions: 0}
"""
COMMANDS = [
    pytest.param(["run", "--check"], id="run"),
    pytest.param(["scan", "."], id="scan"),
    pytest.param(["alerts", "list"], id="alerts"),
    pytest.param(["doctor"], id="doctor"),
    pytest.param(["rules", "check"], id="rules"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_all_faults_at_once_with_their_lines(
    luytre: Call, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "luytre.yaml").write_text(TYPOS)

    ran = luytre(*command)

    assert (ran.code, ran.out) == (2, "")
    faults = ran.err.splitlines()
    assert [line.split(":")[1] for line in faults] == ["1", "2", "5", "6", "6", "7"]
    assert 'did you mean "organization"?' in faults[0]
    assert 'did you mean "windows"?' in faults[2]


def test_a_problem_stays_on_one_line_however_long(luytre: Call, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / "luytre.yaml"
    deep.parent.mkdir()
    deep.write_text("workers: many words\n")

    ran = luytre("doctor", "--config", deep)

    assert len(ran.err.splitlines()) == 1
    assert len(ran.err) > 160


def test_check_says_what_would_run_and_starts_nothing(luytre: Call, tmp_path: Path) -> None:
    (tmp_path / "luytre.yaml").write_text(
        "ship: {files: [{paths: [logs]}], syslog: [{listen: '127.0.0.1:0'}]}\nworkers: 2\n"
    )

    ran = luytre("run", "--check")

    assert ran.code == 0
    names = [
        "ship", "detect-0", "detect-1", "correlate", "index", "triage", "upkeep", "respond",
    ]  # fmt: skip
    assert [line.split(":")[0] for line in ran.lines[-8:]] == names
    assert f"files {tmp_path / 'logs'} (auto)" in ran.lines
    assert "listens on udp 127.0.0.1:0" in ran.lines
    assert not (tmp_path / "data").exists()


def test_looking_where_nothing_ran_is_refused(luytre: Call, tmp_path: Path) -> None:
    for command in (["alerts", "list"], ["ledger"], ["rejects", "list"], ["archive", "count"]):
        ran = luytre(*command)

        assert ran.code == 4
        assert "nothing has run in data" in ran.err
    assert not (tmp_path / "data").exists()


def test_doctor_says_that_nothing_ran_yet(luytre: Call, tmp_path: Path) -> None:
    ran = luytre("doctor", "--json")

    states = {document["what"]: document["state"] for document in ran.documents}
    assert states["pipeline"] == "warning"
    assert states["rules"] == "good"
    assert not (tmp_path / "data").exists()
