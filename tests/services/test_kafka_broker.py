"""The real broker starts, dies, and comes back with what it had."""

from pathlib import Path

from tests.services.kafka import KafkaBroker
from tests.services.process import free_ports, listens


def test_a_broker_comes_back_on_its_port_after_every_end(kafka_broker: KafkaBroker) -> None:
    before = kafka_broker.pid
    kafka_broker.kill()
    dead = not listens(kafka_broker.port)
    kafka_broker.start()

    assert dead
    assert listens(kafka_broker.port)
    assert kafka_broker.pid != before
    assert kafka_broker.cpu_s() > 0


def test_free_ports_are_free_and_differ() -> None:
    ports = free_ports(5)

    assert len(set(ports)) == 5
    assert not any(listens(port) for port in ports)


def test_nothing_of_a_server_lies_in_the_repository(kafka_broker: KafkaBroker) -> None:
    assert not kafka_broker.folder.is_relative_to(Path(__file__).parents[2])
