"""`luytre run` and what people ask while it runs: every line accounted for, alerts, rejects."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from luytre.core.alert import decode_alert
from luytre.core.config import Config, load_config
from luytre.core.message import ALERTS_TOPIC
from luytre.core.organization import Scope
from luytre.processor import build, logs, slots
from tests.cli.running import (
    ACCESS,
    AUTH,
    HOSTILE,
    HOSTILE_TEXT,
    UNREADABLE,
    WINDOWS,
    Call,
    drain,
    forbidden,
    process,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("pipeline")

CONFIG = """
organization: house
ship:
  linger_s: 0.1
  scan_s: 0.2
  files:
    - {paths: [logs]}
    - {paths: [commune], organization: commune-1}
archive: {flush_s: 0.5}
"""
EVENTS, REJECTS, ALERTS = 8, 1, 6


def installed(folder: Path) -> Path:
    """Return the configuration of a small house with logs."""
    (folder / "logs").mkdir(parents=True)
    (folder / "commune").mkdir()
    (folder / "logs" / "auth.log").write_bytes(AUTH + UNREADABLE)
    (folder / "logs" / "windows.ndjson").write_bytes(WINDOWS)
    (folder / "logs" / "odd\x1b[31m.log").write_bytes(HOSTILE)
    (folder / "commune" / "access.log").write_bytes(ACCESS + AUTH.splitlines(keepends=True)[2])
    config = folder / "luytre.yaml"
    config.write_text(CONFIG)
    return config


def settled(config: Config, events: int = EVENTS) -> Callable[[], bool]:
    """Return what tells whether all lines are accounted for and all alerts are stored."""

    def done() -> bool:
        accounts = build.accounts(config)
        counted = sum(account.events for account in accounts)
        rejected = sum(account.rejects for account in accounts)
        waiting = logs.lag(config, build.INDEX_GROUP, ALERTS_TOPIC)
        return (counted, rejected, waiting) == (events, REJECTS, 0)

    return done


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the configuration of a pipeline that runs, and has seen all its lines."""
    path = installed(tmp_path_factory.mktemp("house") / "home")
    running = process("run", "--config", path, folder=path.parent)
    try:
        wait_until(settled(load_config(path)))
        yield path
        assert drain(running) == 0
    finally:
        running.kill()
        running.communicate()


def test_every_line_is_accounted_for(luytre: Call, config: Path) -> None:
    ran = luytre("ledger", "--config", config, "--json")

    assert ran.code == 0
    sums = {
        name: sum(document[name] for document in ran.documents)
        for name in ("shipped", "events", "rejects", "pending", "missing")
    }
    assert sums == {
        "shipped": EVENTS + REJECTS,
        "events": EVENTS,
        "rejects": REJECTS,
        "pending": 0,
        "missing": 0,
    }


def test_ledger_sums_up_in_a_sentence(luytre: Call, config: Path) -> None:
    ran = luytre("ledger", "-c", config)

    assert ran.lines[-1] == "9 shipped = 8 events + 1 rejects + 0 on their way + 0 missing"


def test_alerts_are_listed_newest_first(luytre: Call, config: Path) -> None:
    ran = luytre("alerts", "list", "-c", config)

    times = [line.split("  ")[1] for line in ran.lines if "2026-11-23 06:00" in line]
    assert len(times) == ALERTS
    assert times == sorted(times, reverse=True)
    assert ran.lines[-1].startswith(f"{ALERTS} of {ALERTS}; ")


@pytest.mark.parametrize(
    ("options", "count"),
    [
        pytest.param([], ALERTS, id="all"),
        pytest.param(["-l", "critical"], 1, id="a level"),
        pytest.param(["-l", "critical", "-l", "medium"], 3, id="two levels"),
        pytest.param(["-o", "commune-1"], 2, id="an organisation"),
        pytest.param(["-o", "house", "-o", "commune-1"], ALERTS, id="two organisations"),
        pytest.param(["-o", "commune-2"], 0, id="an organisation without alerts"),
        pytest.param(["--host", "pc-1"], 1, id="a host"),
        pytest.param(["--user", "www-data"], 2, id="a user"),
        pytest.param(["--rule", "sudo"], 2, id="a word of a rule's title"),
        pytest.param(["--since", "2026-11-23T06:00:03"], 2, id="since"),
        pytest.param(["--until", "2026-11-23T06:00:01"], 1, id="until"),
        pytest.param(["--limit", "2"], 2, id="limit"),
        pytest.param(["--offset", "5"], 1, id="offset"),
    ],
)
def test_filters_choose_alerts(luytre: Call, config: Path, options: list[str], count: int) -> None:
    ran = luytre("alerts", "list", "-c", config, "--json", *options)

    assert ran.code == 0
    assert len([decode_alert(line.encode()) for line in ran.out.splitlines()]) == count


@pytest.mark.parametrize(
    ("words", "count"),
    [
        pytest.param(["vssadmin"], 1, id="a word of a command"),
        pytest.param(["VSSADMIN", "shadows"], 1, id="case does not count, all words must be there"),
        pytest.param(["vssadmin", "nowhere"], 0, id="one word is not there"),
        pytest.param(['"; DROP TABLE alerts; --'], 0, id="no query language"),
        pytest.param(["[red]x[/red]"], 1, id="no markup"),
    ],
)
def test_search_finds_words(luytre: Call, config: Path, words: list[str], count: int) -> None:
    ran = luytre("alerts", "search", "-c", config, "--json", *words)

    assert ran.code == 0
    assert len(ran.documents) == count


def test_an_alert_is_shown_with_its_reasons_and_its_original(luytre: Call, config: Path) -> None:
    found = luytre("alerts", "list", "-c", config, "--json", "--host", "pc-1").documents[0]

    ran = luytre("alerts", "show", "-c", config, found["id"][:12])

    assert ran.code == 0
    assert ran.lines[0] == "Shadow Copies or Backups Deleted  [critical]"
    assert WINDOWS.decode().strip() in ran.lines
    assert any("CommandLine" in line and "contains" in line for line in ran.lines)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["alerts", "show", "ffffffff"], "begins with ffffffff", id="unknown id"),
        pytest.param(["alerts", "show", ""], "no alert, or more than one", id="no id"),
        pytest.param(["alerts", "list", "-l", "hgh"], "levels are informational", id="level"),
        pytest.param(["alerts", "search", "x", "-l", "hgh"], "levels are", id="level of a search"),
        pytest.param(["rejects", "replay", "--id", "ffff"], "no reject", id="nothing to replay"),
    ],
)
def test_what_is_not_there_is_refused(
    luytre: Call, config: Path, arguments: list[str], says: str
) -> None:
    ran = luytre(*arguments, "-c", config)

    assert (ran.code, ran.out) == (4, "")
    assert says in ran.err


def test_another_organisation_does_not_see_an_alert(luytre: Call, config: Path) -> None:
    found = luytre("alerts", "list", "-c", config, "--json", "--host", "pc-1").documents[0]

    assert luytre("alerts", "show", found["id"], "-c", config, "-o", "commune-1").code == 4
    assert luytre("alerts", "show", found["id"], "-c", config, "-o", "house").code == 0


def test_a_replayed_reject_is_the_same_reject_once(luytre: Call, config: Path) -> None:
    before = luytre("rejects", "list", "-c", config, "--json").documents

    ran = luytre("rejects", "replay", "-c", config)
    settings = load_config(config)
    wait_until(lambda: logs.lag(settings, build.DETECT_GROUP, "events") == 0)

    after = luytre("rejects", "list", "-c", config, "--json").documents
    assert (ran.code, ran.lines) == (0, ["1 reject sent again"])
    assert [row["event.id"] for row in after] == [row["event.id"] for row in before]
    assert len(after) == REJECTS
    assert settled(settings)()


def test_rejects_are_chosen_by_their_reason(luytre: Call, config: Path) -> None:
    listed = luytre("rejects", "list", "-c", config)
    nothing = luytre("rejects", "list", "-c", config, "--reason", "no such reason")

    assert "no log source" in listed.out
    assert nothing.lines == ["No rejects."]


def test_the_archive_holds_every_event(luytre: Call, config: Path) -> None:
    assert luytre("archive", "count", "-c", config).lines == [str(EVENTS)]
    assert luytre("archive", "count", "-c", config, "-o", "commune-1").lines == ["3"]
    assert luytre("archive", "check", "-c", config).lines == ["The archive is sound."]
    read = luytre("archive", "read", "-c", config, "--json", "--limit", "3")
    assert [bool(row["event.original"]) for row in read.documents] == [True] * 3


def test_doctor_finds_nothing_bad(luytre: Call, config: Path) -> None:
    ran = luytre("doctor", "-c", config, "--json")

    assert {row["what"] for row in ran.documents if row["state"] == "bad"} <= {"disk"}
    states = {row["what"]: row["state"] for row in ran.documents}
    assert states["pipeline"] == states["database"] == states["archive"] == "good"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["alerts", "list"], id="alerts list"),
        pytest.param(["alerts", "list", "--json"], id="alerts list --json"),
        pytest.param(["alerts", "search", "sqlmap"], id="alerts search"),
        pytest.param(["alerts", "show", "HOSTILE"], id="alerts show"),
        pytest.param(["alerts", "show", "HOSTILE", "--json"], id="alerts show --json"),
        pytest.param(["rejects", "list"], id="rejects list"),
        pytest.param(["rejects", "list", "--json"], id="rejects list --json"),
        pytest.param(["archive", "read"], id="archive read"),
        pytest.param(["archive", "read", "--json"], id="archive read --json"),
        pytest.param(["ledger"], id="ledger, of a file with an odd name"),
        pytest.param(["ledger", "--json"], id="ledger --json"),
        pytest.param(["doctor"], id="doctor"),
        pytest.param(["scan", "LOGS"], id="scan"),
        pytest.param(["scan", "--json", "LOGS"], id="scan --json"),
    ],
)
def test_no_log_content_reaches_the_terminal_as_a_command(
    luytre: Call, config: Path, command: list[str]
) -> None:
    hostile = luytre("alerts", "search", "red", "-c", config, "--json").documents[0]["id"]
    places = {"HOSTILE": hostile, "LOGS": str(config.parent / "logs")}

    ran = luytre(*(places.get(word, word) for word in command), "-c", config)

    assert ran.code in {0, 5}
    assert not forbidden(ran.out + ran.err)


def test_markup_is_shown_as_it_was_written(luytre: Call, config: Path) -> None:
    found = luytre("alerts", "search", "red", "-c", config, "--json").documents[0]

    shown = luytre("alerts", "show", found["id"], "-c", config).out

    assert r"sqlmap \x1b[31m[red]x[/red]" in shown
    assert HOSTILE_TEXT in found["event"]["user_agent.original"]


def test_children_end_with_their_parent_and_a_second_start_goes_on(
    luytre: Call, tmp_path: Path
) -> None:
    path = installed(tmp_path / "home")
    settings = load_config(path)
    first = process("run", "-c", path, folder=path.parent)
    wait_until(settled(settings))
    before = luytre("alerts", "list", "-c", path, "--json").documents

    first.kill()
    first.communicate()
    wait_until(lambda: not slots.is_taken(settings, "shipper"))
    with (path.parent / "logs" / "auth.log").open("ab") as log:
        log.write(ACCESS.splitlines(keepends=True)[1])
    second = process("run", "-c", path, folder=path.parent)
    wait_until(settled(settings, EVENTS + 1))

    assert drain(second) == 0
    assert luytre("alerts", "list", "-c", path, "--json").documents == before
    assert build.archive(settings).count(Scope.everything()) == EVENTS + 1


def test_each_part_runs_by_itself(luytre: Call, tmp_path: Path) -> None:
    path = installed(tmp_path / "home")
    settings = load_config(path)

    shipped = luytre("ship", "--once", "-c", path)
    again = luytre("ship", "--once", "-c", path)
    detect = process("detect", "-c", path, folder=tmp_path)
    index = process("index", "-c", path, folder=tmp_path)
    wait_until(settled(settings))
    codes = [drain(detect), drain(index)]
    kept = luytre("upkeep", "--once", "-c", path)

    assert shipped.lines == [f"{EVENTS + REJECTS} events sent"]
    assert again.lines == ["0 events sent"]
    assert codes == [0, 0]
    assert kept.code == 0
    assert json.loads(kept.err.splitlines()[0])["event"] == "done"
    assert len(luytre("alerts", "list", "-c", path, "--json").documents) == ALERTS


def test_a_reader_that_leaves_early_gets_no_traceback(config: Path) -> None:
    running = process("archive", "read", "--json", "-c", config, folder=config.parent)
    assert running.stdout
    running.stdout.close()

    assert running.stderr
    err = running.stderr.read()
    running.stderr.close()

    running.wait()
    assert err == b""
