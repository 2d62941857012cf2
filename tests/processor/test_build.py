"""Wiring: what the supervisor starts, one shipper only, and what the checks say."""

import socket
from pathlib import Path

import pytest

from luytre.core.clock import ManualClock
from luytre.core.config import Config, MetricsConfig, RulesConfig
from luytre.core.errors import NeighbourError, Refused
from luytre.core.message import EVENTS_TOPIC, Message
from luytre.processor import build, logs, slots
from luytre.processor.content import content
from luytre.processor.places import Places


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data_dir=tmp_path / "data")


def test_one_process_for_each_part() -> None:
    found = build.commands(Path("a.yaml"), 3)

    assert list(found) == [
        "signer",
        "ship",
        "detect-0",
        "detect-1",
        "detect-2",
        "correlate",
        "index",
        "triage",
        "upkeep",
        "respond",
    ]
    assert found["detect-2"][:3] == ["detect", "--worker", "2"]
    assert all(
        command[-3:] == ["--config", "a.yaml", "--with-parent"] for command in found.values()
    )


def test_a_second_shipper_waits_and_is_refused(config: Config) -> None:
    clock = ManualClock()

    with (
        slots.alone(config, "shipper", clock),
        pytest.raises(NeighbourError, match=r"another shipper holds .*shipper\.lock"),
        slots.alone(config, "shipper", clock),
    ):
        pytest.fail("two shippers")

    assert clock.monotonic_s() == pytest.approx(10)
    assert not slots.is_taken(config, "shipper")


def test_another_role_has_its_own_place(config: Config) -> None:
    with (
        slots.alone(config, "shipper", ManualClock()),
        slots.alone(config, "reader", ManualClock()),
    ):
        assert slots.is_taken(config, "shipper")
        assert slots.is_taken(config, "reader")


def test_without_a_rule_nothing_starts(config: Config) -> None:
    with pytest.raises(Refused, match="no valid rule is left"):
        content(config.model_copy(update={"rules": RulesConfig(builtin=False)}))


def test_the_plan_names_what_is_quarantined(config: Config, tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("title: bad\n")

    config = config.model_copy(update={"rules": RulesConfig(paths=(tmp_path / "bad.yml",))})

    lines = build.check(config, content(config))

    assert any(line.endswith("1 quarantined") for line in lines)
    assert any(f"quarantined: {tmp_path / 'bad.yml'}:1: " in line for line in lines)


def test_lag_counts_what_is_not_committed(config: Config) -> None:
    log = logs.open_log(config)
    producer = log.producer()
    for n in range(3):
        producer.send(EVENTS_TOPIC, Message(str(n).encode(), b"x"))
    producer.flush()
    consumer = log.consumer(build.DETECT_GROUP, EVENTS_TOPIC)
    first = consumer.poll(0)[0]
    consumer.commit({(place := next(iter(consumer.assignment()))): 0})
    consumer.close()
    log.close()

    assert first.topic == place.topic
    assert logs.lag(config, build.DETECT_GROUP, EVENTS_TOPIC) == 3


def test_a_port_for_metrics_that_is_taken_is_named(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        taken = config.model_copy(update={"metrics": MetricsConfig(listen=listen)})

        with (
            pytest.raises(NeighbourError, match=f"metrics.listen {listen}: "),
            slots.metrics(taken, "index-0"),
        ):
            pytest.fail("the port is taken")


def test_everything_durable_lies_below_one_folder(tmp_path: Path) -> None:
    places = Places(tmp_path)
    names = [name for name in dir(Places) if isinstance(getattr(Places, name), property)]

    assert len(names) >= 8
    assert all(getattr(places, name).is_relative_to(tmp_path) for name in names)
