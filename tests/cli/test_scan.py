"""`luytre scan`: alerts from files, and a plain word about everything that could not be read."""

import base64
import gzip
import json
import subprocess
from pathlib import Path

import pytest

from luytre.core.alert import decode_alert
from tests.cli.running import (
    ACCESS,
    AUTH,
    BAD_RULE,
    GOOD_RULE,
    LUYTRE,
    RULE_ID,
    UNREADABLE,
    WINDOWS,
    Call,
)

EVTX_MAGIC = b"ElfFile\x00"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "access.log").write_bytes(ACCESS)
    (folder / "auth.log").write_bytes(AUTH)
    (folder / "windows.ndjson").write_bytes(WINDOWS)
    return folder


def test_alerts_of_several_log_sources_in_one_table(luytre: Call, logs: Path) -> None:
    ran = luytre("scan", logs)

    assert ran.code == 0
    levels = [line.split()[2] for line in ran.lines if line.startswith("2026-11-23 06:00")]
    assert levels == ["critical", "high", "high", "medium"]
    assert "web-1" in ran.out
    assert "pc-1" in ran.out
    assert ran.lines[-1] == "6 events, 4 alerts, 0 rejects"
    assert ran.err == ""


def test_nothing_is_left_beside_the_logs(luytre: Call, logs: Path, tmp_path: Path) -> None:
    luytre("scan", logs)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "logs"]


def test_every_line_of_json_is_an_alert(luytre: Call, logs: Path) -> None:
    ran = luytre("scan", "--json", logs)

    alerts = [decode_alert(line.encode()) for line in ran.out.splitlines()]
    assert len({alert.id for alert in alerts}) == 4
    assert all(alert.reasons for alert in alerts)
    assert ran.err.splitlines() == ["6 events, 4 alerts, 0 rejects"]


def test_a_file_gives_the_same_ids_packed_piped_and_plain(luytre: Call, logs: Path) -> None:
    (logs / "packed.log.gz").write_bytes(gzip.compress(AUTH))

    plain = luytre("scan", "--json", logs / "auth.log")
    packed = luytre("scan", "--json", logs / "packed.log.gz")
    piped = luytre("scan", "--json", "-", stdin=AUTH)

    ids = [document["id"] for document in plain.documents]
    assert len(ids) == 2
    assert [document["id"] for document in packed.documents] == ids
    assert [document["id"] for document in piped.documents] == ids


def test_mild_alerts_are_counted_but_not_shown(luytre: Call, logs: Path) -> None:
    ran = luytre("scan", "--level", "critical", "--json", logs)

    assert {document["rule"]["level"] for document in ran.documents} == {"critical"}
    assert "4 alerts" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["nowhere.log"], "nowhere.log: no such file", id="a path"),
        pytest.param(["--level", "hgh", "."], "levels are informational, low", id="a level"),
        pytest.param(["--log-source", "ssh", "."], "known are auto, windows", id="a log source"),
        pytest.param(["--rules", "nowhere.yml", "."], "nowhere.yml does not exist", id="a rule"),
        pytest.param(["--config", "nowhere.yaml", "."], "nowhere.yaml does not exist", id="config"),
        pytest.param(["--no-builtin", "."], "no valid rule is left", id="no rule at all"),
    ],
)
def test_what_does_not_exist_is_refused(luytre: Call, arguments: list[str], says: str) -> None:
    ran = luytre("scan", *arguments)

    assert (ran.code, ran.out) == (4, "")
    assert says in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no path"),
        pytest.param(["--nonsense", "."], id="an unknown option"),
        pytest.param(["--limit", "0", "."], id="a number out of range"),
    ],
)
def test_words_that_cannot_be_used_end_with_2(luytre: Call, arguments: list[str]) -> None:
    assert luytre("scan", *arguments).code == 2


def test_a_bad_rule_is_named_and_the_others_run(luytre: Call, logs: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "good.yml").write_text(GOOD_RULE)
    (rules / "bad.yml").write_text(BAD_RULE)

    ran = luytre("scan", "--no-builtin", "--rules", rules, "--json", logs)

    assert ran.code == 5
    assert [document["rule"]["id"] for document in ran.documents] == [RULE_ID]
    assert f"rule refused: {rules / 'bad.yml'}:4: " in ran.err


def test_without_a_valid_rule_it_says_why(luytre: Call, logs: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text(BAD_RULE)

    ran = luytre("scan", "--no-builtin", "--rules", "bad.yml", logs)

    assert ran.code == 4
    assert "bad.yml:4: " in ran.err


def test_what_cannot_be_read_is_counted_kept_and_told(luytre: Call, logs: Path) -> None:
    (logs / "odd.log").write_bytes(AUTH + UNREADABLE + AUTH)

    ran = luytre("scan", "--rejects", "rejects.ndjson", logs / "odd.log")

    assert ran.code == 5
    assert "6 events, 4 alerts, 1 reject" in ran.lines
    assert ran.lines[-1].startswith("  1 x ")
    kept = [json.loads(line) for line in Path("rejects.ndjson").read_bytes().splitlines()]
    assert [base64.b64decode(row["event.original"]) for row in kept] == [UNREADABLE.rstrip(b"\n")]
    assert kept[0]["error.message"] in ran.out


def test_rejects_that_cannot_be_written_are_a_sentence(luytre: Call, logs: Path) -> None:
    ran = luytre("scan", "--rejects", logs, logs)

    assert ran.code == 3
    assert ran.err.splitlines() == [f"{logs}: Is a directory"]


@pytest.mark.parametrize(
    ("name", "content", "events"),
    [
        pytest.param("a.evtx", EVTX_MAGIC, 0, id="EVTX of eight bytes"),
        pytest.param("b.evtx", EVTX_MAGIC + b"\xff" * 9000, 0, id="EVTX of garbage"),
        pytest.param("c.evtx", b"no event log", 0, id="EVTX by its name only"),
        pytest.param("d.ndjson", WINDOWS + WINDOWS[:50], 1, id="NDJSON cut in the middle"),
        pytest.param("e.gz", gzip.compress(AUTH * 400)[:-20], 1, id="gzip cut at its end"),
        pytest.param("f.zst", b"\x28\xb5\x2f\xfd\x00", 0, id="zstd of five bytes"),
        pytest.param("g.ndjson", b"[" * 100_000 + b"\n" + WINDOWS, 1, id="100,000 brackets"),
        pytest.param("h.ndjson", b'{"a":' * 50_000 + b"\n" + WINDOWS, 1, id="50,000 objects"),
        pytest.param("i.log", bytes(range(256)) + b"\n", 0, id="every byte"),
    ],
)
def test_damage_is_a_reject_and_its_neighbours_are_read(
    luytre: Call, tmp_path: Path, name: str, content: bytes, events: int
) -> None:
    (tmp_path / name).write_bytes(content)

    ran = luytre("scan", name)

    assert ran.code == 5
    counts = next(line for line in ran.lines if " events, " in line or " event, " in line)
    assert int(counts.split(" ")[0].replace(",", "")) >= events
    assert not counts.endswith(" 0 rejects")


def test_bytes_that_are_not_utf8_are_read(luytre: Call, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(AUTH.replace(b"port 5000", b"port 5000 \xff\xfe\xc3"))

    ran = luytre("scan", "--json", "a.log")

    assert ran.code == 0
    assert b"\xff\xfe\xc3" in base64.b64decode(ran.documents[0]["original"])


def test_an_empty_folder_is_no_error(luytre: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    ran = luytre("scan", "empty")

    assert (ran.code, ran.lines) == (0, ["0 events, 0 alerts, 0 rejects"])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"x" * 20_000_000 + b"\n" + AUTH, id="a line of 20 MB"),
        pytest.param(b'{"n": ' + b"9" * 10_000_000 + b"}\n" + AUTH, id="a number of 10 MB"),
    ],
)
def test_memory_is_bounded_whatever_a_line_holds(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "huge.log").write_bytes(content)
    measured = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:], stdout=2).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    command = [LUYTRE[0], "-c", measured, *LUYTRE, "scan", "huge.log"]

    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=120)

    code, kib = map(int, ran.stdout.split())
    assert code == 5
    assert b" alerts, " in ran.stderr
    assert kib < 500 * 1024
