"""Measures how the cost of matching grows: with rules, events, and values never seen before.

``python -m benchmarks.growth [EVENTS]`` writes its section of docs/performance.md, plots included.
``EVENTS`` is how many events of ever new values the memory is measured over (10,000,000).
"""

from __future__ import annotations

import os

os.environ["POLARS_MAX_THREADS"] = "1"  # figures are per core

import gc
import resource
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.corpora import Corpus, corpora, sigma_plan
from benchmarks.engine import Pass, one_pass, records
from benchmarks.page import machine, write_section
from detections.match import Engine
from detections.plan import Plan, PlannedRule
from detections.tree import And, Atom, Node, Not, Number, Or
from ingest.intake import Intake
from luytre.core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TIMES = (1, 3, 10)
BATCH = 10_000
EVENTS = (1_000, 10_000, 100_000, 400_000)
SHARES = (0, 10, 25, 50, 100)
WARM_PASSES = 6
MEMORY_EVENTS = 10_000_000
_TEXTS = frozenset({"equals", "startswith", "endswith", "contains"})


def multiplied(plan: Plan, times: int) -> Plan:
    """Return a plan with so many variants of each rule: other texts, the same conditions."""
    rules, atoms = list(plan.rules), list(plan.atoms)
    for number in range(1, times):
        start = len(atoms)
        atoms += [_varied(atom, number) for atom in plan.atoms]
        rules += [
            PlannedRule(
                replace(rule.card, id=f"{rule.card.id}~{number}"),
                rule.logsource,
                _shifted(rule.condition, start),
            )
            for rule in plan.rules
        ]
    return Plan(tuple(rules), tuple(atoms))


def _varied(atom: Atom, number: int) -> Atom:
    # A code stays, or no variant would ever get as far as its texts.
    if atom.operation not in _TEXTS or len(atom.pattern) < 5:
        return atom
    middle = len(atom.pattern) // 2
    pattern = f"{atom.pattern[:middle]}{number}{atom.pattern[middle:]}"
    return msgspec.structs.replace(atom, pattern=pattern)


def _shifted(node: Node, start: int) -> Node:
    match node:
        case And() | Or():
            return type(node)(tuple(_shifted(part, start) for part in node.parts))
        case Not():
            return Not(_shifted(node.part, start))
        case Number():
            return Number(node.atom + start, node.selection)
    return node


def process_created(number: int) -> bytes:
    """Return an ordinary event of Sysmon about a process; ``number`` makes its values new ones."""
    text = f"{number:x}"
    folder = f"C:\\\\Users\\\\u{number}\\\\App{number % 977}"
    data = {
        "UtcTime": "2026-11-23 08:00:00.000", "ProcessGuid": f"{{{number:032x}}}",
        "ProcessId": str(number), "Image": f"{folder}\\\\tool{number}.exe",
        "CommandLine": f"{folder}\\\\tool{number}.exe --job {text} --out D:\\\\{text}.dat",
        "CurrentDirectory": f"{folder}\\\\", "User": f"PC\\\\u{number}",
        "Hashes": f"SHA256={number:064x}", "ParentImage": f"{folder}\\\\start{number}.exe",
        "ParentCommandLine": f"start{number}.exe /n {number}", "OriginalFileName": f"t{number}.exe",
        "Description": f"Tool {number}", "IntegrityLevel": "Medium",
    }  # fmt: skip
    fields = ",".join(f'"{name}":"{value}"' for name, value in data.items())
    return (
        '{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},'
        '"EventID":1,"TimeCreated":{"#attributes":{"SystemTime":"2026-11-23T08:00:00.000000Z"}},'
        f'"EventRecordID":{number},"Channel":"Microsoft-Windows-Sysmon/Operational",'
        f'"Computer":"pc"}},"EventData":{{{fields}}}}}}}'
    ).encode()


def warm(plan: Plan, corpus: Corpus) -> Pass:
    """Return the last of some passes over a corpus."""
    gc.collect()
    engine = Engine(plan, SystemClock())
    intake, batches = Intake(engine.needed), records(corpus, BATCH)
    return [one_pass(engine, intake, batches) for _ in range(WARM_PASSES)][-1]


def by_rules(plan: Plan, chosen: Sequence[Corpus]) -> Iterator[str]:
    """Yield a table and plots: matching with 1, 3, and 10 times the rules."""
    yield "| corpus | rules | decode us | match us | whole us | times the cost |"
    yield "|---|---|---|---|---|---|"
    plots = []
    plans = [multiplied(plan, times) for times in TIMES]
    for corpus in chosen:
        costs: list[float] = []
        for each in plans:
            found = warm(each, corpus)
            decode_us = found.decode_s / found.events * 1e6
            match_us = found.match_s / found.events * 1e6
            costs.append(decode_us + match_us)
            yield (
                f"| {corpus.name} | {len(each.rules):,} | {decode_us:.1f} | {match_us:.1f}"
                f" | {costs[-1]:.1f} | {costs[-1] / costs[0]:.2f} |"
            )
        title = f"{corpus.name}: us an event by times the rules"
        plots.append(plot(title, "times the rules", TIMES, costs))
    yield from ("", *plots)


def by_events(plan: Plan) -> Iterator[str]:
    """Yield a plot: the cost of an event in a first pass over more and more events."""
    costs = []
    for count in EVENTS:
        engine = Engine(plan, SystemClock())
        lines = tuple(process_created(number % 5_000) for number in range(count))
        found = one_pass(engine, Intake(engine.needed), records(Corpus("", lines), BATCH))
        costs.append(1e6 / found.rate)
    yield plot("us an event by events, from a cold start", "events", EVENTS, costs)


def by_values(plan: Plan) -> Iterator[str]:
    """Yield a plot: the cost of an event by how many of a hundred bring only new values."""
    costs = []
    for share in SHARES:
        engine = Engine(plan, SystemClock())
        intake = Intake(engine.needed)
        numbers = (n if n % 100 < share else n % 100 for n in range(200_000))
        lines = [process_created(number) for number in numbers]
        for part in (lines[:100_000], lines[100_000:]):
            found = one_pass(engine, intake, records(Corpus("", tuple(part)), BATCH))
        costs.append(1e6 / found.rate)
    yield plot("us an event by % of events with only new values", "%", SHARES, costs)


def memory(plan: Plan, events: int) -> str:
    """Return what stays resident after so many events, each with values never seen before."""
    engine = Engine(plan, SystemClock())
    intake, started = Intake(engine.needed), time.process_time()
    for first in range(0, events, BATCH):
        lines = tuple(map(process_created, range(first, first + BATCH)))
        one_pass(engine, intake, records(Corpus("", lines), BATCH))
    seconds = time.process_time() - started
    return (
        f"After {events:,} events of Sysmon, each with 12 values never seen before,"
        f" {resident():.0f} MiB are resident (at the most {peak():.0f} MiB); making, decoding and"
        f" matching them took {seconds / events * 1e6:.0f} us each."
    )


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak() -> float:
    """Return the most that was resident so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plot(title: str, x: str, xs: Sequence[int], ys: Sequence[float]) -> str:
    """Return a Mermaid chart, which the pages of code hosts and editors draw."""
    ticks = ", ".join(f'"{each:,}"' for each in xs)
    values = ", ".join(f"{each:.1f}" for each in ys)
    return (
        f'```mermaid\nxychart-beta\n  title "{title}"\n  x-axis "{x}" [{ticks}]\n'
        f'  y-axis "us" 0 --> {max(ys) * 1.2:.0f}\n  bar [{values}]\n```\n'
    )


def main() -> None:
    """Measure, print, and write the section."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else MEMORY_EVENTS
    lines = [f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench`: {machine()}.", ""]
    with tempfile.TemporaryDirectory() as name:
        plan = sigma_plan(Path(name))
        lines += [memory(plan, events), ""]
        print(lines[-2], flush=True)
        chosen = [c for c in corpora(Path(name)) if c.nested]
        for each in (by_rules(plan, chosen), by_events(plan), by_values(plan)):
            for line in each:
                print(line, flush=True)
                lines.append(line)
    write_section("growth", lines)


if __name__ == "__main__":
    main()
