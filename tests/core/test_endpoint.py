"""What a process says over HTTP is true: well while it is, and the reason when it is not."""

import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from luytre.core import endpoint
from luytre.core.clock import ManualClock
from luytre.core.endpoint import serve
from luytre.core.health import TURN_MAX_S, Health, Pulse
from tests.services.process import free_ports


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch) -> Health:
    found = Health()
    monkeypatch.setattr(endpoint, "HEALTH", found)
    return found


@pytest.fixture(params=["127.0.0.1", "::1"])
def url(health: Health, request: pytest.FixtureRequest) -> Iterator[str]:
    [port] = free_ports(1)
    stop = serve(request.param, port)
    yield f"http://{f'[{request.param}]' if ':' in request.param else request.param}:{port}"
    stop()


def test_a_process_without_a_problem_is_well(url: str, health: Health) -> None:
    health.ask("a", lambda: "")

    answer = httpx.get(f"{url}/healthz")

    assert (answer.status_code, answer.json()) == (200, {"well": True, "problems": {}})


def test_each_problem_is_said_and_a_broken_question_is_one(url: str, health: Health) -> None:
    health.ask("a", lambda: "disk full")
    health.ask("b", lambda: "")
    health.ask("c", lambda: str(1 // 0))

    answer = httpx.get(f"{url}/healthz")

    assert answer.status_code == 503
    problems = {"a": "disk full", "c": "ZeroDivisionError: integer division or modulo by zero"}
    assert answer.json() == {"well": False, "problems": problems}


def test_a_question_that_hangs_is_a_problem_and_is_not_asked_again_meanwhile() -> None:
    go, asked = threading.Event(), []
    health = Health(answer_max_s=0.05)

    def hang() -> str:
        asked.append(1)
        go.wait(20)
        return "late"

    health.ask("broker", hang)
    for _ in range(3):
        assert health.problems()["broker"].startswith("no answer for ")
    assert len(asked) == 1

    go.set()
    until_s = time.monotonic() + 20
    while health.problems() != {"broker": "late"}:
        assert time.monotonic() < until_s


def test_prometheus_sees_whether_it_is_well(url: str, health: Health) -> None:
    health.ask("a", lambda: "")
    assert "\nluytre_well 1.0\n" in httpx.get(f"{url}/metrics").text

    health.ask("a", lambda: "disk full")
    assert "\nluytre_well 0.0\n" in httpx.get(f"{url}/metrics").text


def test_metrics_are_in_the_form_of_prometheus(url: str) -> None:
    answer = httpx.get(f"{url}/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "\nluytre_alerts_stored_total " in answer.text


def test_nothing_else_is_served(url: str) -> None:
    assert httpx.get(f"{url}/").status_code == 404
    assert httpx.post(f"{url}/metrics").status_code == 501


def test_a_loop_that_comes_round_is_well_and_one_that_hangs_is_not() -> None:
    clock = ManualClock()
    pulse = Pulse(clock)
    clock.advance(TURN_MAX_S)
    assert pulse.problem() == ""

    clock.advance(1)
    assert "did not come round" in pulse.problem()
    pulse.held_up("disk full")
    assert pulse.problem() == "disk full"
    pulse.turned()
    assert pulse.problem() == ""
