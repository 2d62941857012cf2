"""Rules reach every worker over the topic config: at once, whole, and the last good ones stay."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import msgspec
import pytest
import yaml

from luytre.core.config import Config, load_config
from luytre.core.errors import Refused
from luytre.core.message import CONFIG_TOPIC, Message
from luytre.processor import bundle, logs, slots
from luytre.processor.publish import ConfigTopic, publish
from luytre.processor.workers import WorkerStatus, read_workers
from tests.cli.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.kafka import KafkaBroker

RULE = """
title: {title}
id: {id}
status: test
description: A rule of this test
logsource: {{category: webserver}}
detection:
  selection: {{cs-uri-query|contains: {title}}}
  condition: selection
level: low
"""


@pytest.fixture
def config(kafka_broker: KafkaBroker, tmp_path: Path) -> Config:
    (tmp_path / "rules").mkdir()
    settings = {
        "data_dir": "data",
        "rules": {"builtin": False, "paths": ["rules"], "reload_s": 0.2},
        "kafka": {
            "bootstrap": [kafka_broker.bootstrap],
            "prefix": f"{uuid.uuid4().hex[:8]}.",
            "content": True,
        },
    }
    (tmp_path / "luytre.yaml").write_text(yaml.safe_dump(settings))
    return load_config(tmp_path / "luytre.yaml")


def write(config: Config, title: str) -> None:
    (rules,) = config.rules.paths
    text = RULE.format(title=title, id=uuid.uuid5(uuid.NAMESPACE_DNS, title))
    (rules / f"{title}.yml").write_text(text)


def test_a_worker_does_not_start_before_anything_is_published(config: Config) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "luytre", "detect", "--config", str(config.data_dir.parent / "luytre.yaml")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == Refused.exit_code
    assert "no rules are published yet: `luytre kafka publish`" in done.stderr


def test_a_bad_rule_is_published_only_when_that_is_asked_for(config: Config) -> None:
    write(config, "good")
    (rules,) = config.rules.paths
    (rules / "bad.yml").write_text("title: bad\n")

    with pytest.raises(Refused, match=r"bad\.yml:1"):
        publish(config)
    done = publish(config, with_faults=True)

    assert {fault.path.name for fault in done.faults} == {"bad.yml"}
    assert (done.files, done.changed) == (2, True)


def test_old_bundles_leave_the_topic_and_the_active_one_stays(config: Config) -> None:
    digests = []
    for number in range(7):
        write(config, f"r{number}")
        digests.append(publish(config).digest)
    again = publish(config)
    opened = logs.open_log(config)
    topic = ConfigTopic(opened)
    topic.read()
    opened.close()

    assert not again.changed
    assert topic.bundles() == digests[-5:]
    assert topic.active is not None
    assert topic.active.digest == digests[-1]


@pytest.fixture
def workers(config: Config) -> Iterator[list[subprocess.Popen[bytes]]]:
    write(config, "first")
    publish(config)
    home = config.data_dir.parent
    command = [sys.executable, "-m", "luytre"]
    running = [
        subprocess.Popen([*command, role, "--config", str(home / "luytre.yaml")], cwd=home)
        for role in ("detect", "detect", "correlate")
    ]
    yield running
    for process in running:
        process.terminate()
    assert [process.wait(60) for process in running] == [0, 0, 0]


def said(config: Config) -> dict[str, WorkerStatus]:
    return {worker.name: worker for worker in read_workers(config, slots.is_taken)}


def test_every_worker_takes_over_what_is_published_and_keeps_the_last_good(
    config: Config, workers: list[subprocess.Popen[bytes]]
) -> None:
    wait_until(lambda: len(said(config)) == 3)
    before = said(config)

    write(config, "second")
    digest = publish(config).digest
    wait_until(lambda: all(w.version != before[n].version for n, w in said(config).items()))
    after = said(config)
    opened = logs.open_log(config)
    producer = opened.producer()
    lie = bundle.Active("f" * 64, "2026-11-23T06:00:00Z", "nobody")
    producer.send(CONFIG_TOPIC, Message(bundle.BUNDLE_KEY + b"f" * 64, b"no bundle"))
    producer.send(CONFIG_TOPIC, Message(bundle.ACTIVE_KEY, msgspec.json.encode(lie)))
    opened.close()
    write(config, "third")
    third = publish(config).digest
    wait_until(lambda: all(w.version != after[n].version for n, w in said(config).items()))

    last = said(config)
    assert {worker.version for worker in after.values()} != {w.version for w in before.values()}
    assert len({worker.version for worker in last.values()}) == 1
    assert last["detect-0"].rules == 3
    assert {n: w.pid for n, w in last.items()} == {n: w.pid for n, w in before.items()}
    folders = {path.name for path in (config.data_dir / "bundles").iterdir()}
    assert {digest, third} <= folders
    assert "f" * 64 not in folders
