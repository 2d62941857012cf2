"""`luytre doctor`'s findings: each wrong thing is found, named, and given a remedy."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from luytre.core.batch import TopicPartition
from luytre.core.clock import SystemClock
from luytre.core.config import Config, LogConfig, RulesConfig
from luytre.core.finding import Finding
from luytre.core.message import EVENTS_TOPIC, Message
from luytre.processor import build, logs, slots
from luytre.processor.health import LAG_WARNING, examine
from luytre.processor.places import Places

GARBAGE = b"no database, but longer than a header " * 200


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the configuration of an installation that has run, with nothing in it."""
    found = Config(data_dir=tmp_path / "data", log=LogConfig(partitions=1))
    logs.open_log(found).close()
    build.alert_store(found).close()
    build.ledger(found).close()
    return found


def states(config: Config) -> dict[str, str]:
    """Return the worst state of each thing that was looked at."""
    order = ["good", "warning", "bad"]
    worst: dict[str, str] = {}
    for finding in examine(config):
        former = worst.get(finding.what, "good")
        worst[finding.what] = max(former, finding.state, key=order.index)
    return worst


def named(config: Config, what: str) -> Finding:
    return next(f for f in examine(config) if f.what == what and f.state != "good")


def test_an_installation_that_rests_is_good_but_does_not_run(config: Config) -> None:
    found = states(config)

    assert {what for what, state in found.items() if state != "good"} - {"disk"} == {"pipeline"}
    assert {"database", "rules", "archive", "ledger", "lag", "clock"} < set(found)


def test_nothing_is_made_where_nothing_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    found = examine(Config(data_dir=tmp_path / "data"))

    assert "nothing has run" in next(f.detail for f in found if f.what == "pipeline")
    assert not (tmp_path / "data").exists()


def test_a_shipper_that_runs_is_seen(config: Config) -> None:
    with slots.alone(config, "shipper", SystemClock()):
        assert states(config)["pipeline"] == "good"

    assert states(config)["pipeline"] == "warning"


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda p: p.alerts, id="alerts"),
        pytest.param(lambda p: p.ledger, id="ledger"),
        pytest.param(lambda p: p.log / "topic-events.sqlite", id="the log"),
    ],
)
def test_a_damaged_database_is_named_with_its_remedy(
    config: Config, place: Callable[[Places], Path]
) -> None:
    path = place(Places(config.data_dir))
    path.write_bytes(GARBAGE)

    found = named(config, "database")

    assert found.state == "bad"
    assert str(path) in found.detail
    assert found.remedy


def test_a_quarantined_rule_is_a_warning(config: Config, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text("title: bad\nlogsource: {product: x}\ndetection: {s: {a|no: b}, condition: s}\n")

    found = named(config.model_copy(update={"rules": RulesConfig(paths=(bad,))}), "rules")

    assert found.state == "warning"
    assert "1 quarantined" in found.detail


def test_a_torn_archive_is_bad(config: Config) -> None:
    log = Places(config.data_dir).archive / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_bytes(GARBAGE)

    assert named(config, "archive").state == "bad"


def test_a_long_queue_is_a_warning(config: Config) -> None:
    log = logs.open_log(config)
    producer = log.producer()
    for _ in range(LAG_WARNING + 1):
        producer.send(EVENTS_TOPIC, Message(b"k", b"v"))
    producer.flush()
    log.close()

    found = named(config, "lag")

    assert found.state == "warning"
    assert found.detail.startswith("detect: 1,001 messages")


def test_messages_that_expired_unread_are_a_bad_finding(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path, log=LogConfig(partitions=1, retention_days=1e-9))
    log = logs.open_log(config)
    producer, consumer = log.producer(), log.consumer(build.DETECT_GROUP, EVENTS_TOPIC)
    producer.send(EVENTS_TOPIC, Message(b"k", b"read"))
    producer.flush()
    consumer.commit({TopicPartition(EVENTS_TOPIC, 0): consumer.poll(0)[-1].offset + 1})
    consumer.close()
    producer.send(EVENTS_TOPIC, Message(b"k", b"never read"))
    producer.flush()

    time.sleep(0.01)
    log.expire()

    bad = [f for f in examine(config) if f.what == "lag" and f.state == "bad"]
    assert [f.detail for f in bad] == ["detect: 1 messages expired before they were read"]
