"""How long messages wait is told by the oldest one, and by its event's own clock."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from luytre.core.batch import TopicPartition
from luytre.core.clock import SystemClock
from luytre.core.config import Config, LogConfig
from luytre.core.health import Health
from luytre.core.message import ALERTS_TOPIC, EVENTS_TOPIC, Message
from luytre.processor import logs
from luytre.processor import waiting as module
from luytre.processor.alert_messages import alert_messages
from luytre.processor.waiting import Waiting, waiting, watch
from tests.contracts.alert_store import NOON, alert

LINE = b'203.0.113.9 - - [23/Nov/2026:06:0%d:00 +0000] "GET / HTTP/1.1" 200 12 "-" "x"\n'
SIX = datetime(2026, 11, 23, 6, tzinfo=UTC)


def headers(number: int) -> Mapping[str, str]:
    position = {"stream": "s/1", "first_seq": str(number), "count": "1", "position": "seq"}
    return {**position, "origin": "o", "hint": "nginx", "framing": "lines", "organization": "x"}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data_dir=tmp_path, log=LogConfig(partitions=1))


def send_events(config: Config, *minutes: int) -> None:
    producer = logs.open_log(config).producer()
    for minute in minutes:
        producer.send(EVENTS_TOPIC, Message(b"k", LINE % minute, headers(minute)))
    producer.close()


def commit(config: Config, group: str, topic: str, offset: int) -> None:
    consumer = logs.open_log(config).consumer(group, topic)
    consumer.poll(1.0)
    consumer.commit({TopicPartition(topic, 0): offset})
    consumer.close()


def test_the_oldest_event_that_waits_is_found_behind_what_is_committed(config: Config) -> None:
    send_events(config, 1, 2, 3)
    commit(config, "detect", EVENTS_TOPIC, 1)

    found = waiting(config, "detect", EVENTS_TOPIC)

    assert found.messages == 2
    assert found.event_at == SIX + timedelta(minutes=2)
    assert 0 <= found.waited_s(SystemClock().now()) < 60


def test_nothing_waits_when_all_is_committed(config: Config) -> None:
    send_events(config, 1, 2)
    commit(config, "detect", EVENTS_TOPIC, 2)

    assert waiting(config, "detect", EVENTS_TOPIC) == Waiting(0)
    assert waiting(config, "index", ALERTS_TOPIC).waited_s(SystemClock().now()) == 0


def test_an_alert_that_waits_has_the_time_of_its_event(config: Config) -> None:
    producer = logs.open_log(config).producer()
    for message in alert_messages([alert("a"), alert("b", seen_at=NOON - timedelta(1))], b"k"):
        producer.send(ALERTS_TOPIC, message)
    producer.close()

    assert waiting(config, "index", ALERTS_TOPIC).event_at == NOON - timedelta(days=1)


def test_a_process_whose_messages_wait_too_long_says_so(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health()
    monkeypatch.setattr(module, "HEALTH", health)
    watch(config, "detect", (EVENTS_TOPIC, ALERTS_TOPIC))
    send_events(config, 1)
    assert not health.problems()

    monkeypatch.setattr(module, "WAITED_MAX_S", -1.0)
    assert "messages wait for" in health.problems()["detect lag"]
