"""The broker of the containers, started from its own files: who shows no certificate gets nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from luytre.core.config import load_config
from luytre.core.errors import NeighbourError
from luytre.core.message import EVENTS_TOPIC
from luytre.processor import kafka_setup, logs
from tests.deploy.lines import DEPLOY
from tests.services.fixtures import running
from tests.services.java import jars, jdk
from tests.services.kafka import ARTIFACTS
from tests.services.process import Server, free_ports, listens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="make-secrets.sh runs as root"),
]


class DeployedBroker(Server):
    """Kafka with ``deploy/kafka/server.properties``: only ports and folders are others."""

    def __init__(self, folder: Path) -> None:
        self.secrets = folder / "secrets"
        environment = {"PATH": os.environ["PATH"], "LUYTRE_SECRETS": str(self.secrets)}
        for arguments in ([], ["office", "dong-son"]):
            subprocess.run(["sh", str(DEPLOY / "make-secrets.sh"), *arguments], env=environment, check=True, capture_output=True)  # fmt: skip
        self.port, controller = free_ports(2)
        text = (DEPLOY / "kafka" / "server.properties").read_text()
        for there, here in {
            "kafka:9094": f"localhost:{controller}",
            "kafka:9093": f"localhost:{self.port}",
            ":9094": f":{controller}",
            ":9093": f":{self.port}",
            "/run/secrets": str(self.secrets),
            "/var/lib/kafka/data": str(folder / "data"),
        }.items():
            assert there in text or there in {":9094", ":9093"}
            text = text.replace(there, here)
        (folder / "server.properties").write_text(text)
        home = jdk(17)
        self.java = [str(home / "bin" / "java"), "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars(*ARTIFACTS)}/*"]  # fmt: skip
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id", "bHV5dHJlLWNlbnRyZS0wMQ"]  # fmt: skip
        subprocess.run([*self.java, *tool, "--config", "server.properties"], cwd=folder, check=True, capture_output=True)  # fmt: skip
        command = [*self.java, "kafka.Kafka", "server.properties"]
        super().__init__("kafka", command, folder, ready=lambda: listens(self.port))

    def allow(self, user: str, topic: str) -> None:
        """Give a user what operate.md says, as kafka-acls.sh does."""
        admin = KafkaAdminClient(
            bootstrap_servers=f"localhost:{self.port}",
            security_protocol="SSL",
            ssl_cafile=str(self.secrets / "ca.pem"),
            ssl_certfile=str(self.secrets / "kafka.crt"),
            ssl_keyfile=str(self.secrets / "kafka.key"),
        )
        acls = [
            ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(ResourceType.TOPIC, topic))
            for operation in (ACLOperation.WRITE, ACLOperation.DESCRIBE)
        ]  # fmt: skip
        admin.create_acls(acls)
        admin.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedBroker]:
    yield from running(lambda: DeployedBroker(tmp_path_factory.mktemp("deployed")))


def settings(broker: DeployedBroker, folder: Path, name: str, tls: dict[str, Any]) -> Path:
    """Write what ``deploy/`` says with another address, other files, and another data folder."""
    text = yaml.safe_load((DEPLOY / name).read_text())
    text["data_dir"] = str(folder / "data")
    text["kafka"] |= {"bootstrap": [f"localhost:{broker.port}"], "tls": tls, "wait_s": 20}
    text["log"] = {"partitions": 2}
    text["ship"] = {"name": "test", "files": [{"paths": [str(folder / "*.log")]}]}
    text.pop("alerts", None)
    path = folder / "luytre.yaml"
    path.write_text(yaml.safe_dump(text))
    return path


def files(folder: Path, name: str) -> dict[str, str]:
    return {
        "ca": str(folder / "ca.pem"),
        "certificate": str(folder / f"{name}.crt"),
        "key": str(folder / f"{name}.key"),
    }


def test_the_centre_makes_its_topics_and_an_office_may_ship_and_nothing_else(
    broker: DeployedBroker, tmp_path: Path
) -> None:
    centre, office = tmp_path / "centre", tmp_path / "office"
    for folder in (centre, office):
        folder.mkdir()
        (folder / "a.log").write_text("one line\n")
    config = load_config(settings(broker, centre, "config/luytre.yaml", files(broker.secrets, "luytre")))  # fmt: skip
    assert kafka_setup.setup(config, change=True)
    assert kafka_setup.setup(config, change=False) == []
    theirs = broker.secrets / "office-dong-son"
    path = settings(broker, office, "low-spec/office.yaml", files(theirs, "office-dong-son"))
    ship = [sys.executable, "-m", "luytre", "ship", "--once", "--config", str(path)]

    refused = subprocess.run(ship, capture_output=True, text=True, check=False, timeout=120)
    broker.allow("office-dong-son", "luytre.events")
    shipped = subprocess.run(ship, capture_output=True, text=True, check=False, timeout=120)

    assert refused.returncode == NeighbourError.exit_code, refused.stderr
    assert (shipped.returncode, shipped.stdout) == (0, "1 event sent\n"), shipped.stderr
    opened = logs.open_log(config)
    assert sum(opened.topics().ends(EVENTS_TOPIC).values()) == 1
    opened.close()
    with pytest.raises(NeighbourError):
        logs.open_log(load_config(path))  # all topics are not for an office


def test_whoever_shows_no_certificate_gets_nothing(broker: DeployedBroker, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one line\n")
    path = settings(broker, tmp_path, "low-spec/office.yaml", {"ca": str(broker.secrets / "ca.pem")})  # fmt: skip
    ship = [sys.executable, "-m", "luytre", "ship", "--once", "--config", str(path)]

    done = subprocess.run(ship, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == NeighbourError.exit_code, done.stderr
