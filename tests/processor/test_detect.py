"""A crash at any step of the order of durability loses nothing and doubles nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from detections.load import load_rules
from detections.match import Engine
from detections.plan import build_plan
from ingest.dead_letter import read_rejects, reject_messages
from ingest.embedded import EmbeddedLog
from ingest.intake import Intake
from ingest.ledger import Ledger, SeenSequences
from ingest.shippers.stamp import Stamp
from luytre.core.alert import AlertQuery
from luytre.core.batch import TopicPartition
from luytre.core.clock import SystemClock
from luytre.core.config import LogConfig
from luytre.core.message import ALERTS_TOPIC, EVENTS_TOPIC, REJECTS_TOPIC
from luytre.core.organization import Scope
from luytre.processor.content import PlannedCorrelations
from luytre.processor.detect import DetectRooms, DetectSink
from luytre.processor.index import IndexSink
from luytre.processor.judge import Judge
from luytre.processor.run import Loop
from luytre.store.alerts import SqliteAlertStore
from luytre.store.archive import Archive

RULE = """
title: marked
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a11
status: test
logsource: {category: webserver}
detection: {s: {cs-uri-query|contains: marked}, condition: s}
level: low
"""
LINES = [
    b'203.0.113.%d - - [23/Nov/2026:06:00:00 +0000] "GET /?%s=%d HTTP/1.1" 200 1 "-" "t"'
    % (n, b"marked" if n % 3 == 0 else b"plain", n)
    for n in range(30)
]
MARKED = 10


class PowerCut(Exception):  # noqa: N818 - named for what happened
    """Stands for the end of the process: nothing after it runs."""


@dataclass
class Fuse:
    """Cuts the power at the nth time that a step is reached."""

    step: str
    left: int

    def __call__(self, step: str) -> None:
        if step == self.step:
            self.left -= 1
            if self.left == 0:
                raise PowerCut(step)


class FusedArchive:
    """The real archive, with the power cut before or after an append."""

    def __init__(self, archive: Archive, fuse: Fuse) -> None:
        self._archive, self._fuse = archive, fuse

    def append(self, events: pl.DataFrame, reach: Mapping[TopicPartition, int]) -> None:
        self._fuse("before archive")
        self._archive.append(events, reach)
        self._fuse("after archive")


class FusedTables:
    """No tables, with the power cut while they are saved."""

    def __init__(self, fuse: Callable[[str], None]) -> None:
        self._fuse = fuse

    def checkpoint(self) -> None:
        self._fuse("checkpoint")


class House:
    """Everything durable in one folder; each ``run`` is a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "rule.yml").write_text(RULE)
        self.plan, faults = build_plan(load_rules([folder / "rule.yml"], builtin=False).rules)
        assert not faults

    def log(self) -> EmbeddedLog:
        settings = LogConfig(partitions=2, session_timeout_s=0.01)
        return EmbeddedLog(self.folder / "log", settings, SystemClock())

    def ship(self, lines: list[bytes], first_seq: int, stream: str = "ship/a") -> None:
        producer = self.log().producer()
        for start in range(0, len(lines), 7):
            piece = lines[start : start + 7]
            stamp = Stamp(stream, stream, "org", "nginx")
            message = stamp.lines(b"\n".join(piece), first_seq + start, len(piece), "seq")
            producer.send(EVENTS_TOPIC, message)
        producer.flush()

    def detect(self, fuse: Callable[[str], None]) -> None:
        """Run a detect worker until nothing is left, or the fuse blows."""
        log, archive = self.log(), Archive(self.folder / "archive")
        engine = Engine(self.plan, SystemClock())
        seen = SeenSequences(Ledger(self.folder / "ledger.sqlite"))
        rooms = DetectRooms(
            intake=Intake(lambda part: engine.needed(part) | archive.archive_columns, seen.admit),
            judge=Judge([], engine, PlannedCorrelations(self.plan), archive.select),
            producer=log.producer(),
            reject_messages=reject_messages,
            progress=seen,
            archive=FusedArchive(archive, fuse) if isinstance(fuse, Fuse) else archive,
            tables=FusedTables(fuse),
        )
        sink = DetectSink(rooms, SystemClock(), flush_bytes=1, flush_s=0.0)
        loop = Loop("detect", sink, SystemClock())
        consumer = log.consumer("detect", EVENTS_TOPIC, on_revoke=loop.on_revoke)
        loop.run(consumer, _until_idle(log, "detect", EVENTS_TOPIC, fuse))

    def index(self) -> list[str]:
        log, store = self.log(), SqliteAlertStore(self.folder / "alerts.sqlite")
        loop = Loop("index", IndexSink(store, SystemClock()), SystemClock())
        loop.run(log.consumer("index", ALERTS_TOPIC), _until_idle(log, "index", ALERTS_TOPIC))
        found = store.find(AlertQuery(limit=1000), Scope.everything())
        store.close()
        return sorted(alert.original.decode() for alert in found)

    def archived(self) -> list[str]:
        rows = Archive(self.folder / "archive").scan(Scope.everything()).collect()
        return sorted(raw.decode() for raw in rows["event.original"])

    def rejected(self) -> set[str]:
        consumer = self.log().consumer("look", REJECTS_TOPIC)
        rows = pl.concat([read_rejects(r) for r in iter(lambda: consumer.poll(0), [])])
        return set(rows["event.original"].cast(pl.String))


def _until_idle(
    log: EmbeddedLog, group: str, topic: str, fuse: Callable[[str], None] = lambda _step: None
) -> Callable[[], bool]:
    def idle() -> bool:
        fuse("turn")
        topics = log.topics()
        done = topics.committed(group, topic)
        return all(done.get(place, 0) >= end for place, end in topics.ends(topic).items())

    return idle


@pytest.mark.parametrize(
    "fuse",
    [
        pytest.param(Fuse("none", 0), id="no crash"),
        pytest.param(Fuse("before archive", 1), id="before the archive"),
        pytest.param(Fuse("after archive", 1), id="after the archive, before the ledger"),
        pytest.param(Fuse("checkpoint", 1), id="while enrichment is saved"),
        pytest.param(Fuse("turn", 2), id="between two turns"),
    ],
)
def test_a_crash_at_any_step_loses_and_doubles_nothing(tmp_path: Path, fuse: Fuse) -> None:
    house = House(tmp_path)
    house.ship(LINES, 0)
    if fuse.step != "none":
        with pytest.raises(PowerCut):
            house.detect(fuse)

    house.ship(LINES[20:], 20)
    house.detect(lambda _step: None)

    assert house.archived() == sorted(line.decode() for line in LINES)
    assert house.index() == sorted(line.decode() for line in LINES[::3])
    row = next(iter(Ledger(tmp_path / "ledger.sqlite").rows()))
    assert (row.events, row.rejects, row.missing) == (len(LINES), 0, 0)


def test_what_a_shipper_sends_again_is_dropped_and_counted(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.ship(LINES, 0)
    house.ship(LINES[10:20], 10)

    house.detect(lambda _step: None)

    assert len(house.archived()) == len(LINES)
    assert next(iter(Ledger(tmp_path / "ledger.sqlite").rows())).counts.resent == 10


def test_a_hole_is_a_blind_window_that_heals(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.ship(LINES[:7], 0)
    house.ship(LINES[14:], 14)
    house.detect(lambda _step: None)
    blind = next(iter(Ledger(tmp_path / "ledger.sqlite").rows())).holes

    house.ship(LINES[7:14], 7)
    house.detect(lambda _step: None)

    assert blind == ((7, 13),)
    assert next(iter(Ledger(tmp_path / "ledger.sqlite").rows())).holes == ()
    assert len(house.index()) == MARKED


def test_what_cannot_be_read_is_kept_and_its_neighbours_go_on(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.ship([*LINES[:3], b"\x00 no log line", *LINES[3:]], 0)

    house.detect(lambda _step: None)

    assert house.rejected() == {"\x00 no log line"}
    assert len(house.archived()) == len(LINES)
