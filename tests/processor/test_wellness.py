"""Every process that holds a place is asked where it answers, and silence is bad."""

from pathlib import Path

import pytest

from luytre.core import endpoint
from luytre.core.clock import SystemClock
from luytre.core.config import Config, MetricsConfig
from luytre.core.health import Health
from luytre.processor import slots
from luytre.processor.wellness import ask_all, port_of
from tests.services.process import free_ports


@pytest.fixture
def config(tmp_path: Path) -> Config:
    listen = f"0.0.0.0:{free_ports(1)[0]}"
    return Config(data_dir=tmp_path, metrics=MetricsConfig(listen=listen))


@pytest.mark.parametrize(
    ("role", "port"),
    [
        ("index-0", 0),
        ("shipper", 1),
        ("detect-0", 2),
        ("detect-3", 5),
        ("correlate-0", 300),
        ("index-2", 402),
        ("run", None),
        ("something-else", None),
    ],
)
def test_a_process_answers_at_its_own_port(role: str, port: int | None) -> None:
    assert port_of(role) == port


def test_where_none_runs_that_is_bad(config: Config) -> None:
    assert [(f.what, f.state) for f in ask_all(config)] == [("processes", "bad")]


def test_each_says_how_it_is(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    health = Health()
    monkeypatch.setattr(endpoint, "HEALTH", health)
    clock = SystemClock()
    with (
        slots.alone(config, "detect-0", clock),
        slots.alone(config, "shipper", clock),
        slots.metrics(config, 2),
    ):
        well = {f.what: f.state for f in ask_all(config)}
        health.ask("detect", lambda: "disk full")
        ill = {f.what: f.detail for f in ask_all(config)}

    assert well == {"detect-0": "good", "shipper": "bad"}
    assert ill["detect-0"] == "detect: disk full"
    assert "does not answer" in ill["shipper"]
