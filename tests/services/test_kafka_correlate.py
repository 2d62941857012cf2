"""Correlation on Kafka: who takes a partition over finishes what another had begun."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import yaml

from luytre.core.alert import Alert, AlertQuery
from luytre.core.config import Config, load_config
from luytre.core.organization import Scope
from luytre.processor import build, logs, slots
from luytre.processor.workers import read_workers
from tests.cli.running import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.kafka import KafkaBroker

RULES = """
title: hit
name: hit
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a10
status: test
logsource: {category: webserver}
detection: {s: {cs-user-agent|contains: tool}, condition: s}
level: low
---
title: often
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7aff
correlation:
    type: event_count
    rules: [hit]
    group-by: [c-ip]
    timespan: 30m
    condition: {gte: 4}
level: high
"""
GROUPS, EACH_HALF = 24, 2


def lines(half: int) -> str:
    numbers = range(half * EACH_HALF, (half + 1) * EACH_HALF)
    return "".join(
        f'203.0.113.{group} - - [23/Nov/2026:06:{number:02}:{group:02} +0000] "GET /{number} HTTP/1.1" 200 1 "-" "tool"\n'
        for number in numbers
        for group in range(GROUPS)
    )


class House:
    """One installation on Kafka, each loop a process of its own."""

    def __init__(self, folder: Path, broker: KafkaBroker) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "rules.yml").write_text(RULES)
        settings = {
            "data_dir": "data",
            "rules": {"builtin": False, "paths": ["rules.yml"]},
            "ship": {"name": "s", "files": [{"paths": ["access.log"], "log_source": "nginx"}]},
            "log": {"partitions": 4, "session_timeout_s": 6},
            "archive": {"flush_s": 0.5},
            "kafka": {"bootstrap": [broker.bootstrap], "prefix": f"{uuid.uuid4().hex[:8]}."},
        }
        (folder / "luytre.yaml").write_text(yaml.safe_dump(settings))

    @property
    def config(self) -> Config:
        return load_config(self.folder / "luytre.yaml")

    def start(self, name: str) -> None:
        role = name.partition("-")[0]
        command = [sys.executable, "-m", "luytre", role, "--config", "luytre.yaml"]
        self.running[name] = subprocess.Popen(command, cwd=self.folder)

    def ship(self, text: str) -> None:
        with (self.folder / "access.log").open("a") as log:
            log.write(text)
        command = [sys.executable, "-m", "luytre", "ship", "--once", "--config", "luytre.yaml"]
        subprocess.run(command, cwd=self.folder, check=True, timeout=60)

    def correlators(self) -> int:
        return sum(w.correlations > 0 for w in read_workers(self.config, slots.is_taken))

    def caught_up(self) -> bool:
        """Tell whether every event is matched, and every match correlated in some process."""
        return not logs.lag(self.config, build.DETECT_GROUP, "events")

    def often(self) -> list[Alert]:
        store = build.alert_store(self.config)
        found = store.find(AlertQuery(limit=1000), Scope.everything())
        store.close()
        return [alert for alert in found if alert.rule.title == "often"]


def test_a_correlation_goes_on_after_kill_and_hand_over(
    kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    house = House(tmp_path, kafka_broker)
    for name in ("detect", "correlate-a", "correlate-b", "index"):
        house.start(name)
    wait_until(lambda: house.correlators() >= 2)
    house.ship(lines(0))
    wait_until(house.caught_up)
    for victim in ("correlate-a", "correlate-b"):
        house.running[victim].kill()
        house.running.pop(victim).wait()
    early = house.often()
    house.start("correlate-c")
    house.ship(lines(1))
    wait_until(lambda: len(house.often()) == GROUPS, timeout_s=120)
    # A gentle hand-over changes nothing: another joins, the first leaves.
    house.start("correlate-d")
    wait_until(lambda: house.correlators() >= 3)
    house.running["correlate-c"].terminate()
    left = house.running.pop("correlate-c").wait(60)
    found = house.often()
    for process in house.running.values():
        process.terminate()
    codes = {name: process.wait(60) for name, process in house.running.items()}

    scanned = subprocess.run(
        [sys.executable, "-m", "luytre", "scan", "--json", "--config", "luytre.yaml", "access.log"],
        cwd=tmp_path, capture_output=True, check=True, timeout=60,
    ).stdout.splitlines()  # fmt: skip
    expected = {a["episode"] for a in map(json.loads, scanned) if a["rule"]["title"] == "often"}
    assert early == []
    assert (left, set(codes.values())) == (0, {0})
    assert {alert.episode for alert in found} == expected
    assert len(expected) == GROUPS
