"""The real Kafka: one broker from Maven's jars, KRaft, in a folder of its own."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.services.java import jars, jdk
from tests.services.process import Server, free_ports, listens

VERSION = "4.1.0"
ARTIFACTS = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36")
CLUSTER = "bHV5dHJlLXRlc3Qta2Fma2E"


class KafkaBroker(Server):
    """``bootstrap`` is where clients begin; ``properties`` are added to its configuration.

    A listener of another protocol is one of ``properties``, with ``listener``: the protocol that
    clients speak on ``bootstrap``. ``scram`` are users and their passwords (SCRAM-SHA-512).
    """

    def __init__(
        self,
        folder: Path,
        *,
        listener: str = "PLAINTEXT",
        properties: Mapping[str, str] | None = None,
        scram: Mapping[str, str] | None = None,
    ) -> None:
        home, lib = jdk(17), jars(*ARTIFACTS)
        self.port, controller, internal = free_ports(3)
        self.bootstrap = f"127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        settings = folder / "server.properties"
        rows = {
            **_properties(folder, self.port, controller, internal, listener),
            **(properties or {}),
        }
        settings.write_text("".join(f"{name}={value}\n" for name, value in rows.items()))
        java = [str(home / "bin" / "java"), "-cp", f"{lib}/*"]
        _format(java, settings, scram or {})
        options = ["-Xms256m", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        command = [*java[:1], *options, *java[1:], "kafka.Kafka", str(settings)]
        super().__init__("kafka", command, folder, ready=lambda: listens(self.port))


def _properties(
    folder: Path, port: int, controller: int, internal: int, listener: str
) -> dict[str, str]:
    listeners = {"CLIENT": port, "CONTROLLER": controller, "INTERNAL": internal}
    protocols = {"CLIENT": listener, "CONTROLLER": "PLAINTEXT", "INTERNAL": "PLAINTEXT"}
    urls = {name: f"{name}://127.0.0.1:{number}" for name, number in listeners.items()}
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": ",".join(urls.values()),
        "advertised.listeners": f"{urls['CLIENT']},{urls['INTERNAL']}",
        "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in protocols.items()),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INTERNAL",
        "log.dirs": str(folder / "data"),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "auto.create.topics.enable": "false",
    }


def _format(java: list[str], settings: Path, scram: Mapping[str, str]) -> None:
    tool = [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(settings)]
    for user, password in scram.items():
        tool += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
    subprocess.run([*tool, "--ignore-formatted"], check=True, capture_output=True, timeout=120)
