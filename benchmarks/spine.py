"""Measures decode, match and the whole, beside the floor: reading the same file with Polars.

``python -m benchmarks.spine`` measures the corpora in the folder that ``LUYTRE_DATA`` names with
SigmaHQ's main rules (by default ../shared/data), or without them what the simulator makes with our
own rules, and writes docs/performance.md. One process, one thread: figures are per core.
"""

from __future__ import annotations

import os

os.environ["POLARS_MAX_THREADS"] = "1"  # before Polars starts its threads: figures are per core

import resource
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.page import machine, write_section
from detections.load import load_rules
from detections.match import Engine
from detections.plan import build_plan
from ingest.intake import Intake
from ingest.shippers.files import read_file
from luytre.core.clock import SystemClock
from luytre.core.config import ShipConfig
from luytre.core.message import Record
from luytre.simulator import simulate
from tests.archives import packed, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAIN_FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
BATCHES = (1_000, 10_000, 100_000)
MIB = 2**20
HOT = (
    "Image", "CommandLine", "ParentImage", "ParentCommandLine", "TargetFilename", "TargetObject",
    "Details", "User", "Hashes", "OriginalFileName", "ImageLoaded", "ScriptBlockText",
    "DestinationIp", "QueryName",
)  # fmt: skip
"""With Channel and EventID the 16 hottest columns of SigmaHQ's rules."""


@dataclass(slots=True)
class Timing:
    """Seconds of CPU by stage, for one corpus at one batch size."""

    events: int = 0
    hits: int = 0
    bytes: int = 0
    decode_s: float = 0.0
    match_s: float = 0.0
    alerts_s: float = 0.0
    by_part: dict[str, float] = field(default_factory=dict)

    @property
    def whole_s(self) -> float:
        return self.decode_s + self.match_s + self.alerts_s


def corpora(folder: Path) -> dict[str, Path]:
    """Return one NDJSON file of Windows events for each corpus."""
    found = {}
    for archive in ("evtx-attack.jsonl", "evtx-hosts.jsonl"):
        if packed(archive).exists():
            root = unpack(archive, folder / archive)
            found[archive.removesuffix(".jsonl")] = _joined(root, folder / f"{archive}.all")
    simulate(folder / "simulated", seed=1, start=datetime(2026, 11, 23, 2, tzinfo=UTC))
    windows = [p for p in (folder / "simulated").rglob("*") if _holds_windows(p)]
    found["simulator (Windows)"] = _concatenated(windows, folder / "simulated.all")
    return found


def _holds_windows(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(20).startswith(b'{"Event":')


def _joined(root: Path, target: Path) -> Path:
    return _concatenated(sorted(root.rglob("*.jsonl")), target)


def _concatenated(paths: Sequence[Path], target: Path) -> Path:
    with target.open("wb") as out:
        for path in paths:
            out.write(path.read_bytes())
    return target


def floor(path: Path) -> float:
    """Return events/s of ``polars.read_ndjson`` with the 16 hottest columns: the median of 5."""
    data = pl.Struct(dict.fromkeys(HOT, pl.String))
    system = pl.Struct({"Channel": pl.String, "EventID": pl.String})
    schema = {"Event": pl.Struct({"System": system, "EventData": data})}
    content = path.read_bytes()
    rates = []
    for _ in range(5):
        started = time.process_time()
        frame = pl.read_ndjson(content, schema=schema)
        rates.append(frame.height / (time.process_time() - started))
    return sorted(rates)[2]


def records(path: Path, events: int) -> Iterator[list[Record]]:
    """Yield the file's messages, gathered to batches of about so many events."""
    settings, now = ShipConfig(message_events_max=min(events, 1000)), datetime.now(UTC)
    gathered: list[Record] = []
    count = 0
    for message in read_file(path, settings, organization="bench", hint="windows", shipper="bench"):
        gathered.append(Record("bench", 0, len(gathered), now, message))
        count += int(message.headers["count"])
        if count >= events:
            yield gathered
            gathered, count = [], 0
    if gathered:
        yield gathered


def measure(engine: Engine, path: Path, events: int, *, warm: bool = True) -> Timing:
    """Run a corpus through intake and engine; a first pass fills the caches and is not counted."""
    intake = Intake(engine.needed)
    timing = Timing(bytes=path.stat().st_size)
    for counted in (False, True) if warm else (True,):
        for batch_records in records(path, events):
            _measure_one(engine, intake, batch_records, timing if counted else Timing())
    return timing


def _measure_one(
    engine: Engine, intake: Intake, batch_records: list[Record], timing: Timing
) -> None:
    started = time.process_time()
    batches = intake(batch_records)
    decoded = time.process_time()
    timing.decode_s += decoded - started
    for batch in batches:
        if not batch.height:
            continue
        before = time.process_time()
        hits = engine.hits(batch)
        matched = time.process_time()
        timing.hits += len(hits)
        timing.events += batch.height
        timing.match_s += matched - before
        timing.by_part[batch.part.name] = timing.by_part.get(batch.part.name, 0) + matched - before


def rows(folder: Path) -> Iterator[str]:
    """Yield the lines of the table."""
    folders: list[Path] = []
    if packed("sigma-rules").exists():
        root = unpack("sigma-rules", folder / "sigma-rules")
        folders = [p for name in MAIN_FOLDERS for p in root.rglob(name) if p.is_dir()]
    started = time.process_time()
    loaded = load_rules(folders, builtin=not folders)
    plan, _ = build_plan(loaded.rules)
    yield f"{len(plan.rules):,} rules, loaded and planned in {time.process_time() - started:.1f} s."
    yield ""
    yield (
        "| corpus | batch | floor k/s | decode k/s | match k/s | whole k/s"
        " | whole MB/s | share of floor | hits |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, path in corpora(folder).items():
        lowest = floor(path)
        for size in BATCHES:
            timing = measure(Engine(plan, SystemClock()), path, size)
            whole = timing.events / timing.whole_s
            yield (
                f"| {name} ({timing.events:,}) | {size:,} | {lowest / 1e3:.0f}"
                f" | {timing.events / timing.decode_s / 1e3:.0f}"
                f" | {timing.events / timing.match_s / 1e3:.0f} | {whole / 1e3:.0f}"
                f" | {timing.bytes / timing.whole_s / 1e6:.0f} | {whole / lowest:.0%}"
                f" | {timing.hits:,} |"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield ""
    yield f"Peak memory of the whole measurement: {peak:.0f} MiB."


def main() -> None:
    """Measure, print, and write the page."""
    with tempfile.TemporaryDirectory() as name:
        lines = [f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench`: {machine()}.", ""]
        for line in rows(Path(name)):
            print(line, flush=True)
            lines.append(line)
    write_section("bench", lines)


if __name__ == "__main__":
    main()
