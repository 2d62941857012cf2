"""Measures the whole on the real servers: Kafka, detect in several processes, Elasticsearch.

``python -m benchmarks.services`` starts both servers from Maven's jars, ships evtx-hosts and mordor
(``LUYTRE_DATA``), and writes its sections of docs/performance.md. It fails if the alerts are not
those of `luytre scan`. Half an hour on two cores; names of ``PARTS`` run only those.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.page import machine, write_section
from benchmarks.site import Site, environment
from luytre.core.message import ALERTS_TOPIC, EVENTS_TOPIC
from luytre.processor.build import DETECT_GROUP, INDEX_GROUP
from tests.archives import unpack
from tests.services.elastic import ElasticNode
from tests.services.kafka import KafkaBroker
from tests.services.process import cpu_s

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CORPORA = ("evtx-hosts", "mordor")
RULES = ("rules", "rules-emerging-threats", "rules-threat-hunting")
PARTITIONS, SPREAD, ROUNDS = 8, 16, 3
LINES_EACH = 5_000


class Bench:
    """The servers, the unpacked corpora, and sites over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.corpora = [unpack(name, folder / name) for name in CORPORA]
        root = unpack("sigma-rules", folder / "sigma-rules")
        self.rules = [p for p in root.rglob("rules*") if p.is_dir() and p.name in RULES]
        self.broker = KafkaBroker(folder / "kafka")
        self.node = ElasticNode(folder / "elastic")

    def spread(self) -> Path:
        """Return a folder with the JSON lines of the corpora in many files of one size.

        A file is a stream and lies in one partition: the corpora's largest files are a fifth of
        everything, so that two processes could not share them fairly.
        """
        folder = self.folder / "spread"
        folder.mkdir(exist_ok=True)
        source = unpack("evtx-hosts.jsonl", self.folder / "evtx-hosts.jsonl")
        for path in sorted([*source.rglob("*.json*"), *self.corpora[1].rglob("*.json")]):
            _cut(path, folder)
        return folder

    def site(
        self, name: str, *, partitions: int = PARTITIONS, corpora: Sequence[Path] = (),
        rules: Sequence[Path] | None = None, prefix: str | None = None,
    ) -> Site:  # fmt: skip
        """Return a site whose topics begin with ``prefix`` (its name's by default)."""
        chosen = self.rules if rules is None else rules
        inputs = [{"paths": [str(path)]} for path in corpora]
        settings: dict[str, Any] = {
            "data_dir": "data",
            "organization": "bench",
            "kafka": {"bootstrap": [self.broker.bootstrap], "prefix": f"{prefix or name}."},
            "log": {"partitions": partitions},
            "rules": {"builtin": not chosen, "paths": [str(path) for path in chosen]},
            "ship": {"name": "bench", "files": inputs},
            "alerts": {"elastic": {"urls": [self.node.url], "name": f"bench-{name}"}},
        }
        return Site(self.folder / "sites" / name, settings)


def _cut(path: Path, folder: Path) -> None:
    with path.open("rb") as stream:
        for number in itertools.count():
            lines = list(itertools.islice(stream, LINES_EACH))
            if not lines:
                return
            name = f"{path.parent.name}-{path.stem}-{number}.json"
            (folder / name).write_bytes(b"".join(lines))


def end_to_end(bench: Bench) -> list[str]:
    """Ship, detect in two processes, index; compare with the scan; return lines of the page."""
    site = bench.site("whole", corpora=bench.corpora)
    expected = Counter(site.scanned_ids(bench.corpora))
    site.call("elastic", "setup")
    for name in ("detect-0", "detect-1", "index"):
        site.start(name, name.partition("-")[0])
    time.sleep(20)  # they load their rules: that is measured elsewhere
    servers = bench.broker.cpu_s(), bench.node.cpu_s()
    warm = {name: _spent(site, name) for name in site.running}
    children_s = _children_cpu_s()
    started_s = time.monotonic()
    site.start("ship", "ship", "--once")
    site.running["ship"].wait()
    shipped_s = time.monotonic() - started_s
    ship_cpu_s = _children_cpu_s() - children_s
    site.wait_until_read((DETECT_GROUP, EVENTS_TOPIC), (INDEX_GROUP, ALERTS_TOPIC))
    whole_s = time.monotonic() - started_s
    del site.running["ship"]
    spent = {name: _spent(site, name) - warm[name] for name in site.running}
    spent |= {"ship": ship_cpu_s, "Kafka": bench.broker.cpu_s() - servers[0]}
    spent["Elasticsearch"] = bench.node.cpu_s() - servers[1]
    site.stop()
    found = Counter(site.alert_ids())
    if found != expected:
        lost, doubled = (expected - found).total(), (found - expected).total()
        raise SystemExit(f"the alerts are not the scan's: {lost} lost, {doubled} doubled or new")
    accounts = [json.loads(line) for line in site.call("ledger", "--json").splitlines()]
    events = sum(account["events"] for account in accounts)
    rejects = sum(account["rejects"] for account in accounts)
    total_s = sum(spent.values())
    rows = [f"| {name} | {s:.1f} | {s / total_s:.0%} |" for name, s in sorted(spent.items())]
    text = (
        f"**End to end**: {events:,} events and {rejects:,} rejects of {' and '.join(CORPORA)}, by"
        f" `luytre ship --once` into Kafka ({PARTITIONS} partitions), `detect` in two processes"
        " with SigmaHQ's three main folders, archive, `index` into Elasticsearch:"
        f" {len(found):,} alerts, the ids that `luytre scan` gives, none lost, none doubled."
        f" {whole_s:.0f} s ({events / whole_s:,.0f} events/s; all was shipped after"
        f" {shipped_s:.0f} s), {total_s:.0f} s of CPU ({events / total_s:,.0f} events per CPU"
        " second, servers included). A file that is a copy of another is sent once, so these are"
        " fewer events than `luytre scan` reads."
    )
    return [
        text,
        "",
        "| process | CPU s | share |",
        "|---|---|---|",
        *rows,
        "",
    ]


def scale_out(bench: Bench) -> list[str]:
    """One against two detect processes on the preloaded topic, with nothing behind them."""
    site = bench.site("spread", partitions=SPREAD, corpora=[bench.spread()])
    site.call("ship", "--once")
    text = (
        f"**Scale-out**: the JSON lines of both in files of {LINES_EACH:,}, as many shippers would"
        f" send them, preloaded into {SPREAD} partitions; nothing behind `detect` (no archive, no"
        f" alerts sent), one Polars thread a process; median of {ROUNDS} rounds, one and two in"
        " turn."
    )
    lines = [
        text,
        "",
        "| processes | s | events/s | events per CPU s of detect | CPU of the broker |",
        "|---|---|---|---|---|",
    ]
    runs: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for turn in range(ROUNDS):
        for count, found in runs.items():
            found.append(measure(bench, site, f"scale-{turn}-{count}", count))
    for count, found in runs.items():
        lines.append(_row(str(count), found))
    one, two = (statistics.median(run["rate"] for run in runs[count]) for count in (1, 2))
    ratios = [b["rate"] / a["rate"] for a, b in zip(runs[1], runs[2], strict=True)]
    rounds = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    told = f"Two against one: {two / one:.2f} times the rate (by round: {rounds})."
    return [*lines, "", told, ""]


def cost(bench: Bench) -> list[str]:
    """How cost grows with partitions, rules, and events."""
    lines = [
        "**Cost** of one process on a preloaded topic, as above.",
        "",
        "| what | s | events/s | events per CPU s of detect | CPU of the broker |",
        "|---|---|---|---|---|",
    ]
    for partitions in (1, 8, 32):
        site = bench.site(f"p{partitions}", partitions=partitions, corpora=bench.corpora[:1])
        site.call("ship", "--once")
        found = measure(bench, site, f"p{partitions}", 1)
        name = f"{partitions} partition{'s' * (partitions > 1)}, {found['events']:,.0f} events"
        lines.append(_row(name, [found]))
    lines += _by_events(bench)
    main = next(path for path in bench.rules if path.name == "rules")
    sets: dict[str, list[Path]] = {
        "ours": [],
        "SigmaHQ's rules/windows/process_creation": [main / "windows" / "process_creation"],
        "SigmaHQ's rules/windows": [main / "windows"],
        "SigmaHQ's three main folders": bench.rules,
    }
    for number, (name, rules) in enumerate(sets.items()):
        site = bench.site(f"r{number}", prefix="p8", rules=rules)
        lines.append(_row(f"rules: {name}", [measure(bench, site, f"r{number}", 1)]))
    return [*lines, ""]


def _by_events(bench: Bench) -> list[str]:
    """An eighth, a quarter, ... of the same files, which were dealt out in turn."""
    everything = sorted(bench.spread().iterdir())
    lines = []
    for share in (8, 4, 2, 1):
        folder = bench.folder / f"share-{share}"
        folder.mkdir()
        for path in everything[::share]:
            (folder / path.name).symlink_to(path)
        site = bench.site(f"e{share}", partitions=SPREAD, corpora=[folder])
        site.call("ship", "--once")
        found = measure(bench, site, f"e{share}", 1)
        lines.append(_row(f"{found['events']:,.0f} events of both, {SPREAD} partitions", [found]))
    return lines


def measure(bench: Bench, site: Site, group: str, count: int) -> dict[str, float]:
    """Let ``count`` processes read all of the topic, and return what that took."""
    folder = site.folder / group
    folder.mkdir()
    results = [folder / f"{number}.json" for number in range(count)]
    command = [
        sys.executable,
        "-m",
        "benchmarks.scaleout",
        str(site.path),
        group,
        str(folder / "go"),
    ]
    processes = [subprocess.Popen([*command, str(result)], env=environment()) for result in results]
    while not all(result.with_suffix(".ready").exists() for result in results):
        time.sleep(0.1)
    broker_s = bench.broker.cpu_s()
    (folder / "go").touch()
    for process in processes:
        if process.wait():
            raise SystemExit(f"{command} failed")
    found = [json.loads(result.read_text()) for result in results]
    busy = [each for each in found if each["events"]]
    seconds = max(each["last_s"] for each in busy) - min(each["first_s"] for each in busy)
    events = sum(each["events"] for each in found)
    spent_s = sum(each["cpu_s"] for each in found)
    return {
        "events": events,
        "s": seconds,
        "rate": events / seconds,
        "per_cpu": events / spent_s,
        "broker_cpu": (bench.broker.cpu_s() - broker_s) / seconds,
    }


def _row(name: str, runs: Sequence[dict[str, float]]) -> str:
    def median(key: str) -> float:
        return statistics.median(run[key] for run in runs)

    return (
        f"| {name} | {median('s'):.1f} | {median('rate'):,.0f} | {median('per_cpu'):,.0f} |"
        f" {median('broker_cpu'):.0%} of a core |"
    )


def _spent(site: Site, name: str) -> float:
    return cpu_s(site.running[name].pid)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


PARTS: Mapping[str, Callable[[Bench], list[str]]] = {
    "end-to-end": end_to_end,
    "scale-out": scale_out,
    "cost": cost,
}


def main(names: Sequence[str]) -> None:
    """Measure the named parts, or all, and write each section of the page."""
    with tempfile.TemporaryDirectory(prefix="luytre-bench-") as name:
        bench = Bench(Path(name))
        bench.broker.start()
        bench.node.start()
        try:
            for part in names or PARTS:
                load = os.getloadavg()[0]
                lines = PARTS[part](bench)
                when = f"{datetime.now(UTC):%Y-%m-%d}"
                about = f"Measured on {when}: {machine()}; the load before it was {load:.1f}."
                write_section(f"services-{part}", [about, "", *lines])
        finally:
            bench.broker.stop()
            bench.node.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
