"""Our own correlations fire for what they are there for, from raw lines on, and not otherwise."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from detections.correlation_matches import matches_of, needed_columns
from detections.evidence import Example
from detections.load import BUILTIN, load_rules
from detections.match import Engine
from detections.plan import build_plan
from luytre.core.alert import Alert
from luytre.core.clock import ManualClock
from luytre.processor.content import example_decoder
from luytre.processor.correlate_once import correlate_once

if TYPE_CHECKING:
    from luytre.core.matches import Match

MONDAY = datetime(2026, 11, 2, 8, tzinfo=UTC)
RULES = load_rules([BUILTIN], builtin=False)
PLAN, _ = build_plan(RULES.rules, (), RULES.correlations)
ENGINE = Engine(PLAN, ManualClock(MONDAY))
DECODE = example_decoder(
    lambda part: ENGINE.needed(part) | needed_columns(RULES.correlations, part)
)


def found(lines: Sequence[tuple[datetime, str, object, str]]) -> list[Alert]:
    """Return the alerts of correlations over lines: time, log source, line, country."""
    matches: list[Match] = []
    for number, (at, hint, raw, country) in enumerate(lines):
        line = raw.encode() if isinstance(raw, str) else msgspec.json.encode(raw)
        example = Example(Path("x"), number, "match", "", hint, line, organization="xa-dongson")
        for batch in DECODE(example):
            place = pl.lit(country or None, pl.String).alias("source.geo.country_iso_code")
            when = pl.lit(at).cast(pl.Datetime("us", "UTC")).alias("@timestamp")
            events = batch.events.with_columns(place, when)
            located = batch.with_events(events.with_columns(pl.lit(f"{number}").alias("event.id")))
            matches += matches_of(PLAN.correlations, located, ENGINE.hits(located), PLAN)
    return correlate_once(PLAN.correlations, matches, ManualClock(MONDAY + timedelta(days=400)))


def ssh(text: str) -> str:
    return f"Nov 23 09:15:02 web01 sshd[2211]: {text} from 203.0.113.45 port 51144 ssh2"


def windows(code: int, user: str = "ketoan") -> dict[str, object]:
    system = {
        "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing"}},
        "EventID": code,
        "TimeCreated": {"#attributes": {"SystemTime": "2026-11-02T08:00:00.000Z"}},
        "EventRecordID": 1,
        "Channel": "Security",
        "Computer": "PC-07",
    }
    return {"Event": {"System": system, "EventData": {"TargetUserName": user, "LogonType": "2"}}}


def test_an_administrator_from_a_country_first_seen() -> None:
    days = [(MONDAY + timedelta(days=n), "sshd", ssh("Accepted publickey for quantri"), "VN")
            for n in range(10)]  # fmt: skip
    abroad = (MONDAY + timedelta(days=9, hours=5), "sshd", ssh("Accepted password for quantri"))

    (alert,) = found([*days, (*abroad, "RU")])

    assert alert.rule.title == "Administrator Logs in From a Country First Seen"
    assert alert.event["user.name"] == "quantri"
    assert alert.event["luytre.correlation.values"] == "RU"
    assert found([*days, (*abroad, "VN")]) == []
    assert found([*days[5:], (*abroad, "RU")]) == []  # not known for a week yet


def test_failed_logons_far_above_the_own_mean() -> None:
    usual = [(MONDAY + timedelta(hours=n * 2), "windows", windows(4625), "") for n in range(40)]
    burst = [(MONDAY + timedelta(hours=80, seconds=n * 10), "windows", windows(4625), "")
             for n in range(30)]  # fmt: skip

    (alert,) = found([*usual, *burst])

    assert alert.rule.title == "Failed Logons Far Above the Own Mean"
    assert alert.event["host.name"] == "pc-07"
    assert found(usual) == []
    assert found(burst) == []


def test_an_office_whose_security_log_is_silent() -> None:
    before = [(MONDAY + timedelta(hours=n), "windows", windows(4624), "") for n in range(6)]
    after = [(MONDAY + timedelta(days=5), "windows", windows(4624), "")]

    (alert,) = found([*before, *after])

    assert alert.rule.title == "Windows Security Log of an Office Silent"
    assert alert.organization_id == "xa-dongson"
    assert alert.event["luytre.correlation.measured"] == str(5 * 86_400 - 5 * 3_600)
    assert found(before) == []
