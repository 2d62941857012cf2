"""`luytre rules`: faults by file and line, examples, explanations, and hostile archives."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.cli.running import ACCESS, BAD_RULE, GOOD_RULE, RULE, RULE_ID, WINDOWS, Call, forbidden

OTHER_ID = "0d1a3a62-95a1-4d0b-8c63-5c9b9b8c1f10"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "good.yml").write_text(GOOD_RULE)
    return folder


def packed(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_our_own_rules_are_good_and_their_examples_hold(luytre: Call) -> None:
    checked = luytre("rules", "check")
    tried = luytre("rules", "test")

    assert checked.code == tried.code == 0
    assert ", 0 faults, 0 remarks; cost: " in checked.lines[-1]
    assert tried.lines[0].endswith(" examples, 0 wrong")


def test_check_names_every_fault_by_file_and_line(luytre: Call, rules: Path) -> None:
    (rules / "bad.yml").write_text(BAD_RULE)
    (rules / "twice.yml").write_text(GOOD_RULE)
    (rules / "no.yml").write_text("title: }")
    (rules / "bytes.yml").write_bytes(b"title: \xff\n")

    ran = luytre("rules", "check", rules)

    assert ran.code == 1
    named = {line.split(":")[0] for line in ran.err.splitlines()}
    assert {str(rules / name) for name in ("bad.yml", "no.yml", "bytes.yml")} < named
    assert f"{rules / 'bad.yml'}:4: " in ran.err
    assert ran.lines[-1].startswith("1 good rule, 0 correlations, 0 filters, 4 faults, ")


def test_check_gives_faults_as_json(luytre: Call, rules: Path) -> None:
    (rules / "bad.yml").write_text(BAD_RULE)

    ran = luytre("rules", "check", "--json", rules)

    assert ran.code == 1
    faults = [row for row in ran.documents if row["kind"] == "fault"]
    assert [(row["path"], row["line"]) for row in faults] == [(str(rules / "bad.yml"), 4)]


ODD = """title: odd
id: 0d1a3a62-95a1-4d0b-8c63-5c9b9b8c1f10
status: test
references: [x, x]
logsource: {category: webserver}
detection:
    s:
        cs-user-agent|contains: Mozilla/5.0
        cs-cookies|re: '[0-9]'
    condition: s
level: low
"""


def test_check_says_what_may_be_wrong_with_rules_that_run(luytre: Call, rules: Path) -> None:
    odd = rules / "odd.yml"
    odd.write_text(ODD)

    ran = luytre("rules", "check", rules)
    rows = luytre("rules", "check", "--json", rules).documents

    assert ran.code == 0
    remarks = [(row["kind"], row["line"]) for row in rows if "line" in row]
    assert remarks == [("schema", 4), ("overlap", 6), ("field", 9)]
    assert f"{odd}:4: schema: references has 'x' twice; remove one" in ran.lines
    assert (
        f'{odd}:6: overlap: every event that it finds is found by "mozilla" ({RULE_ID}) too'
        in ran.out
    )
    assert (
        f'{odd}:9: field: no event of apache/access, nginx/access, web/access has a field "cs-cookies"'
        in ran.out
    )
    costs = {row["title"]: row for row in rows if row["kind"] == "cost"}
    assert costs["odd"]["grade"] == "cheap"
    assert costs["odd"]["triggers"] == ["cs-user-agent: *mozilla/5.0*"]
    assert (costs["odd"]["atoms"], costs["odd"]["regexes"]) == (2, 1)
    assert luytre("rules", "check", "--strict", rules).code == 1


def test_check_looks_for_fields_in_a_sample(luytre: Call, tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    rule.write_text(
        RULE.format(title="t", id=RULE_ID)
        .replace("{category: webserver}", "{product: windows, category: process_creation}")
        .replace("cs-user-agent|contains: Mozilla", "Image: x, Grandparent: y")
    )
    Path("sample.ndjson").write_bytes(WINDOWS)

    ran = luytre("rules", "check", rule, "--events", "sample.ndjson")

    assert ran.code == 0
    assert 'no event of the sample has a field "Grandparent" (linux/sysmon/1, ' not in ran.out
    assert 'no event of the sample has a field "Grandparent" (windows/' in ran.out
    assert '"Image"' not in ran.out
    assert "1 event looked at for fields" in ran.lines


def test_list_shows_what_would_run(luytre: Call, rules: Path) -> None:
    listed = luytre("rules", "list", rules)
    documents = luytre("rules", "list", "--json", rules).documents

    assert listed.lines[-1] == "1 rule"
    assert RULE_ID in listed.lines[1]
    assert [row["title"] for row in documents] == ["mozilla"]


def test_a_hostile_title_is_only_text(luytre: Call, rules: Path) -> None:
    title = '"[red]\\u001b[31m\\u202e\\u009b[/red]"'
    (rules / "odd.yml").write_text(RULE.format(title=title, id=OTHER_ID))
    Path("a.log").write_bytes(ACCESS)

    for command in (
        ["rules", "list", rules],
        ["rules", "list", "--json", rules],
        ["rules", "check", rules],
        ["rules", "explain", rules / "odd.yml", "a.log"],
        ["scan", "--no-builtin", "--rules", rules, "a.log"],
    ):
        ran = luytre(*command)

        assert not forbidden(ran.out + ran.err)


@pytest.mark.parametrize("command", ["check", "list", "test"])
def test_rules_that_are_not_there_are_refused(luytre: Call, command: str) -> None:
    ran = luytre("rules", command, "nowhere.yml")

    assert (ran.code, ran.err.splitlines()) == (4, ["nowhere.yml does not exist"])


def test_an_example_that_does_not_hold_is_told(luytre: Call, rules: Path) -> None:
    quiet, loud = ACCESS.decode().splitlines()
    examples = [
        {"expect": "match", "raw": loud},
        {"expect": "no match", "raw": quiet},
        {"expect": "match", "raw": quiet},
    ]
    (rules / "good.ndjson").write_text("\n".join(map(json.dumps, examples)) + "\nno JSON\n")
    (rules / "bad.yml").write_text(BAD_RULE)

    ran = luytre("rules", "test", rules)

    assert (ran.code, ran.lines) == (1, ["3 examples, 3 wrong"])
    named = sorted(line.split(": ")[0] for line in ran.err.splitlines())
    assert named == [f"{rules}/bad.yml:4", f"{rules}/good.ndjson:3", f"{rules}/good.ndjson:4"]


@pytest.mark.parametrize(
    ("line", "verdict", "held"),
    [
        pytest.param(1, "matches", "yes", id="an event that matches"),
        pytest.param(0, "does not match", "no", id="an event that does not"),
    ],
)
def test_explain_says_why(luytre: Call, rules: Path, line: int, verdict: str, held: str) -> None:
    Path("one.log").write_bytes(ACCESS.splitlines(keepends=True)[line])

    ran = luytre("rules", "explain", rules / "good.yml", "one.log")

    assert ran.code == 0
    assert ran.lines[0] == f"mozilla: {verdict}"
    assert ran.lines[2].split()[:4] == ["*", held, "must", "hold"]
    holds = "holds" if held == "yes" else "does not hold"
    assert ran.lines[-3:-1] == ["condition: s", f"searches: s {holds}"]


FILTER = f"""
title: our scanner
logsource: {{category: webserver}}
filter:
    rules: [{RULE_ID}]
    selection: {{c-ip: 203.0.113.8}}
    condition: selection
"""


def test_explain_takes_any_event_and_names_the_filter_that_hides_it(
    luytre: Call, rules: Path
) -> None:
    Path("both.log").write_bytes(ACCESS)
    (rules / "good.yml").write_text(f"{GOOD_RULE}---{FILTER}")

    first = luytre("rules", "explain", rules / "good.yml", "both.log")
    second = luytre("rules", "explain", rules / "good.yml", "both.log", "--event", "2")
    third = luytre("rules", "explain", rules / "good.yml", "both.log", "--event", "3")

    assert first.lines[0] == "mozilla: does not match"
    assert "hidden" not in first.out
    assert second.lines[0] == "mozilla: matches"
    assert second.lines[-1].startswith('hidden by the filter "our scanner" (')
    assert (third.code, "or not so many" in third.err) == (4, True)


def test_explain_gives_json(luytre: Call, rules: Path) -> None:
    Path("one.log").write_bytes(ACCESS)

    ran = luytre("rules", "explain", "--json", rules / "good.yml", "one.log")

    assert ran.documents[0]["holds"] is False


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["nowhere", "a.log"], "0 rules are named nowhere", id="no such rule"),
        pytest.param(["", "a.log"], "rules are named", id="every rule"),
        pytest.param(["rules", "a.log"], "0 rules are named rules", id="a folder"),
        pytest.param(["bad.yml", "a.log"], "bad.yml:4: ", id="a bad rule"),
        pytest.param(["rules/good.yml", "b.log"], "b.log does not exist", id="no such file"),
        pytest.param(["rules/good.yml", "auth.log"], "no event of log source", id="other source"),
        pytest.param(
            ["--log-source", "web", "rules/good.yml", "a.log"], "known are", id="log source"
        ),
    ],
)
def test_what_cannot_be_explained_is_refused(
    luytre: Call, rules: Path, arguments: list[str], says: str
) -> None:
    Path("bad.yml").write_text(BAD_RULE)
    Path("a.log").write_bytes(ACCESS)
    Path("auth.log").write_bytes(
        b"Nov 23 06:00:00 web-1 sshd[9]: Server listening on :: port 22.\n"
    )

    ran = luytre("rules", "explain", *arguments)

    assert (ran.code, ran.out) == (4, "")
    assert says in ran.err


def test_an_installed_set_runs_at_once(luytre: Call, tmp_path: Path) -> None:
    source = packed(tmp_path / "set.zip", {"rules/good.yml": GOOD_RULE, "LICENSE": "DRL 1.1"})
    Path("a.log").write_bytes(ACCESS)

    ran = luytre("rules", "install", source)
    scanned = luytre("scan", "--no-builtin", "--json", "a.log")

    assert ran.code == 0
    assert ran.lines[0].startswith("1 rule installed in ")
    assert [row["rule"]["id"] for row in scanned.documents] == [RULE_ID]


def test_installing_leaves_out_bad_rules_and_says_so(luytre: Call, tmp_path: Path) -> None:
    source = packed(tmp_path / "set.zip", {"good.yml": GOOD_RULE, "bad.yml": BAD_RULE})

    ran = luytre("rules", "install", source)

    assert ran.code == 5
    assert f"{source}/bad.yml:4: " in ran.err
    assert ran.lines[0].endswith(", 1 refused")


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"../../escaped.yml": GOOD_RULE}, id="path traversal"),
        pytest.param({"/tmp/escaped.yml": GOOD_RULE}, id="absolute path"),
        pytest.param({"good.yml": GOOD_RULE, "..\\..\\escaped.yml": GOOD_RULE}, id="backslashes"),
        pytest.param({"good.yml": GOOD_RULE, "bomb.yml": b"#" * 400_000_000}, id="bomb"),
        pytest.param({"notes.txt": "no rule"}, id="no rule"),
    ],
)
def test_a_hostile_archive_installs_nothing(
    luytre: Call, tmp_path: Path, files: dict[str, str | bytes]
) -> None:
    source = packed(tmp_path / "set.zip", files)

    ran = luytre("rules", "install", source)

    assert ran.code == 4
    assert "Traceback" not in ran.err
    assert not list(tmp_path.parent.rglob("escaped.yml"))
    assert not list((tmp_path / "data").rglob("*.yml"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no archive", id="no archive"),
        pytest.param(b"PK\x03\x04" + b"\0" * 40, id="a torn archive"),
        pytest.param(b"", id="an empty file"),
    ],
)
def test_what_is_no_archive_is_refused(luytre: Call, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.zip").write_bytes(content)

    ran = luytre("rules", "install", "set.zip")

    assert ran.code == 4
    assert "set.zip" in ran.err
