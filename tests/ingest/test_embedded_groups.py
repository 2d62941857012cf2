from pathlib import Path

import pytest

from ingest.embedded import EmbeddedLog
from luytre.core.batch import TopicPartition
from luytre.core.clock import ManualClock
from luytre.core.config import LogConfig
from luytre.core.errors import Fenced
from luytre.core.message import Message


def test_a_member_that_says_it_lives_keeps_its_partitions_in_long_work(tmp_path: Path) -> None:
    clock = ManualClock()
    settings = LogConfig(partitions=1, session_timeout_s=10)
    log = EmbeddedLog(tmp_path / "log", settings, clock)
    producer = log.producer()
    producer.send("events", Message(b"k", b"v"))
    producer.flush()
    busy = log.consumer("g", "events")
    assert len(busy.poll(0)) == 1

    for _ in range(5):
        clock.advance(8)
        busy.keep_alive()
        assert not log.consumer("g", "events").poll(0)

    busy.commit({TopicPartition("events", 0): 1})
    clock.advance(30)
    assert not log.consumer("g", "events").poll(0)
    with pytest.raises(Fenced):
        busy.keep_alive()
    log.close()
