"""Kafka's own troubles: brokers that die, messages too large, topics that others made, strangers."""

from __future__ import annotations

import gc
import threading
import time
import uuid
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ingest.kafka import KafkaLog
from luytre.core.clock import SystemClock
from luytre.core.config import Config, LogConfig
from luytre.core.config_kafka import KafkaConfig
from luytre.core.errors import NeighbourError, Refused
from luytre.core.message import EVENTS_TOPIC, Message
from luytre.processor import kafka_setup
from luytre.processor.health import examine
from tests.services.fixtures import running
from tests.services.kafka import KafkaBroker

pytest.register_assert_rewrite("tests.contracts.log")

from tests.contracts.log import drain, patience, reach, send, values  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = LogConfig(partitions=3, session_timeout_s=6)


def settings_for(broker: KafkaBroker, **more: Any) -> KafkaConfig:
    prefix = f"{uuid.uuid4().hex[:8]}."
    given: dict[str, Any] = {"bootstrap": [broker.bootstrap], "prefix": prefix, "wait_s": 30}
    return KafkaConfig.model_validate({**given, **more})


@pytest.fixture(autouse=True)
def _its_sockets_are_collected_here() -> Iterator[None]:
    """Collect what kafka-python leaves open when a broker goes or turns it away."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def settings(kafka_broker: KafkaBroker) -> KafkaConfig:
    return settings_for(kafka_broker)


@pytest.fixture
def log(settings: KafkaConfig) -> Iterator[KafkaLog]:
    log = KafkaLog(settings, SETTINGS, SystemClock())
    with patience(1.0):
        yield log
    log.close()


def test_an_append_waits_for_a_broker_that_comes_back(
    kafka_broker: KafkaBroker, log: KafkaLog
) -> None:
    producer = log.producer()
    producer.send(EVENTS_TOPIC, Message(b"k", b"before"))
    producer.flush()
    kafka_broker.kill()
    back = threading.Timer(2.0, kafka_broker.start)
    back.start()
    producer.send(EVENTS_TOPIC, Message(b"k", b"during"))
    producer.flush()
    back.join()

    assert values(drain(log.consumer("g", EVENTS_TOPIC))) == ["before", "during"]


def test_a_consumer_goes_on_after_its_broker_was_killed(
    kafka_broker: KafkaBroker, settings: KafkaConfig
) -> None:
    patient = SETTINGS.model_copy(update={"session_timeout_s": 30})
    log = KafkaLog(settings, patient, SystemClock())
    send(log, ["a"])
    consumer = log.consumer("g", EVENTS_TOPIC)
    with patience(1.0):
        held = reach(drain(consumer))
    kafka_broker.kill()
    # Nobody takes the commit now: it is kept, and goes with a later poll.
    consumer.commit(held)
    kafka_broker.start()
    send(log, ["b"])

    found: list[str] = []
    until_s = time.monotonic() + 20
    while not found and time.monotonic() < until_s:
        found += values(consumer.poll(0.5))

    assert found == ["b"]
    assert log.topics().committed("g", EVENTS_TOPIC) == held
    log.close()


def test_without_any_broker_an_append_gives_up_after_a_while(kafka_broker: KafkaBroker) -> None:
    log = KafkaLog(settings_for(kafka_broker, wait_s=3), SETTINGS, SystemClock())
    producer = log.producer()
    producer.send(EVENTS_TOPIC, Message(b"k", b"first"))
    producer.flush()
    kafka_broker.kill()
    started_s = time.monotonic()
    producer.send(EVENTS_TOPIC, Message(b"k", b"second"))
    try:
        with pytest.raises(NeighbourError, match=f"{kafka_broker.bootstrap}: topic events"):
            producer.flush()
        waited_s = time.monotonic() - started_s
    finally:
        kafka_broker.start()
    producer.flush()

    assert 2 < waited_s < 15
    with patience(1.0):
        assert values(drain(log.consumer("g", EVENTS_TOPIC))) == ["first", "second"]
    log.close()


def test_a_message_that_kafka_does_not_take_is_named_with_a_remedy(
    kafka_broker: KafkaBroker,
) -> None:
    settings = settings_for(kafka_broker, message_bytes_max=2**20)
    log = KafkaLog(settings, SETTINGS, SystemClock())
    noise = bytes(range(256)) * 2**13

    producer = log.producer()
    with pytest.raises(NeighbourError, match=r"2097152 bytes: raise kafka\.message_bytes_max"):
        producer.send(EVENTS_TOPIC, Message(b"k", noise))

    producer.send(EVENTS_TOPIC, Message(b"k", b"small"))
    producer.flush()
    log.close()


def test_setup_makes_grows_and_mends_and_then_finds_nothing(settings: KafkaConfig) -> None:
    small = Config(kafka=settings, log=LogConfig(partitions=1))
    large = Config(kafka=settings, log=LogConfig(partitions=3, retention_days=2))

    would = kafka_setup.setup(small, change=False)
    made = kafka_setup.setup(small, change=True)
    grown = kafka_setup.setup(large, change=True)

    assert would == made
    assert f"make the topic {settings.prefix}events, 1 partitions" in made
    assert f"grow the topic {settings.prefix}events, 3 partitions" in grown
    assert f"set retention.ms of {settings.prefix}alerts to 172800000, was 1209600000" in grown
    assert not [change for change in grown if ".config" in change]
    assert kafka_setup.setup(large, change=True) == []


def test_the_doctor_says_what_setup_would_mend(settings: KafkaConfig, tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path, kafka=settings, log=LogConfig(partitions=1))
    before = [f.state for f in examine(config) if f.what == "kafka"]
    kafka_setup.setup(config, change=True)
    after = [f.state for f in examine(config) if f.what == "kafka"]

    assert set(before) == {"warning"}
    assert after == ["good"]


def test_setup_of_the_embedded_log_is_refused() -> None:
    with pytest.raises(Refused, match=r"kafka\.bootstrap"):
        kafka_setup.setup(Config(), change=True)


def test_topics_of_other_shippers_are_read_beside_ours(kafka_broker: KafkaBroker) -> None:
    name = f"theirs-{uuid.uuid4().hex[:8]}"
    others = KafkaLog(settings_for(kafka_broker, prefix=""), SETTINGS, SystemClock())
    others.topics().create(name, 1)
    send(others, ["<38>Nov 23 06:00:00 gate-1 sshd[1]: x"], topic=name)
    log = KafkaLog(
        settings_for(kafka_broker, topics=[{"topic": name, "organization": "000.01"}]),
        SETTINGS,
        SystemClock(),
    )
    send(log, ["ours"])
    consumer = log.consumer("g", EVENTS_TOPIC)
    with patience(1.0):
        records = drain(consumer)
    consumer.commit(reach(records))

    found = {record.topic: record.message.headers for record in records}
    assert set(found) == {EVENTS_TOPIC, name}
    assert found[name]["organization"] == "000.01"
    assert log.topics().committed("g", name) == {(name, 0): 1}
    others.close()
    log.close()


def test_a_foreign_topic_that_is_missing_is_refused(kafka_broker: KafkaBroker) -> None:
    settings = settings_for(kafka_broker, topics=[{"topic": "missing"}])
    log = KafkaLog(settings, SETTINGS, SystemClock())

    with pytest.raises(Refused, match='Kafka has no topic "missing"'):
        log.consumer("g", EVENTS_TOPIC)
    log.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def guarded_broker(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaBroker]:
    """A broker that speaks TLS only and knows one user."""
    folder = tmp_path_factory.mktemp("guarded")
    issued = authority.issue_cert("127.0.0.1")
    # Java reads PKCS 8 only.
    key = load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    (folder / "store.pem").write_bytes(key + chain)
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    properties = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.client.scram-sha-512.sasl.jaas.config": login,
        "listener.name.client.ssl.keystore.type": "PEM",
        "listener.name.client.ssl.keystore.location": str(folder / "store.pem"),
    }
    yield from running(
        lambda: KafkaBroker(
            folder / "broker", listener="SASL_SSL", properties=properties, scram={"luytre": "tre"}
        )
    )


@pytest.fixture
def entry(
    guarded_broker: KafkaBroker, kafka_broker: KafkaBroker, authority: trustme.CA, tmp_path: Path
) -> dict[str, Any]:
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "password").write_text("tre\n")
    sasl = {"user": "luytre", "password_file": tmp_path / "password"}
    return {"tls": {"ca": tmp_path / "ca.pem"}, "sasl": sasl}


def test_tls_and_scram_let_the_right_one_in(
    guarded_broker: KafkaBroker, entry: dict[str, Any]
) -> None:
    log = KafkaLog(settings_for(guarded_broker, **entry), SETTINGS, SystemClock())
    send(log, ["secret"])

    with patience(1.0):
        assert values(drain(log.consumer("g", EVENTS_TOPIC))) == ["secret"]
    log.close()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"sasl": {"user": "luytre", "password": "rong"}}, id="password"),
        pytest.param({"tls": {}}, id="an authority that we do not know"),
        pytest.param({"tls": None, "sasl": None}, id="plain text"),
    ],
)
def test_strangers_are_kept_out(
    guarded_broker: KafkaBroker, entry: dict[str, Any], wrong: dict[str, Any]
) -> None:
    settings = settings_for(guarded_broker, wait_s=4, **{**entry, **wrong})
    log = KafkaLog(settings, SETTINGS, SystemClock())

    with pytest.raises(NeighbourError, match=guarded_broker.bootstrap):
        log.topics().names()
    log.close()
