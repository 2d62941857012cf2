"""The log on real Kafka keeps every promise of a log, and its own: brokers that go and come."""

from __future__ import annotations

import functools
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from ingest.kafka import KafkaLog
from luytre.core.clock import SystemClock
from luytre.core.config import LogConfig
from luytre.core.config_kafka import KafkaConfig

pytest.register_assert_rewrite("tests.contracts.log")

from tests.contracts.log import LogContract, World, patience  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.kafka import KafkaBroker

SETTINGS = LogConfig(partitions=4, session_timeout_s=6)


def open_log(settings: KafkaConfig) -> KafkaLog:
    return KafkaLog(settings, SETTINGS, SystemClock())


@pytest.fixture
def settings(kafka_broker: KafkaBroker) -> KafkaConfig:
    return KafkaConfig(
        bootstrap=(kafka_broker.bootstrap,), prefix=f"{uuid.uuid4().hex[:8]}.", wait_s=30
    )


@pytest.fixture
def log(settings: KafkaConfig) -> Iterator[KafkaLog]:
    log = open_log(settings)
    with patience(1.5):
        yield log
    log.close()


class TestKafkaLog(LogContract):
    @pytest.fixture
    def world(self, log: KafkaLog, settings: KafkaConfig) -> World:
        return World(
            log=log,
            open_log=functools.partial(open_log, settings),
            let_session_expire=lambda: time.sleep(SETTINGS.session_timeout_s + 1.5),
        )
