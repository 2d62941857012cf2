"""The profile names the parts, columns, and rules that cost something on the events given."""

import json
from pathlib import Path

import pytest

from detections.profile import EVENTS_MIN
from tests.cli.running import RULE, Call

LINE = (
    '203.0.113.7 - - [23/Nov/2026:06:00:00 +0000] "GET /{n}?q={n} HTTP/1.1" 200 1 "-" "{agent}"\n'
)
DEAR_ID, CHEAP_ID = "6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a12", "6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a13"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    rules = tmp_path / "rules"
    rules.mkdir()
    cheap = RULE.format(title="cheap", id=CHEAP_ID)
    (rules / "cheap.yml").write_text(cheap)
    dear = cheap.replace("title: cheap", "title: dear").replace(CHEAP_ID, DEAR_ID)
    dear = dear.replace("cs-user-agent|contains: Mozilla", "cs-uri-query|re: '[13579]{2}.*x'")
    (rules / "dear.yml").write_text(dear)
    lines = (
        LINE.format(n=n, agent="Mozilla" if n % 10 == 0 else f"agent-{n}") for n in range(3_000)
    )
    (tmp_path / "access.log").write_text("".join(lines))
    return rules


def test_every_part_column_and_rule_is_measured(luytre: Call, house: Path) -> None:
    ran = luytre("rules", "profile", "access.log", "--rules", house, "--json")

    assert ran.code == 0
    rows = [(row["kind"], row["measured"]) for row in ran.documents]
    (part,) = [row for kind, row in rows if kind == "part"]
    assert (part["part"], part["events"], part["rules"], part["matches"]) == (
        "web/access",
        3_000,
        2,
        300,
    )
    assert part["cold_us"] > 0 < part["warm_us"]
    columns = {row["column"]: row for kind, row in rows if kind == "column"}
    assert {name: row["values"] for name, row in columns.items()} == {
        "user_agent.original": 2_701,
        "url.original": 3_000,
    }
    rules = {row["title"]: row for kind, row in rows if kind == "rule"}
    assert {title: row["matches"] for title, row in rules.items()} == {"cheap": 300, "dear": 0}
    assert all(rule["us"] >= 0 and rule["events"] == 3_000 for rule in rules.values())
    assert rules["dear"]["estimate"]["tested"] == []


def test_only_the_dearest_are_measured_one_by_one(luytre: Call, house: Path) -> None:
    ran = luytre("rules", "profile", "access.log", "-r", house, "--each", "1", "--events", "1000")

    assert ran.code == 0
    assert ran.lines[-1] == (
        "1,000 events, 1 rule measured one by one, 1 of lower estimate only together;"
        " 0 events of small parts left out"
    )
    assert "measuring web/access" in ran.err


def test_a_sample_that_is_about_no_rule_is_refused(luytre: Call, house: Path) -> None:
    Path("few.log").write_text(LINE.format(n=1, agent="a") * (EVENTS_MIN - 1))
    Path("other.ndjson").write_text(json.dumps({"a": 1}) + "\n")

    few = luytre("rules", "profile", "few.log", "-r", house)
    other = luytre("rules", "profile", "other.ndjson", "-r", house)

    assert (few.code, other.code) == (4, 4)
    assert "too few" in few.err
