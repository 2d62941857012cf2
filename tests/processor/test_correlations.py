"""Correlation rules through the real wiring: a scan and the loops say the same."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.shippers.files import read_file
from luytre.core.alert import AlertQuery
from luytre.core.clock import SystemClock
from luytre.core.config import ArchiveConfig, Config, FileInput, LogConfig, RulesConfig, ShipConfig
from luytre.core.organization import Scope
from luytre.processor import build
from luytre.processor.content import content

RULES = """
title: failed login
name: failed_login
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a21
status: test
logsource: {product: linux, service: sshd}
detection: {s: {event.outcome: failure}, condition: s}
level: low
---
title: passwords tried one after the other
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a22
status: test
correlation:
  type: event_count
  rules: [failed_login]
  group-by: [source.ip]
  timespan: 5m
  condition: {gte: 5}
level: high
"""
FAILED = (
    "Nov 20 06:%02d:%02d web01 sshd[%d]: Failed password for root from 203.0.113.%d port 4 ssh2\n"
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return a house whose log holds one attack of 12 tries and four harmless failures."""
    attack = [FAILED % (n // 6, n % 6 * 10, n, 9) for n in range(12)]
    harmless = [FAILED % (n * 10, 0, 100 + n, 20 + n) for n in range(4)]
    (tmp_path / "auth.log").write_text("".join(sorted(attack + harmless)))
    (tmp_path / "rules.yml").write_text(RULES)
    source = FileInput(paths=(str(tmp_path / "auth.log"),), log_source="auth", organization="o")
    return Config(
        data_dir=tmp_path / "data",
        rules=RulesConfig(builtin=False, paths=(tmp_path / "rules.yml",)),
        ship=ShipConfig(name="s", files=(source,)),
        log=LogConfig(partitions=2, session_timeout_s=0.05),
        archive=ArchiveConfig(enabled=False, flush_s=0.01),
    )


def turns(number: int) -> Callable[[], bool]:
    left = iter(range(number))
    return lambda: next(left, None) is None


def test_a_scan_and_the_loops_find_the_same_episode(config: Config, tmp_path: Path) -> None:
    clock = SystemClock()
    scanner = build.scanner(config, content(config), clock)
    messages = read_file(
        tmp_path / "auth.log", config.ship, organization="o", hint="auth", shipper="scan"
    )
    scanned = [alert for found in scanner.run(messages) for alert in found.alerts]

    build.ship_once(config)
    build.detect(config, 0, turns(3))
    build.correlate(config, turns(3))
    build.index(config, turns(3))
    store = build.alert_store(config)
    stored = store.find(AlertQuery(), Scope.everything())
    store.close()

    assert [alert.rule.title for alert in scanned] == ["passwords tried one after the other"]
    assert [alert.episode for alert in stored] == [alert.episode for alert in scanned]
    assert len(scanned[0].events) == 12
    assert stored[0].events == scanned[0].events


def test_there_is_no_process_for_rules_that_are_not_there() -> None:
    assert "correlate" not in build.commands(None, 1, correlations=False)
    assert "correlate" in build.commands(None, 1, correlations=True)
