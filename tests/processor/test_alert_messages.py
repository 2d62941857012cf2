from dataclasses import replace
from datetime import UTC, datetime

from luytre.core.alert import Alert, RuleCard
from luytre.core.message import Message, Record
from luytre.processor.alert_messages import (
    CLIPPED,
    MESSAGE_BYTES_MAX,
    alert_messages,
    clipped,
    read_alerts,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ALERT = Alert(
    id="1",
    rule=RuleCard("r", "title", "low", "v"),
    event_id="e",
    organization_id="o",
    seen_at=NOW,
    ingested_at=NOW,
    detected_at=NOW,
    part="p",
    reasons=(),
    event={"a": "b"},
    original=b"raw",
    versions={},
)


def record(message: Message) -> Record:
    return Record("alerts", 0, 0, NOW, message)


def test_alerts_come_back_as_they_were() -> None:
    alerts = [replace(ALERT, id=str(n)) for n in range(100)]

    messages = list(alert_messages(alerts, b"key"))

    assert len(messages) == 1
    assert read_alerts(record(messages[0])) == (alerts, [])


def test_a_storm_of_large_alerts_comes_in_small_messages() -> None:
    alerts = [replace(ALERT, id=str(n), original=b"x" * 60_000) for n in range(200)]

    messages = list(alert_messages(alerts, b"key"))

    assert sum(len(read_alerts(record(m))[0]) for m in messages) == 200
    assert all(len(m.value) < MESSAGE_BYTES_MAX for m in messages)


def test_what_is_too_long_is_cut_and_says_so() -> None:
    long = replace(ALERT, event={"a": "y" * 100_000, "b": "short"}, original=b"x" * 1_000_000)

    cut = clipped(long)

    assert cut.event["a"].endswith(CLIPPED)
    assert cut.event["b"] == "short"
    assert len(cut.original) < 70_000
    assert clipped(ALERT) is ALERT


def test_a_damaged_message_is_a_problem_and_no_error() -> None:
    alerts, problems = read_alerts(record(Message(b"k", b"\x00", {"encoding": "zstd"})))
    some, more = read_alerts(record(Message(b"k", b"{}\nnonsense")))

    assert (alerts, len(problems)) == ([], 1)
    assert (some, len(more)) == ([], 2)
