"""Measures the engine from bytes of NDJSON to hits, beside the floor of reading them with Polars.

``python -m benchmarks.engine`` measures SigmaHQ's main rules on the corpora in the folder that
``LUYTRE_DATA`` names (by default ../shared/data), or without them our own rules on what the
simulator makes, and writes its section of docs/performance.md. One process, one thread: figures
are per core, and CPU time.
"""

from __future__ import annotations

import os

os.environ["POLARS_MAX_THREADS"] = "1"  # before Polars starts its threads: figures are per core

import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import polars as pl

from benchmarks.corpora import corpora, sigma_folders, sigma_plan
from benchmarks.page import machine, write_section
from detections.match import Engine
from detections.plan import decode_plan, encode_plan
from detections.plan_cache import load_or_build
from ingest.intake import Intake
from luytre.core.clock import SystemClock
from luytre.core.ecs import ARCHIVED
from luytre.core.message import Message, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.corpora import Corpus
    from detections.plan import Plan

BATCHES = (100_000, 10_000, 1_000)
PASSES, COUNTED = 8, 3
Given = ParamSpec("Given")
Outcome = TypeVar("Outcome")
MESSAGE_EVENTS = 1_000
"""How many events our shippers put into one message at the most."""


HEAD = (
    "| corpus | batch | floor k/s | decode us | match us | whole k/s | share of floor"
    " | first pass k/s | with ids and frames k/s | hits |"
)


@dataclass(slots=True)
class Pass:
    """CPU time of one pass over a corpus, in seconds."""

    decode_s: float = 0.0
    match_s: float = 0.0
    events: int = 0
    hits: int = 0

    @property
    def rate(self) -> float:
        """Events a second from bytes to hits."""
        return self.events / (self.decode_s + self.match_s)


def floor(corpus: Corpus) -> float:
    """Return events/s of ``polars.read_ndjson`` with the 16 hottest columns: the median of 5."""
    content = b"\n".join(corpus.lines)
    rates = []
    for _ in range(5):
        started = time.process_time()
        frame = pl.read_ndjson(content, schema=corpus.schema)
        rates.append(frame.height / (time.process_time() - started))
    return statistics.median(rates)


def records(corpus: Corpus, batch: int) -> list[list[Record]]:
    """Return the lines as messages without digest and compression, gathered to batches."""
    step, now = min(batch, MESSAGE_EVENTS), datetime.now(UTC)
    made: list[Record] = []
    for first in range(0, len(corpus.lines), step):
        lines = corpus.lines[first : first + step]
        headers = {
            "hint": "windows", "stream": "bench", "origin": "bench", "position": "seq",
            "first_seq": str(first), "count": str(len(lines)), "organization": "bench",
        }  # fmt: skip
        message = Message(b"bench", b"\n".join(lines), headers)
        made.append(Record("bench", 0, len(made), now, message))
    each = batch // step
    return [made[at : at + each] for at in range(0, len(made), each)]


def one_pass(engine: Engine, intake: Intake, batches: Sequence[Sequence[Record]]) -> Pass:
    """Run all batches through decoding and matching."""
    found = Pass()
    for batch in batches:
        started = time.process_time()
        parts = intake(batch)
        decoded = time.process_time()
        found.hits += sum(len(engine.hits(part)) for part in parts)
        found.match_s += time.process_time() - decoded
        found.decode_s += decoded - started
        found.events += sum(part.height for part in parts)
    return found


def row(encoded: bytes, corpus: Corpus, size: int) -> str:
    """Return one row of the table: a corpus in batches of a size."""
    plan = decode_plan(encoded)
    lowest = floor(corpus)
    engine = Engine(plan, SystemClock())
    intake = Intake(engine.needed)
    batches = records(corpus, size)
    passes = [one_pass(engine, intake, batches) for _ in range(PASSES)]
    last = sorted(passes[-COUNTED:], key=lambda each: each.rate)[COUNTED // 2]
    return (
        f"| {corpus.name} ({last.events:,}) | {size:,} | {lowest / 1e3:.0f}"
        f" | {last.decode_s / last.events * 1e6:.1f} | {last.match_s / last.events * 1e6:.1f}"
        f" | {last.rate / 1e3:.0f} | {last.rate / lowest:.0%} | {passes[0].rate / 1e3:.0f}"
        f" | {pipeline(plan, corpus, size) / 1e3:.0f} | {last.hits:,} |"
    )


def rows(plan: Plan, found: Sequence[Corpus]) -> Iterator[str]:
    """Yield the rows."""
    encoded = encode_plan(plan)
    for corpus in found:
        for size in BATCHES:
            yield alone(row, encoded, corpus, size)


def alone(work: Callable[Given, Outcome], *given: Given.args, **named: Given.kwargs) -> Outcome:
    """Run a measurement in a process of its own, which has only loaded the plan, as a worker has.

    Where thousands of rules were parsed before, decoding takes a third longer.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(work, *given, **named).result()


def pipeline(plan: Plan, corpus: Corpus, size: int) -> float:
    """Return events/s where each event also gets its id, and a frame with the archive's columns."""
    engine = Engine(plan, SystemClock())
    intake = Intake(lambda part: engine.needed(part) | frozenset(ARCHIVED))
    batches = records(corpus, size)
    one_pass(engine, intake, batches)
    events, started = 0, time.process_time()
    for batch in batches:
        for part in intake(batch):
            engine.hits(part)
            events += part.events.height
    return events / (time.process_time() - started)


def starts(folder: Path) -> Iterator[str]:
    """Yield how long it takes to load the rules, cold and from the cache."""
    folders, cache = sigma_folders(folder), folder / "cache"
    cache.mkdir()
    for kind in ("cold", "from the plan cache"):
        started = time.process_time()
        loaded = load_or_build(folders, builtin=not folders, folder=cache)
        taken_s = time.process_time() - started
        yield f"- {len(loaded.plan.rules):,} rules loaded, {kind}: {taken_s:.1f} s."


def main() -> None:
    """Measure, print, and write the section."""
    lines = [f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench`: {machine()}.", ""]
    with tempfile.TemporaryDirectory() as name:
        plan = sigma_plan(Path(name))
        lines += [*starts(Path(name)), ""]
        lines += [HEAD, "|---" * HEAD.count(" |") + "|"]
        for line in rows(plan, corpora(Path(name))):
            print(line, flush=True)
            lines.append(line)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    lines += ["", f"Peak memory of one measurement, the corpus included: {peak:.0f} MiB."]
    write_section("engine", lines)


if __name__ == "__main__":
    main()
