"""A detect process without anything behind it: what it takes from the log and judges, and no more.

``python -m benchmarks.scaleout CONFIG GROUP GO RESULT`` loads the rules, waits for the file ``GO``,
reads the topic of events as a member of ``GROUP`` until all of it is committed, and writes what it
did to ``RESULT``. Its consumer, intake, rules and loop are those of `luytre detect`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.intake import Intake
from luytre.core.batch import TopicPartition
from luytre.core.clock import SystemClock
from luytre.core.config import load_config
from luytre.core.message import EVENTS_TOPIC
from luytre.processor.content import content
from luytre.processor.judge import Judge
from luytre.processor.logs import open_log
from luytre.processor.run import Loop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from luytre.core.message import Record

FLUSH_S = 1.0


class NullSink:
    """Judges records and keeps nothing but counts and the times of the first and the last."""

    def __init__(self, intake: Intake, judge: Judge) -> None:
        self._intake, self._judge = intake, judge
        self._reached: dict[TopicPartition, int] = {}
        self._settled_s = 0.0
        self.events = self.alerts = 0
        self.first_s = self.last_s = 0.0

    def write(self, records: Sequence[Record]) -> None:
        self.first_s = self.first_s or time.time()
        for batch in self._intake(records):
            for judged in self._judge(batch) if batch.events.height else ():
                self.events += judged.events.height
                self.alerts += len(judged.alerts)
        for record in records:
            self._reached[TopicPartition(record.topic, record.partition)] = record.offset + 1
        self.last_s = time.time()

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:
        if not drain and time.monotonic() < self._settled_s + FLUSH_S:
            return {}
        self._settled_s = time.monotonic()
        reached, self._reached = self._reached, {}
        return reached

    def forget(self, places: frozenset[TopicPartition]) -> None:
        for place in places:
            self._reached.pop(place, None)


def main(path: Path, group: str, go: Path, result: Path) -> None:
    """Read, judge, and write what was done."""
    config, clock = load_config(path), SystemClock()
    rules = content(config)
    intake = Intake(lambda part: rules.engine.needed(part) | rules.correlations.needed(part))
    sink = NullSink(intake, Judge([], rules.engine, rules.correlations))
    log = open_log(config)
    topics = log.topics()
    loop = Loop("detect", sink, clock)
    consumer = log.consumer(group, EVENTS_TOPIC, on_revoke=loop.on_revoke)
    result.with_suffix(".ready").touch()
    while not go.exists():
        time.sleep(0.05)
    before_s, asked_s = time.process_time(), 0.0
    ends = topics.ends(EVENTS_TOPIC)

    def done() -> bool:
        nonlocal asked_s
        if time.monotonic() < asked_s + FLUSH_S:
            return False
        asked_s = time.monotonic()
        reached = topics.committed(group, EVENTS_TOPIC)
        return all(reached.get(place, 0) >= end for place, end in ends.items())

    loop.run(consumer, done)
    found = {
        "events": sink.events,
        "alerts": sink.alerts,
        "first_s": sink.first_s,
        "last_s": sink.last_s,
        "cpu_s": time.process_time() - before_s,
    }
    result.write_text(json.dumps(found))
    log.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
