"""A scan is the detect loop without a log: the same alerts, each once, in bounded batches."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from detections.load import load_rules
from detections.match import Engine
from detections.plan import build_plan
from ingest.intake import Intake
from ingest.shippers.stamp import Stamp
from luytre.core.batch import Batch
from luytre.core.clock import ManualClock
from luytre.core.message import Message, Record
from luytre.processor import portions
from luytre.processor.content import PlannedCorrelations
from luytre.processor.judge import Judge
from luytre.processor.scan import Scanner

RULE = """
title: marked
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a11
logsource: {category: webserver}
detection: {s: {cs-uri-query|contains: marked}, condition: s}
level: low
"""
LINE = b'203.0.113.7 - - [23/Nov/2026:06:00:00 +0000] "GET /?%s=%d HTTP/1.1" 200 1 "-" "t"'
STAMP = Stamp("scan/a", "a", "org", "nginx")


def message(first: int, count: int) -> Message:
    lines = [LINE % (b"marked" if n % 2 else b"plain", n) for n in range(first, first + count)]
    return STAMP.lines(b"\n".join(lines), first, count, "seq")


@pytest.fixture
def batches() -> list[int]:
    """How many records each call of the intake was given."""
    return []


@pytest.fixture
def scanner(tmp_path: Path, batches: list[int]) -> Scanner:
    (tmp_path / "rule.yml").write_text(RULE)
    plan, faults = build_plan(load_rules([tmp_path / "rule.yml"], builtin=False).rules)
    assert not faults
    engine = Engine(plan, ManualClock())
    intake = Intake(engine.needed)

    def counted(records: Sequence[Record]) -> list[Batch]:
        batches.append(len(records))
        return intake(records)

    judge = Judge([], engine, PlannedCorrelations(plan))
    return Scanner(counted, judge, lambda _matches: [], ManualClock())


def test_alerts_are_found_and_counted(scanner: Scanner) -> None:
    found = list(scanner.run([message(0, 10), message(10, 10)]))

    assert sum(len(one.alerts) for one in found) == 10
    assert (scanner.scanned.events, scanner.scanned.alerts, scanner.scanned.rejects) == (20, 10, 0)
    assert scanner.scanned.by_rule == {("marked", "low"): 10}


def test_an_event_that_comes_twice_alerts_once(scanner: Scanner) -> None:
    found = list(scanner.run([message(0, 10), message(0, 10)]))

    assert sum(len(one.alerts) for one in found) == 5
    assert scanner.scanned.events == 20


def test_what_cannot_be_read_is_given_with_its_reason(scanner: Scanner) -> None:
    found = list(scanner.run([STAMP.lines(b"\x00 no log line", 0, 1, "seq"), message(1, 2)]))

    assert [frame.height for one in found for frame in one.rejects] == [1]
    assert scanner.scanned.rejects == sum(scanner.scanned.reasons.values()) == 1
    assert scanner.scanned.events == 2


def test_batches_are_bounded_and_begin_before_the_input_ends(
    scanner: Scanner, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "EVENTS_MAX", 20)
    taken = 0

    def endless() -> Iterator[Message]:
        nonlocal taken
        while True:
            taken += 1
            yield message(taken * 10, 10)

    found = scanner.run(endless())
    next(found)
    next(found)

    assert batches == [2, 2]
    assert taken == 5  # one ahead, to know that the portion is full


def test_no_input_gives_nothing(scanner: Scanner) -> None:
    assert list(scanner.run([])) == []
