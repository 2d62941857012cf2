"""Every process that holds a place is asked where it answers, and silence is bad."""

import threading
import time
from pathlib import Path

import httpx
import pytest

from luytre.console.server import serve
from luytre.core import endpoint
from luytre.core.clock import SystemClock
from luytre.core.config import Config, MetricsConfig
from luytre.core.config_console import ConsoleConfig
from luytre.core.health import Health
from luytre.processor import case_host, slots
from luytre.processor.slots import port_of
from luytre.processor.wellness import ask_all, mute
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
        ("triage", 299),
        ("respond", 298),
        ("signer", 297),
        ("upkeep", 296),
        ("console", 295),
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
        slots.metrics(config, "detect-0"),
    ):
        well = {f.what: f.state for f in ask_all(config)}
        health.ask("detect", lambda: "disk full")
        ill = {f.what: f.detail for f in ask_all(config)}

    assert well == {"detect-0": "good", "shipper": "bad"}
    assert ill["detect-0"] == "detect: disk full"
    assert "does not answer" in ill["shipper"]


def test_no_two_processes_answer_at_one_port() -> None:
    numbered = [f"{name}-{n}" for name in ("detect", "correlate", "index") for n in range(100)]
    single = ["shipper", "upkeep", "signer", "respond", "triage", "console"]
    numbered += [f"detect-{n}" for n in range(100, slots.NUMBERS_MAX)]

    ports = [port_of(role) for role in (*numbered, *single)]

    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("role", ["triage", "respond"])
def test_where_changes_are_made_a_signer_must_answer(
    config: Config, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "HEALTH", Health())  # loops of other tests are asked otherwise
    with slots.alone(config, role, SystemClock()), slots.metrics(config, role):
        found = {f.what: f.state for f in ask_all(config)}

    assert found == {role: "good", "signer": "bad"}


def test_in_a_container_its_own_process_is_asked_and_no_other(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health()
    monkeypatch.setattr(endpoint, "HEALTH", health)
    metrics = config.metrics.model_copy(update={"one_port": True})
    config = config.model_copy(update={"metrics": metrics})
    with slots.alone(config, "detect-7", SystemClock()):
        alone = [(f.what, f.state) for f in ask_all(config)]
        with slots.metrics(config, "triage"):
            answered = [(f.what, f.state) for f in ask_all(config)]

    assert alone == [("process", "bad")]
    assert answered == [("process", "good")]


def test_the_signer_is_well_while_it_signs_and_not_when_its_name_is_gone(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health()
    monkeypatch.setattr(case_host, "HEALTH", health)
    monkeypatch.setattr(slots, "HEALTH", health)
    monkeypatch.setattr(endpoint, "HEALTH", health)
    stop = threading.Event()
    signer = threading.Thread(target=case_host.sign, args=(config, stop.is_set))
    signer.start()
    _, path = case_host.signer_places(config)
    until_s = time.monotonic() + 20
    while health.problems() and time.monotonic() < until_s:
        time.sleep(0.05)
    well = _answer(config, "signer")

    path.rename(path.with_suffix(".away"))
    lost = health.problems()
    stop.set()
    signer.join()

    assert well == {"well": True, "problems": {}}
    assert "does not answer" in lost["signer"]


def test_a_console_that_gives_no_page_is_told(config: Config) -> None:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    assert "no page at" in mute(listen, tls=False)
    assert "no page at" in mute(listen, tls=True)

    app = config.model_copy(update={"console": ConsoleConfig(listen=listen)})
    stop, began = threading.Event(), threading.Event()
    serving = threading.Thread(target=serve, args=(app, stop.is_set), kwargs={"began": lambda _: began.set()})  # fmt: skip
    serving.start()
    assert began.wait(30)
    well = mute(listen, tls=False)
    stop.set()
    serving.join()

    assert well == ""


def _answer(config: Config, role: str) -> object:
    port = int(config.metrics.listen.rpartition(":")[2]) + (port_of(role) or 0)
    return httpx.get(f"http://127.0.0.1:{port}/healthz").json()
