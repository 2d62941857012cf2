"""Rules reach every worker over the topic config: at once, whole, and the last good ones stay."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import msgspec
import pytest
import yaml

from ingest.kafka import KafkaLog
from luytre.audit.book import LogQuery
from luytre.core.actor import Actor, Role
from luytre.core.config import Config, load_config
from luytre.core.config_audit import Person
from luytre.core.errors import Forbidden, NeighbourError, Refused
from luytre.core.message import CONFIG_TOPIC, Message
from luytre.core.organization import Scope
from luytre.processor import bundle, case_host, logs, slots
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


def person(user: str, role: Role) -> Actor:
    return Actor(user, frozenset({role}), Scope.everything(), "test")


ADMIN, SECOND = person("lan", "rule_admin"), person("nam", "rule_admin")
ANALYST, AUDITOR = person("mai", "analyst"), person("an", "auditor")


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
        publish(config, ADMIN)
    done = publish(config, ADMIN, with_faults=True)

    assert {fault.path.name for fault in done.faults} == {"bad.yml"}
    assert (done.files, done.state) == (2, "published")


def test_old_bundles_leave_the_topic_and_the_active_one_stays(config: Config) -> None:
    digests = []
    for number in range(7):
        write(config, f"r{number}")
        digests.append(publish(config, ADMIN).digest)
    again = publish(config, ADMIN)
    opened = logs.open_log(config)
    topic = ConfigTopic(opened)
    topic.read()
    opened.close()

    assert again.state == "as before"
    assert topic.bundles() == digests[-5:]
    assert topic.active is not None
    assert topic.active.digest == digests[-1]


def history(config: Config) -> list[tuple[str, str]]:
    """Return who did what, oldest first."""
    with case_host.case_database(config) as cases:
        found = cases.book.find(LogQuery(action="content", limit=100), Scope.everything())
    return [(e.entry["actor"]["user"], e.entry["action"]) for e in reversed(found)]


def active(config: Config) -> str:
    opened = logs.open_log(config)
    topic = ConfigTopic(opened)
    topic.read()
    opened.close()
    return topic.active.digest if topic.active else ""


def test_it_is_in_the_history_before_anything_leaves_and_when_it_has(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(config, "first")

    def die(self: KafkaLog) -> None:
        raise NeighbourError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(KafkaLog, "producer", die)
        with pytest.raises(NeighbourError):
            publish(config, ADMIN)
    assert (history(config), active(config)) == ([("lan", "content.publish")], "")

    done = publish(config, ADMIN)
    publish(config, ADMIN)

    assert active(config) == done.digest
    began = ("lan", "content.publish")
    assert history(config) == [began, began, ("lan", "content.published")]


def test_a_second_person_must_agree_to_what_the_first_proposed(config: Config) -> None:
    people = tuple(Person(user=a.user, roles=tuple(a.roles)) for a in (ADMIN, SECOND))
    config = config.model_copy(update={"people": people})
    write(config, "first")
    for role in (AUDITOR,):
        with pytest.raises(Forbidden):
            publish(config, role)
    with pytest.raises(Refused, match="nobody has proposed"):
        publish(config, SECOND, agree=bundle_of(config)[:12])

    proposed = publish(config, ADMIN)
    assert (proposed.state, active(config)) == ("proposed", "")
    assert publish(config, ADMIN).state == "proposed"
    shown = proposed.digest[:12]
    with pytest.raises(Refused, match="another person must agree"):
        publish(config, ADMIN, agree=shown)
    with pytest.raises(Forbidden):
        publish(config, ANALYST, agree=shown)
    write(config, "smuggled")
    with pytest.raises(Refused, match="the folders hold"):
        publish(config, SECOND, agree=shown)
    assert active(config) == ""
    (rules,) = config.rules.paths
    (rules / "smuggled.yml").unlink()

    assert publish(config, SECOND, agree=shown).state == "published"
    assert active(config) == proposed.digest
    assert history(config) == [
        ("lan", "content.propose"),
        ("nam", "content.publish"),
        ("nam", "content.published"),
    ]


def bundle_of(config: Config) -> str:
    return bundle.encode(bundle.pack(config.rules, {}))[0]


@pytest.fixture
def workers(config: Config) -> Iterator[list[subprocess.Popen[bytes]]]:
    write(config, "first")
    publish(config, ADMIN)
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
    digest = publish(config, ADMIN).digest
    wait_until(lambda: all(w.version != before[n].version for n, w in said(config).items()))
    after = said(config)
    opened = logs.open_log(config)
    producer = opened.producer()
    lie = bundle.Active("f" * 64, "2026-11-23T06:00:00Z", "nobody")
    producer.send(CONFIG_TOPIC, Message(bundle.BUNDLE_KEY + b"f" * 64, b"no bundle"))
    producer.send(CONFIG_TOPIC, Message(bundle.ACTIVE_KEY, msgspec.json.encode(lie)))
    opened.close()
    write(config, "third")
    third = publish(config, ADMIN).digest
    wait_until(lambda: all(w.version != after[n].version for n, w in said(config).items()))

    last = said(config)
    assert {worker.version for worker in after.values()} != {w.version for w in before.values()}
    assert len({worker.version for worker in last.values()}) == 1
    assert last["detect-0"].rules == 3
    assert {n: w.pid for n, w in last.items()} == {n: w.pid for n, w in before.items()}
    folders = {path.name for path in (config.data_dir / "bundles").iterdir()}
    assert {digest, third} <= folders
    assert "f" * 64 not in folders
