"""The real servers as fixtures, and how many tests ran on each.

A test that asks for one of ``SERVERS`` is marked ``integration`` and runs with `make integration`.
Where Java or Maven is missing it is skipped and says so; in CI it fails.
"""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from luytre.core.config_alerts import ElasticConfig
from tests.services import elastic as elasticsearch
from tests.services import kafka
from tests.services.elastic import ElasticNode, forget
from tests.services.java import MissingError
from tests.services.kafka import KafkaBroker
from tests.services.process import Server

SERVERS = {
    "elastic_node": f"Elasticsearch {elasticsearch.VERSION}",
    "kafka_broker": f"Apache Kafka {kafka.VERSION}",
}
"""Each server's fixture, and what it is called."""

_NUMBERS = itertools.count()
AnyServer = TypeVar("AnyServer", bound=Server)


def running(make: Callable[[], AnyServer]) -> Iterator[AnyServer]:
    """Start a server, give it, and stop it; skip (in CI: fail) where it cannot be had."""
    try:
        server = make()
    except MissingError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One broker for all tests: each takes topics and groups of its own."""
    yield from running(lambda: KafkaBroker(tmp_path_factory.mktemp("kafka")))


@pytest.fixture(scope="session")
def elastic_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ElasticNode]:
    """One node for all tests: each takes an alias of its own."""
    yield from running(lambda: ElasticNode(tmp_path_factory.mktemp("elasticsearch")))


@pytest.fixture
def elastic(elastic_node: ElasticNode) -> Iterator[ElasticConfig]:
    """The configuration of a store that no other test has; it is deleted afterwards."""
    config = ElasticConfig(urls=(elastic_node.url,), name=f"t{os.getpid()}-{next(_NUMBERS)}")
    yield config
    forget(elastic_node.url, config.name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a server, before ``-m`` looks at the marks."""
    for item in items:
        for name in SERVERS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker("integration")
            item.user_properties.append(("server", name))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests ran on each real server."""
    ran: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            if report.when == "call":
                ran.update(str(v) for name, v in report.user_properties if name == "server")
    for name, count in sorted(ran.items()):
        terminalreporter.write_line(f"ran on a real server: {SERVERS[name]}: {count} tests")
