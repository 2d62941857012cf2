"""A week through the real pipeline, hour by hour: shipper, log, detect, archive, correlate, triage.

Every room is the product's own, wired as ``luytre.processor.build`` does; only the clock is one
that is advanced, so that what happens in an hour is also received in that hour.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import enrich
from detections.correlate import Correlator
from detections.correlate_streams import Lateness
from detections.match import Engine
from detections.plan_cache import Loaded
from ingest.dead_letter import reject_messages
from ingest.embedded import EmbeddedLog
from ingest.intake import Intake
from ingest.ledger import Ledger, SeenSequences
from ingest.shippers.ship import Shipper
from luytre.audit.database import CaseDatabase
from luytre.audit.signer import Signer
from luytre.cases.triage import Triage
from luytre.core.batch import Part, TopicPartition
from luytre.core.clock import ManualClock
from luytre.core.config import Config, load_config
from luytre.core.message import ALERTS_TOPIC, EVENTS_TOPIC, MATCHES_TOPIC, Consumer, Record
from luytre.processor.case_host import ROOMS
from luytre.processor.content import PlannedCorrelations, plan_rules
from luytre.processor.correlate import CorrelateSink, ReachedFile
from luytre.processor.detect import DetectRooms, DetectSink
from luytre.processor.index import IndexSink
from luytre.processor.judge import Judge
from luytre.processor.kept import keep
from luytre.processor.logs import TOPICS
from luytre.processor.places import Places
from luytre.processor.run import Loop, Sink
from luytre.processor.source import settings
from luytre.processor.stores import open_alert_store
from luytre.processor.triage import TriageSink
from luytre.store.archive import Archive
from tests.proofs.week_logs import HOUR_S, START, Logs

YAML = """
log: {session_timeout_s: 10000000, retention_days: 100, partitions: 1}
archive: {flush_s: 0.001}
"""
"""Nobody else reads; a turn of the loop is an hour, and each ends with what it read archived."""


class Counted:
    """A loop's sink that counts what it was given."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.records = 0

    def write(self, records: Sequence[Record]) -> None:
        self.records += len(records)
        self._sink.write(records)

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:
        return self._sink.settle(drain=drain)

    def forget(self, places: frozenset[TopicPartition]) -> None:
        self._sink.forget(places)


@dataclass(frozen=True)
class Line:
    """A loop with its consumer."""

    loop: Loop
    sink: Counted
    consumer: Consumer

    def turn(self) -> bool:
        """Do one turn and tell whether there was anything to read."""
        before = self.sink.records
        self.loop.turn(self.consumer)
        return self.sink.records > before


def run(
    folder: Path, logs: Logs, rules: tuple[Path, ...] = (), *, step_s: float = HOUR_S
) -> Config:
    """Let the logs arrive in ``folder`` and take them through the pipeline; return its settings.

    Afterwards ``folder`` is an installation as any other: the commands read it, and its archive
    holds every event of the week.
    """
    path = folder / "luytre.yaml"
    with path.open("a", encoding="utf-8") as stream:
        stream.write(YAML)
        if rules:
            stream.write(f"rules: {{paths: [{', '.join(f'{str(rule)!r}' for rule in rules)}]}}\n")
    config = load_config(path)
    clock = ManualClock(START)
    with ExitStack() as opened:
        shipper, lines = _wire(config, clock, opened)
        at_s = 0.0
        while at_s < logs.seconds:
            for file, data in logs.between(at_s, at_s + step_s):
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("ab") as stream:
                    stream.write(data)
            at_s += step_s
            clock.advance(step_s)
            shipper.pass_once(final=at_s >= logs.seconds)
            _drain(lines)
        for line in lines:
            line.consumer.commit(line.sink.settle(drain=True))
            _drain(lines)
    return config


def _drain(lines: Sequence[Line]) -> None:
    """Turn every loop until none of them finds anything to read."""
    while any([_is_busy(line) for line in lines]):  # noqa: C419 - every one has its turn
        pass


def _is_busy(line: Line) -> bool:
    read = False
    while line.turn():
        read = True
    return read


def _wire(config: Config, clock: ManualClock, opened: ExitStack) -> tuple[Shipper, list[Line]]:
    places = Places(config.data_dir)
    log = opened.enter_context(closing(EmbeddedLog(places.log, config.log, clock)))
    for topic in TOPICS:
        log.topics().create(topic, config.log.partitions)
    loaded = plan_rules(config, settings(config))
    keep(config, settings(config), loaded)
    shipper = opened.enter_context(
        closing(Shipper(config.ship, config.organization, log.producer(), places.shipper, clock))
    )
    signer = Signer(places.signer)
    cases = opened.enter_context(closing(CaseDatabase(places.cases, signer, clock, ROOMS)))
    store = opened.enter_context(closing(open_alert_store(config)))
    known = opened.enter_context(closing(ReachedFile(places.correlated)))
    correlator = Correlator(loaded.plan.correlations, clock, Lateness(config.correlate.lateness_s))
    sinks: Sequence[tuple[str, str, Sink]] = (
        ("detect", EVENTS_TOPIC, _detect(config, clock, log, loaded)),
        ("correlate", MATCHES_TOPIC, CorrelateSink(correlator, log.producer(), known, clock)),
        ("index", ALERTS_TOPIC, IndexSink(store, clock)),
        ("triage", ALERTS_TOPIC, TriageSink(Triage(cases, clock))),
    )
    return shipper, [_line(log, clock, *sink) for sink in sinks]


def _line(log: EmbeddedLog, clock: ManualClock, group: str, topic: str, sink: Sink) -> Line:
    counted = Counted(sink)
    loop = Loop(group, counted, clock)
    return Line(loop, counted, log.consumer(group, topic, on_revoke=loop.on_revoke))


def _detect(config: Config, clock: ManualClock, log: EmbeddedLog, loaded: Loaded) -> DetectSink:
    places = Places(config.data_dir)
    enrichment = enrich.build(config.enrich, places.enrichment / "worker-0", clock)
    table, correlations = Archive(places.archive), PlannedCorrelations(loaded.plan)
    seen = SeenSequences(Ledger(places.ledger), log.topic_id)
    engine = Engine(loaded.plan, clock, lambda: enrichment.versions)

    def needed(part: Part) -> frozenset[str]:
        read = engine.needed(part) | correlations.needed(part) | enrichment.needed
        return (read | table.archive_columns) - enrich.RESERVED

    rooms = DetectRooms(
        intake=Intake(needed, seen.admit, organization=config.organization),
        judge=Judge([enrichment], engine, correlations, table.select),
        producer=log.producer(),
        reject_messages=reject_messages,
        progress=seen,
        archive=table,
        tables=enrichment,
    )
    return DetectSink(rooms, clock, flush_bytes=2**30, flush_s=config.archive.flush_s)
