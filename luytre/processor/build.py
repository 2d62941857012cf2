"""From configuration to wired objects: the one place that knows every room."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import enrich
from detections.correlate import Correlator
from detections.correlate_streams import Lateness
from ingest.dead_letter import reject_messages
from ingest.intake import Intake
from ingest.ledger import Ledger, SeenSequences
from ingest.shippers.registry import Registry
from ingest.shippers.ship import Shipper
from luytre.core.clock import SystemClock
from luytre.core.health import HEALTH
from luytre.core.log import get_logger
from luytre.core.message import ALERTS_TOPIC, EVENTS_TOPIC, MATCHES_TOPIC
from luytre.processor import case_host
from luytre.processor.account import Account, accounts_of
from luytre.processor.compile import compile_beside
from luytre.processor.content import Content, plan_rules, wired
from luytre.processor.correlate import CorrelateSink, ReachedFile, spare_collections
from luytre.processor.correlate_once import correlate_once
from luytre.processor.detect import DetectRooms, DetectSink
from luytre.processor.index import IndexSink
from luytre.processor.judge import Judge
from luytre.processor.kept import keep
from luytre.processor.live import Live, watching
from luytre.processor.logs import inputs, observed, open_log
from luytre.processor.places import Places
from luytre.processor.publish import BundleSource
from luytre.processor.refused import RefusedAlerts
from luytre.processor.retention import erase_old
from luytre.processor.run import Loop
from luytre.processor.scan import Scanner
from luytre.processor.slots import alone, metrics, numbered
from luytre.processor.source import FolderSource
from luytre.processor.stores import open_alert_store
from luytre.processor.upkeep import Task, Upkeep
from luytre.processor.waiting import watch
from luytre.processor.workers import Announcer
from luytre.store.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from detections.plan_cache import Loaded
    from enrich import Enrichment
    from luytre.core.alert import AlertStore
    from luytre.core.batch import Batch, Part
    from luytre.core.clock import Clock
    from luytre.core.config import Config, RulesConfig
    from luytre.core.message import Log, Record
    from luytre.processor.judge import Judged

DETECT_GROUP, CORRELATE_GROUP, INDEX_GROUP = "detect", "correlate", "index"
CORRELATOR = "correlate"
MIB = 2**20
SHOWN = frozenset({"host.name", "user.name", "source.ip"})
"""What a scan decodes for its reader besides what rules need; `detect` has all of the archive's."""


log = get_logger("build")

Made = TypeVar("Made")


def alert_store(config: Config) -> AlertStore:
    """Return the alert store."""
    return open_alert_store(config)


def ledger(config: Config) -> Ledger:
    """Return the ledger."""
    return Ledger(Places(config.data_dir).ledger)


def accounts(config: Config) -> list[Account]:
    """Return the account of every stream, shipped here or elsewhere."""
    places = Places(config.data_dir)
    registry = Registry(places.shipper)
    book = Ledger(places.ledger)
    found = accounts_of(registry.rows(), book.rows())
    registry.close()
    book.close()
    return found


def archive(config: Config) -> Archive:
    """Return the archive of all events."""
    return Archive(Places(config.data_dir).archive)


def scanner(config: Config, rules: Content, clock: Clock) -> Scanner:
    """Return a scanner with the configuration's enrichment; it remembers nothing between runs."""
    enrichment = enrich.build(config.enrich, Places(config.data_dir).enrichment / "scan", clock)
    intake = Intake(_needed(rules, enrichment, SHOWN))
    judge = Judge([enrichment], rules.engine, rules.correlations)
    correlate = partial(correlate_once, rules.correlations.rules, clock=clock)
    return Scanner(intake, judge, correlate, clock)


def _needed(
    rules: Content, enrichment: Enrichment, archived: frozenset[str]
) -> Callable[[Part], frozenset[str]]:
    """Return what to decode. What enrichment can add is never taken from a payload."""

    def needed(part: Part) -> frozenset[str]:
        read = rules.engine.needed(part) | rules.correlations.needed(part)
        return (read | enrichment.needed | archived) - enrich.RESERVED

    return needed


def ship(config: Config, stopped: Callable[[], bool]) -> None:
    """Run the shipper until stopped."""
    with alone(config, "shipper", SystemClock()), metrics(config, "shipper"):
        HEALTH.ask("log", partial(_out_of_reach, config))
        _shipper(config).run(stopped)


def _out_of_reach(config: Config) -> str:
    """Return why the log cannot be written to, also while there is nothing to write."""
    with closing(open_log(config, [EVENTS_TOPIC])) as opened:
        opened.topics().ends(EVENTS_TOPIC)
    return ""


def ship_once(config: Config) -> int:
    """Send everything that is there now; return how many events that were."""
    with alone(config, "shipper", SystemClock()):
        return _shipper(config).pass_once(final=True)


def _shipper(config: Config) -> Shipper:
    return Shipper(
        config.ship,
        config.organization,
        # An office may have the right to this topic only.
        open_log(config, [EVENTS_TOPIC]).producer(),
        Places(config.data_dir).shipper,
        SystemClock(),
    )


def detect(config: Config, worker: int | None, stopped: Callable[[], bool]) -> None:
    """Run one detect worker until stopped: that of a number, or of the first that is free."""
    # Two workers of one number would write one memory of what was first seen.
    with (
        numbered(config, "detect", worker, SystemClock()) as number,
        metrics(config, f"detect-{number}"),
    ):
        _detect(config, number, stopped)


def _detect(config: Config, worker: int, stopped: Callable[[], bool]) -> None:
    clock = SystemClock()
    places = Places(config.data_dir)
    opened = open_log(config)
    enrichment = enrich.build(config.enrich, places.enrichment / f"worker-{worker}", clock)
    table = archive(config) if config.archive.enabled else None
    seen = SeenSequences(ledger(config), opened.topic_id)
    archived = table.archive_columns if table else frozenset()
    select = table.select if table else None

    def wire(loaded: Loaded) -> tuple[Intake, Judge]:
        rules = wired(loaded, lambda: enrichment.versions)
        intake = Intake(
            _needed(rules, enrichment, archived), seen.admit, organization=config.organization
        )
        return intake, Judge([enrichment], rules.engine, rules.correlations, select)

    live = _live(config, opened, f"detect-{worker}", wire)

    def intake(records: Sequence[Record]) -> list[Batch]:
        return live.value[0](records)

    def judge(batch: Batch) -> Iterator[Judged]:
        return live.value[1](batch)

    rooms = DetectRooms(
        intake=intake,
        judge=judge,
        producer=opened.producer(),
        reject_messages=reject_messages,
        progress=seen,
        archive=table,
        tables=enrichment,
        swap=partial(_swap, live, enrichment),
    )
    flush = config.archive
    sink = DetectSink(rooms, clock, flush_bytes=flush.flush_mib * MIB, flush_s=flush.flush_s)
    loop = Loop("detect", sink, clock, observed(opened, DETECT_GROUP, inputs(config)))
    watch(config, DETECT_GROUP, inputs(config))
    with watching([enrichment.refresh, live.look], config.rules.reload_s):
        loop.run(opened.consumer(DETECT_GROUP, EVENTS_TOPIC, on_revoke=loop.on_revoke), stopped)


def _live(config: Config, opened: Log, name: str, wire: Callable[[Loaded], Made]) -> Live[Made]:
    """Return the content of the folders or the log, wired, and renewed whenever it changes."""
    return Live(
        BundleSource(config, opened) if config.kafka.content else FolderSource(config),
        partial(_planned, config),
        wire,
        Announcer(config, name, SystemClock()),
        prepare=lambda rules: compile_beside(config.model_copy(update={"rules": rules})),
    )


def _planned(config: Config, rules: RulesConfig) -> Loaded:
    loaded = plan_rules(config, rules)
    keep(config, rules, loaded)
    return loaded


def _swap(live: Live[Made], enrichment: Enrichment) -> None:
    live.swap()
    if enrichment.swap():
        log.info("enrichment tables changed", versions=dict(enrichment.versions))


def index(config: Config, stopped: Callable[[], bool]) -> None:
    """Run an index loop until stopped."""
    opened, clock = open_log(config), SystemClock()
    after_commit = observed(opened, INDEX_GROUP, (ALERTS_TOPIC,))
    store = open_alert_store(config, RefusedAlerts(opened.producer()))
    loop = Loop("index", IndexSink(store, clock), clock, after_commit)
    watch(config, INDEX_GROUP, (ALERTS_TOPIC,))
    with (
        numbered(config, "index", None, clock) as number,
        metrics(config, f"index-{number}"),
    ):
        loop.run(opened.consumer(INDEX_GROUP, ALERTS_TOPIC, on_revoke=loop.on_revoke), stopped)


def correlate(config: Config, stopped: Callable[[], bool]) -> None:
    """Run a correlate loop until stopped."""
    opened, clock = open_log(config), SystemClock()
    known = ReachedFile(Places(config.data_dir).correlated)
    # What is committed is older than what was read: where the oldest open episode began.
    after_commit = observed(opened, CORRELATE_GROUP, (MATCHES_TOPIC,), known.offsets)
    spare_collections()
    with numbered(config, CORRELATOR, None, clock) as number:
        live = _live(
            config, opened, f"{CORRELATOR}-{number}", lambda loaded: loaded.plan.correlations
        )
        with (
            metrics(config, f"{CORRELATOR}-{number}"),
            watching([live.look], config.rules.reload_s),
        ):
            while not stopped():
                rules = live.value
                correlator = Correlator(rules, clock, Lateness(config.correlate.lateness_s))
                sink = CorrelateSink(correlator, opened.producer(), known, clock)
                loop = Loop("correlate", sink, clock, after_commit)
                consumer = opened.consumer(CORRELATE_GROUP, MATCHES_TOPIC, on_revoke=loop.on_revoke)
                # Other rules build their state anew, from the lowest offset the old ones needed.
                loop.run(consumer, partial(_ended, stopped, live, rules))


def _ended(stopped: Callable[[], bool], live: Live[Made], made: Made) -> bool:
    """Tell whether a loop must end: it is stopped, or what it is made of is another one now."""
    live.swap()
    return stopped() or live.value != made


def upkeep(
    config: Config, stopped: Callable[[], bool], *, once: bool, more: Sequence[Task] = ()
) -> None:
    """Apply retention and compact, and do ``more``, now or until stopped."""
    clock = SystemClock()
    opened, store, table = open_log(config), alert_store(config), archive(config)

    def alerts() -> int:
        days, expire = config.alerts.retention_days, partial(store.expire, clock=clock)
        return erase_old(config, "alerts.expire", days, clock, expire, once=once)

    def events() -> int:
        days, expire = config.archive.retention_days, partial(table.expire, clock=clock)
        return erase_old(config, "archive.expire", days, clock, expire, once=once)

    tasks: list[Task] = [
        ("expire log", 60, opened.expire),
        ("expire alerts", 3600, alerts),
        ("expire archive", 3600, events),
        ("compact archive", 900, table.compact),
        ("vacuum archive", 6 * 3600, table.vacuum),
        ("anchor history", 60, partial(case_host.anchor_everywhere, config)),
        *more,
    ]
    work = Upkeep(tasks, clock)
    if once:
        work.once()
        return
    with alone(config, "upkeep", clock), metrics(config, "upkeep"):
        work.run(stopped)


def commands(
    path: Path | None, workers: int, *, correlations: bool = True, console: bool = False
) -> dict[str, list[str]]:
    """Return what the supervisor starts: a name and arguments for each process.

    Without correlation rules there is no process for them: on a small machine each counts.
    """
    shared = [*(["--config", str(path)] if path else []), "--with-parent"]
    loops = {f"detect-{n}": ["detect", "--worker", str(n), *shared] for n in range(workers)}
    return {
        "signer": ["audit", "signer", *shared],
        "ship": ["ship", *shared],
        **loops,
        **({"correlate": ["correlate", *shared]} if correlations else {}),
        "index": ["index", *shared],
        "triage": ["triage", *shared],
        "upkeep": ["upkeep", *shared],
        "respond": ["respond", *shared],
        **({"console": ["console", *shared]} if console else {}),
    }


def check(config: Config, rules: Content) -> list[str]:
    """Wire everything once, and say in lines what will run. Raises what would stop the start."""
    clock = SystemClock()
    enrichment = enrich.build(config.enrich, Places(config.data_dir).enrichment / "check", clock)
    listeners = [f"{i.protocol} {i.listen}" for i in config.ship.syslog]
    listeners += [f"http {i.listen}" for i in config.ship.http]
    return [
        f"data in {config.data_dir}",
        f"{rules.rules} rules run, {rules.quarantined} quarantined",
        *(f"  quarantined: {fault}" for fault in rules.faults),
        *(f"files {path} ({i.log_source})" for i in config.ship.files for path in i.paths),
        *(f"listens on {listener}" for listener in listeners),
        *(f"  {note}" for note in enrichment.notes),
    ]
