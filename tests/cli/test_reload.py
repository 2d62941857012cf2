"""A running pipeline takes over changed rules, keeps the last good, and says which it runs."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from luytre.core.alert import AlertQuery
from luytre.core.config import Config, load_config
from luytre.core.organization import Scope
from luytre.processor import build, slots
from luytre.processor.workers import WorkerStatus, read_workers
from tests.cli.running import Call, drain, process, wait_until

pytestmark = pytest.mark.xdist_group("pipeline")

CONFIG = """
organization: house
ship: {{linger_s: 0.1, scan_s: 0.2, files: [{{paths: [logs/access.log], log_source: nginx}}]}}
archive: {{flush_s: 0.5}}
enrich: {{assets: assets.csv}}
metrics: {{listen: "127.0.0.1:{port}"}}
rules: {{builtin: false, paths: [rules], reload_s: 0.2}}
"""
LINE = '203.0.113.7 - - [23/Nov/2026:06:00:{second:02} +0000] "GET /{n} HTTP/1.1" 200 1 "-" "{agent}"\n'
RULE = """
title: {agent}
name: {agent}
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a{number}
status: test
logsource: {{category: webserver}}
detection: {{s: {{cs-user-agent|contains: {agent}}}, condition: s}}
level: low
"""
OFTEN = """
title: often
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7aff
correlation:
    type: event_count
    rules: [first]
    group-by: [c-ip]
    timespan: 5m
    condition: {gte: 3}
level: high
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class House:
    """A pipeline that runs, its rules, and its log."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port, self.lines = folder, port, 0
        for name in ("rules", "logs"):
            (folder / name).mkdir(parents=True)
        self.path = folder / "luytre.yaml"
        self.path.write_text(CONFIG.format(port=port))
        (folder / "assets.csv").write_text("host,level\npc,2\n")
        self.rule("first", 10)

    @property
    def config(self) -> Config:
        return load_config(self.path)

    def rule(self, agent: str, number: int) -> None:
        (self.folder / "rules" / f"{agent}.yml").write_text(RULE.format(agent=agent, number=number))

    def hit(self, agent: str) -> None:
        with (self.folder / "logs" / "access.log").open("a") as log:
            log.write(LINE.format(agent=agent, n=self.lines, second=self.lines))
        self.lines += 1

    def alerts(self, title: str) -> int:
        if not (self.folder / "data" / "alerts.sqlite").exists():
            return 0
        store = build.alert_store(self.config)
        found = store.find(AlertQuery(limit=1000), Scope.everything())
        store.close()
        return sum(alert.rule.title == title for alert in found)

    def worker(self, name: str = "detect-0") -> WorkerStatus | None:
        found = read_workers(self.config, slots.is_taken)
        return next((worker for worker in found if worker.name == name), None)

    def metrics(self) -> str:
        with urlopen(f"http://127.0.0.1:{self.port + 2}/metrics") as answer:
            return bytes(answer.read()).decode()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "home", free_port())
    running = process("run", "--config", house.path, folder=house.folder)
    try:
        wait_until(lambda: house.worker() is not None)
        yield house
        assert drain(running) == 0
    finally:
        running.kill()
        running.communicate()


def test_a_running_pipeline_follows_its_rules(house: House, luytre: Call) -> None:
    house.hit("first")
    wait_until(lambda: house.alerts("first") == 1)
    started = house.worker()
    assert started is not None

    house.rule("second", 11)
    wait_until(lambda: (w := house.worker()) is not None and w.version != started.version)
    house.hit("second")
    wait_until(lambda: house.alerts("second") == 1)
    renewed = house.worker()
    assert renewed is not None
    assert (renewed.pid, renewed.rules, renewed.refused) == (started.pid, 2, "")
    assert f'luytre_rules_version_info{{version="{renewed.version[:12]}"}} 1.0' in house.metrics()
    assert started.version[:12] not in house.metrics()

    (house.folder / "rules" / "first.yml").write_text("title: first\nlogsource: {}\n")
    wait_until(lambda: (w := house.worker()) is not None and w.refused != "")
    house.hit("first")
    wait_until(lambda: house.alerts("first") == 2)
    assert "luytre_rules_refused 1.0" in house.metrics()
    examined = luytre("doctor", "--json", "--config", house.path)
    bad = [f["detail"] for f in map(json.loads, examined.out.splitlines()) if f["state"] == "bad"]
    assert examined.code == 1
    assert len(bad) == 1
    assert "detect-0 runs version" in bad[0]
    assert "first.yml:2" in bad[0]

    house.rule("first", 10)
    (house.folder / "rules" / "often.yml").write_text(OFTEN)
    wait_until(lambda: house.worker("correlate-0") is not None)
    house.hit("first")
    house.hit("first")
    house.hit("first")
    wait_until(lambda: house.alerts("often") == 1)
    assert house.alerts("first") == 2, "the correlation speaks for its rule"
    assert "luytre_rules_refused 0.0" in house.metrics()
