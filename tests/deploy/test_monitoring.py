"""What Prometheus and Grafana ask for exists, and what matters is shown."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from luytre.core import metrics
from luytre.processor.slots import port_of
from tests.deploy.lines import DEPLOY, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "luytre.json").read_text())
RULES: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]  # fmt: skip
SCRAPE: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]  # fmt: skip
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
NAME = re.compile(r"\b(?:luytre|process)_[a-z_]+|\bup\b")
GIVEN_BY_OTHERS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
"""By Prometheus itself, and by its client in every process."""


def exposed() -> dict[str, set[str]]:
    """Return each of our metrics with the names of its samples."""
    found = {}
    for metric in metrics.ALL:
        described = next(iter(metric.describe()))
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
        names = {f"{described.name}{end}" for end in endings.get(described.type, ("",))}
        found[described.name] = names
    return found


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def asked(texts: Iterator[str] | list[str]) -> set[str]:
    return {name for text in texts for name in NAME.findall(text)}


def test_every_metric_that_is_asked_for_exists() -> None:
    known = set().union(*exposed().values()) | GIVEN_BY_OTHERS

    assert asked(expressions()) <= known
    assert asked([rule["expr"] for rule in RULES]) <= known


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    shown = asked(expressions())

    assert {metric for metric, names in exposed().items() if not names & shown} == set()


def test_labels_that_are_asked_for_exist() -> None:
    labels = {
        sample: set(metric._labelnames)
        for metric in metrics.ALL
        for sample in exposed()[next(iter(metric.describe())).name]
    }
    for text in (*expressions(), *(rule["expr"] for rule in RULES)):
        for sample, inside in re.findall(r"(luytre_[a-z_]+)\{(\w+)=", text):
            assert inside in labels[sample] | {"job", "instance", "role"}, text


def test_each_alarm_says_in_both_languages_what_it_is_and_the_guide_what_to_do() -> None:
    guides = [(ROOT / "docs" / "guides" / n).read_text() for n in ("operate.md", "van-hanh.md")]
    for rule in RULES:
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["summary_vi"]
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        for guide in guides:
            assert f"`{rule['alert']}`" in guide


def test_every_loop_of_the_containers_is_scraped() -> None:
    (names,) = [job["dns_sd_configs"][0]["names"] for job in SCRAPE if "dns_sd_configs" in job]
    loops = {n for n, s in COMPOSE["services"].items() if s["image"].startswith("luytre:") and s["restart"] != "no"}  # fmt: skip

    assert set(names) == loops


def test_every_port_of_the_machines_is_its_roles() -> None:
    (static,) = [job["static_configs"] for job in SCRAPE if "static_configs" in job]
    numbered = {"index": "index-{}", "detect": "detect-{}", "correlate": "correlate-{}", "ship": "shipper"}  # fmt: skip
    for group in static:
        role = group["labels"]["role"]
        for number, target in enumerate(group["targets"]):
            offset = port_of(numbered.get(role, role).format(number))
            assert target == f"centre-1:{9400 + (offset or 0)}"


def test_every_panel_stands_in_its_own_place() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}  # fmt: skip
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize("what", [["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]], ids=" ".join)  # fmt: skip
def test_prometheus_understands_it(what: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing (apt install prometheus)")
    done = subprocess.run([promtool, *what], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False)  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
