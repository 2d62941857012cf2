"""What `luytre doctor` asks: one finding for each thing that can be wrong, with its remedy."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import enrich
from luytre.core.clock import SystemClock
from luytre.core.database import DatabaseError, open_database
from luytre.core.errors import LuytreError
from luytre.core.finding import Finding
from luytre.core.message import ALERTS_TOPIC, EVENTS_TOPIC
from luytre.processor import build, kafka_setup, logs, slots, triage_loop
from luytre.processor.content import content
from luytre.processor.places import Places
from luytre.processor.space import space
from luytre.processor.supervise import read_status
from luytre.processor.waiting import WAITED_MAX_S, waiting
from luytre.processor.workers import VERSION_SHOWN, WorkerStatus, read_workers
from luytre.store import elastic_check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from luytre.core.config import Config
    from luytre.core.finding import State

LAG_WARNING = 1_000
"""Messages, each up to ``ship.message_events_max`` events."""

READERS = (
    (build.DETECT_GROUP, EVENTS_TOPIC),
    (build.INDEX_GROUP, ALERTS_TOPIC),
    (triage_loop.GROUP, ALERTS_TOPIC),
)
"""Consumer groups of this machine, and what each reads."""

BUILT = datetime(2026, 11, 1, tzinfo=UTC)


def examine(config: Config) -> list[Finding]:
    """Look at everything; a question that itself fails is a bad finding, never an exception."""
    questions: list[Callable[[Config], Iterator[Finding]]] = [
        _disk,
        _clock,
        _zones,
        _running,
        _processes,
        _rules,
        _tables,
    ]
    if logs.has_run(config):
        questions += [_databases, _archive, _ledger, _lag]
    if config.kafka.bootstrap:
        questions.append(_kafka)
    if config.alerts.elastic.urls:
        questions.append(_elastic)
    findings: list[Finding] = []
    for question in questions:
        try:
            findings.extend(question(config))
        except (LuytreError, OSError, DatabaseError) as error:
            findings.append(Finding(question.__name__.strip("_"), "bad", str(error)))
    return findings


def _disk(config: Config) -> Iterator[Finding]:
    found = space(config.data_dir)
    state: State = "bad" if found.is_nearly_full else "warning" if found.is_low else "good"
    remedy = "" if state == "good" else "free space or shorten retention"
    yield Finding("disk", state, str(found), remedy)


def _clock(_config: Config) -> Iterator[Finding]:
    now = SystemClock().now()
    good = now >= BUILT
    detail = f"{now:%Y-%m-%d %H:%M:%SZ}"
    remedy = "" if good else "the clock is before this version was made: set the time (NTP)"
    yield Finding("clock", "good" if good else "bad", detail, remedy)


def _zones(config: Config) -> Iterator[Finding]:
    ship = config.ship
    named = [source.time_zone for source in ship.files]
    named += [source.time_zone for source in ship.syslog]
    named += [source.time_zone for source in ship.http]
    counted = Counter(name or "UTC" for name in named)
    if counted:
        zones = ", ".join(
            f"{name} ({count} input{'s' * (count > 1)})" for name, count in sorted(counted.items())
        )
        yield Finding("time zones", "good", f"times that do not say theirs are read as {zones}")


def _running(config: Config) -> Iterator[Finding]:
    if slots.is_taken(config, "shipper"):
        yield Finding("pipeline", "good", "the shipper runs")
        return
    ran = logs.has_run(config)
    detail = "no shipper runs here" if ran else f"nothing has run in {config.data_dir} yet"
    yield Finding("pipeline", "warning", detail, "start `luytre run`, or name its --config")


def _databases(config: Config) -> Iterator[Finding]:
    places = Places(config.data_dir)
    files = [places.ledger, places.alerts, *sorted(places.log.glob("*.sqlite"))]
    for path in files:
        if path.exists():
            yield _check_database(path)


def _check_database(path: Path) -> Finding:
    try:
        connection = open_database(path, read_only=True)
        answer = str(connection.pragma("quick_check"))
        connection.close()
    except (LuytreError, DatabaseError) as error:
        answer = str(error)
    if answer == "ok":
        return Finding("database", "good", str(path))
    return Finding("database", "bad", f"{path}: {answer[:200]}", "restore it from a backup")


def _rules(config: Config) -> Iterator[Finding]:
    loaded = content(config)
    state: State = "warning" if loaded.faults else "good"
    remedy = "`luytre rules check` says where" if loaded.faults else ""
    detail = f"{loaded.rules} run, {loaded.quarantined} quarantined"
    yield Finding("rules", state, f"{detail}, version {loaded.version[:VERSION_SHOWN]}", remedy)
    for worker in read_workers(config, slots.is_taken):
        yield _worker(worker, loaded.version)


def _worker(worker: WorkerStatus, wanted: str) -> Finding:
    """Say which version a process runs, beside the one that the folders hold now."""
    version = worker.version[:VERSION_SHOWN]
    detail = f"{worker.name} runs version {version} since {worker.since:%Y-%m-%d %H:%M:%SZ}"
    if worker.refused:
        reason = f"{detail}; changed rules were refused: {worker.refused}"
        return Finding("rules", "bad", reason, "mend them: the last good ones go on until then")
    if worker.version != wanted:
        remedy = "it takes over in twice rules.reload_s; if that is 0, start it again"
        return Finding("rules", "warning", detail, remedy)
    return Finding("rules", "good", detail)


def _tables(config: Config) -> Iterator[Finding]:
    folder = Places(config.data_dir).enrichment / "doctor"
    enrichment = enrich.build(config.enrich, folder, SystemClock())
    for note in enrichment.notes:
        yield Finding("enrichment", "warning", note)
    yield Finding("enrichment", "good", f"{len(enrichment.versions)} tables")


def _archive(config: Config) -> Iterator[Finding]:
    problems = build.archive(config).check()
    for problem in problems:
        yield Finding("archive", "bad", f"{problem.path}: {problem.problem}", problem.remedy)
    if not problems:
        yield Finding("archive", "good", str(Places(config.data_dir).archive))


def _kafka(config: Config) -> Iterator[Finding]:
    where = ", ".join(config.kafka.bootstrap)
    changes = kafka_setup.setup(config, change=False)
    for change in changes:
        yield Finding("kafka", "warning", change, "`luytre kafka setup`")
    if not changes:
        yield Finding("kafka", "good", f"{where}: every topic is as it should be")


def _elastic(config: Config) -> Iterator[Finding]:
    yield from elastic_check.examine(config.alerts.elastic)


def _ledger(config: Config) -> Iterator[Finding]:
    holes = [account for account in build.accounts(config) if account.holes]
    for account in holes:
        detail = f"{account.missing} events of {account.path or account.stream} are missing"
        yield Finding("ledger", "warning", detail, "a blind window: it heals when they arrive")
    if not holes:
        yield Finding("ledger", "good", "no holes")


def _processes(config: Config) -> Iterator[Finding]:
    for name, child in read_status(Places(config.data_dir).supervisor).items():
        if child.restarts:
            detail = f"{name} died {child.restarts} times, last at {child.died_at[:19]}Z"
            yield Finding("processes", "warning", detail, "the logs of `luytre run` say why")


def _lag(config: Config) -> Iterator[Finding]:
    now = SystemClock().now()
    for group, topic in READERS:
        expired = logs.expired(config, group, topic)
        if expired:
            detail = f"{group}: {expired:,} messages expired before they were read"
            yield Finding("lag", "bad", detail, "a blind window: lengthen log.retention_days")
        found = waiting(config, group, topic)
        detail = f"{group}: {found.messages:,} messages not committed"
        if found.arrived_at is not None:
            detail += f", the oldest arrived {_minutes(now, found.arrived_at)} ago"
        if found.event_at is not None:
            detail += f", its event is {_minutes(now, found.event_at)} old"
        if found.messages > LAG_WARNING or found.waited_s(now) > WAITED_MAX_S:
            yield Finding("lag", "warning", detail, "see whether it runs, or give more --workers")
        else:
            yield Finding("lag", "good", detail)


def _minutes(now: datetime, then: datetime) -> str:
    return f"{max(0.0, (now - then).total_seconds()) / 60:,.0f} min"
