"""Alerts: searched, explained, judged; and what stood around them in the archive."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from luytre.core.alert import Reason
from luytre.core.batch import Part, TopicPartition
from luytre.core.ecs import TIME
from luytre.processor import build
from tests.console.installation import NOW, Installation, alert, signer

REASONS = (
    Reason("s", "CommandLine", "process.command_line", "contains", "*whoami*", "cmd /c WhoAmI"),
)
EVENT = {"host.name": "srv-1", "user.name": "an", "process.command_line": "cmd /c WhoAmI",
         "host.asset.level": "3"}  # fmt: skip
ORIGINAL = b'{"a": "\xff\x1b[2J</pre><script>alert(1)</script>"}'


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An alert with its reasons, another of the same rule, and what the archive has around it."""
    folder = tmp_path_factory.mktemp("told")
    with signer(folder):
        made = Installation(folder)
        made.fill(
            alert(1, EVENT, level="critical", reasons=REASONS, original=ORIGINAL),
            alert(2, {"host.name": "srv-2"}, at=5),
            alert(3, {"host.name": "pc-9"}, organization="so-tai-chinh", rule="rule-9"),
        )
        archive(made)
        yield made
        made.close()


def archive(made: Installation) -> None:
    """Keep one event a minute from 30 minutes before to 30 after, and one of another office."""
    rows = [
        {"event.id": "event-1" if n == 0 else f"e{n}", "at": NOW + timedelta(minutes=n),
         "organization.id": "so-y-te", "host.name": "srv-1", "user.name": "other",
         "process.command_line": f"command {n}"}
        for n in range(-30, 31)
    ]  # fmt: skip
    rows.append({**rows[30], "event.id": "theirs", "organization.id": "so-tai-chinh",
                 "process.command_line": "secret"})  # fmt: skip
    rows.append({**rows[30], "event.id": "elsewhere", "host.name": "srv-7",
                 "process.command_line": "elsewhere"})  # fmt: skip
    frame = pl.DataFrame(rows).with_columns(
        pl.col("at").cast(TIME).alias("@timestamp"),
        pl.col("at").cast(TIME).alias("event.ingested"),
        pl.lit(b"raw").alias("event.original"),
        pl.lit("s").alias("luytre.stream"),
        pl.int_range(pl.len()).alias("luytre.sequence"),
        pl.lit("events").alias("log.topic"),
        pl.lit(0, pl.Int32).alias("log.partition"),
        pl.int_range(pl.len()).alias("log.offset"),
    )
    table = build.archive(made.config)
    part = Part("windows/sysmon/1", ())
    table.append(table.select(frame, part), {TopicPartition("events", 0): frame.height})


def named(page: str) -> list[str]:
    return [found[:8] for found in re.findall(r'<a href="/alerts/(\w{64})">', page)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("", ["00000002", "00000001"], id="newest first"),
        pytest.param("level=critical", ["00000001"], id="level"),
        pytest.param("host=srv-2", ["00000002"], id="host"),
        pytest.param("text=whoami", ["00000001"], id="words"),
        pytest.param(
            "tag=attack.t1059&since=2026-11-23 13:04", ["00000002"], id="time of the zone"
        ),
        pytest.param("until=2026-11-23T06:04:00Z", ["00000001"], id="time in UTC"),
        pytest.param("rule=rule-9", [], id="another office's"),
        pytest.param("offset=x&level=none&since=never", ["00000002", "00000001"], id="nonsense"),
    ],
)
def test_the_address_says_which_alerts(told: Installation, query: str, found: list[str]) -> None:
    assert named(told.browser("minh").get(f"/alerts?{query}").text) == found


def test_an_alert_says_why_it_fired(told: Installation) -> None:
    page = told.browser("lan").get("/alerts/00000001").text

    assert "cmd /c <mark>WhoAmI</mark>" in page
    assert "\\x1b[2J&lt;/pre&gt;&lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "host.asset.level" in page
    assert "2 of this rule" in page
    assert "Incident #" in page.replace("</a>", "")


@pytest.mark.parametrize("name", ["00000003", "0000000", "zz", "*", "a" * 64])
@pytest.mark.parametrize("page", ["", "/context"])
def test_an_alert_that_is_not_ones_own_does_not_exist(
    told: Installation, name: str, page: str
) -> None:
    assert told.browser("minh").get(f"/alerts/{name}{page}").status_code == 404


def test_what_the_same_host_did_is_shown_around_it(told: Installation) -> None:
    page = told.browser("minh").get("/alerts/00000001/context").text
    commands = re.findall(r"command (-?\d+)", page)

    assert commands == [str(n) for n in range(-15, 15)]
    assert page.count('class="this"') == 1
    assert "secret" not in page
    assert "elsewhere" not in page


def test_an_alert_is_judged_and_its_incident_stays_open(told: Installation) -> None:
    browser = told.browser("lan")
    answer = browser.post("/alerts/00000002/close", disposition="false positive", comment="why")
    page = browser.get(answer.headers["location"]).text

    assert "false positive</span>" in page
    assert "srv-2" in browser.get("/incidents").text
    assert told.history()[-1]["action"] == "alert.close"


def test_nobody_judges_another_offices_alert(told: Installation) -> None:
    answer = told.browser("minh").post("/alerts/00000003/close", disposition="duplicate")

    assert answer.status_code == 400
    assert told.browser("minh").post("/alerts/00000003/runs", playbook="x").status_code == 400


def test_no_alert_says_what_to_do_next(console: Installation) -> None:
    assert "No alert matches." in console.browser("lan").get("/alerts").text


def test_a_folder_without_events_says_so(tmp_path: Path) -> None:
    with signer(tmp_path):
        made = Installation(tmp_path)
        made.fill(alert(1, EVENT), alert(2, {"message": "nothing to look around"}, at=1))
        pages = [made.browser("lan").get(f"/alerts/0000000{n}/context").text for n in (1, 2)]
        made.close()

    assert "The archive has nothing of it." in pages[0]
    assert "names no machine" in pages[1]
