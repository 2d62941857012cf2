"""Measures correlation: matches a second by type, groups and batch, and the memory of a match.

``python -m benchmarks.correlate`` writes its section of docs/performance.md. One process, one
thread. Matches come in the order of their times, 1,000 a second from ten streams, and start as the
bytes of the topic ``matches``; a batch is what one poll brings.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.page import machine, write_section
from detections.correlate import CorrelationLimits, Correlator, Lateness
from detections.correlation import TYPES, Bound, Condition, Correlation, Operator, Type
from luytre.core.alert import RuleCard, encode_alert
from luytre.core.clock import ManualClock
from luytre.core.matches import Bundler, Match, decode_matches
from luytre.processor.correlate import spare_collections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECOND_US = 1_000_000
NOON_US = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()) * SECOND_US
RATE = 1_000
MATCHES = 60_000
GROUPS = (10, 1_000, 30_000)
BATCHES = (1_000, 10_000)
HELD = 200_000
BOUNDS: dict[Type, tuple[Operator, float]] = {
    "event_count": ("gte", 10),
    "value_count": ("gte", 10),
    "temporal": ("gte", 3),
    "temporal_ordered": ("gte", 3),
    "value_sum": ("gt", 100),
    "value_avg": ("gt", 8),
    "value_percentile": ("gt", 9),
    "value_median": ("gte", 9),
}
RULES = ("failed", "locked", "success")


def correlation(kind: Type) -> Correlation:
    """Return a rule that some groups meet: a minute, grouped by user."""
    condition = Condition(
        "",
        (Bound(*BOUNDS[kind]),),
        ("Value",) if kind.startswith("value") else (),
        90 if kind == "value_percentile" else None,
    )
    card = RuleCard(kind, kind, "high", "v1")
    return Correlation(card, kind, kind, RULES, ("User",), 60, condition)


def matches(kind: str, count: int, groups: int) -> list[Match]:
    """Return matches in the order of their times: ids as long as real ones, values 0 to 9."""
    dice = random.Random(1)
    found = []
    for number in range(count):
        time_us = NOON_US + number * SECOND_US // RATE
        found.append(
            Match(
                rule=kind,
                organization="soc-province",
                group=(f"user-{dice.randrange(groups)}",),
                event_id=f"{dice.getrandbits(256):064x}",
                time_us=time_us,
                ingested_us=time_us,
                stream=f"office-{number % 10}/var/log/auth.log",
                met=(dice.choice((0, 0, 0, 0, 1, 1, 2)),),
                value=str(dice.randrange(10)),
                columns=("user.name",),
            )
        )
    return found


def polls(kind: str, count: int, groups: int, batch: int) -> list[tuple[int, list[bytes]]]:
    """Return what polls bring: when the log took it, and the values of messages."""
    made = matches(kind, count, groups)
    pieces = [made[start : start + batch] for start in range(0, count, batch)]
    return [(piece[-1].time_us, [m.value for m in Bundler().messages(piece)]) for piece in pieces]


def measure(kind: Type, groups: int, batch: int) -> tuple[float, float, int]:
    """Return matches/s of the correlator, of all that the loop computes, and the alerts."""
    correlator = Correlator([correlation(kind)], ManualClock(), Lateness())
    decoded_s = correlated_s = encoded_s = 0.0
    alerts, offset = 0, 0
    gc.collect()  # the correlator of the measurement before
    for heard_us, values in polls(kind, MATCHES, groups, batch):
        started = time.process_time()
        read = [decode_matches(value) for value in values]
        decoded = time.process_time()
        found = []
        for message in read:
            found += correlator.take(message, heard_us, offset=offset).alerts
            offset += 1
        correlated = time.process_time()
        for alert in found:
            encode_alert(alert)
        alerts += len(found)
        decoded_s += decoded - started
        correlated_s += correlated - decoded
        encoded_s += time.process_time() - correlated
    started = time.process_time()
    for step in (correlator.expire, correlator.flush):
        alerts += len(step().alerts)
    correlated_s += time.process_time() - started
    return MATCHES / correlated_s, MATCHES / (decoded_s + correlated_s + encoded_s), alerts


def memory(groups: int) -> tuple[float, int]:
    """Return the bytes that a match takes while it is held, and how many are."""
    limits = CorrelationLimits(matches_of_group_max=HELD, matches_max=2 * HELD)
    correlator = Correlator([correlation("event_count")], ManualClock(), Lateness(), limits)
    arrived = polls("event_count", HELD, groups, 10_000)
    before, offset = resident(), 0
    for heard_us, values in arrived:
        for value in values:
            correlator.take(decode_matches(value), heard_us, offset=offset)
            offset += 1
    return (resident() - before) / correlator.held, correlator.held


def resident() -> int:
    """Return the resident bytes of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def rows(kinds: Sequence[Type] = TYPES) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield "| type | groups | batch | correlate k/s | with decoding and encoding k/s | alerts |"
    yield "|---|---|---|---|---|---|"
    for kind in kinds:
        for groups in GROUPS:
            for batch in BATCHES:
                alone, whole, alerts = measure(kind, groups, batch)
                yield (
                    f"| {kind} | {groups:,} | {batch:,} | {alone / 1e3:.0f} | {whole / 1e3:.0f}"
                    f" | {alerts:,} |"
                )


def main() -> None:
    """Measure, print, and write the section."""
    spare_collections()
    lines = [f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench`: {machine()}.", ""]
    for groups in GROUPS:
        size, held = memory(groups)
        lines.append(f"- {held:,} matches in {groups:,} groups: {size:,.0f} bytes each.")
        sys.stdout.write(f"{lines[-1]}\n")
    lines.append("")
    for line in rows():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        lines.append(line)
    write_section("correlate", lines)


if __name__ == "__main__":
    main()
