"""A pipeline in this process, run until nothing is left to do: the real loops, one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from luytre.core.config import Config, load_config
from luytre.core.message import ALERTS_TOPIC, EVENTS_TOPIC, MATCHES_TOPIC
from luytre.processor import build, logs, triage_loop
from luytre.processor.correlate import ReachedFile
from luytre.processor.places import Places
from luytre.simulator import simulate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = datetime(2026, 11, 24, 1, tzinfo=UTC)
TURNS_MAX = 2_000


def settle(config: Config) -> None:
    """Ship what is there, and run every loop until it has nothing left to read."""
    build.ship_once(config)
    build.detect(config, 0, drained(config, build.DETECT_GROUP, EVENTS_TOPIC))
    build.correlate(config, _correlated(config))
    build.index(config, drained(config, build.INDEX_GROUP, ALERTS_TOPIC))


def triaged(config: Config) -> None:
    """Let triage take what it has not taken."""
    triage_loop.triage(config, drained(config, triage_loop.GROUP, ALERTS_TOPIC))


def drained(config: Config, group: str, topic: str) -> Callable[[], bool]:
    """Return what stops a loop once its group has committed everything."""
    turns = iter(range(TURNS_MAX))

    def stopped() -> bool:
        assert next(turns, None) is not None, f"{group} does not come to an end"
        return logs.lag(config, group, topic) == 0

    return stopped


def _correlated(config: Config) -> Callable[[], bool]:
    """Return what stops the correlate loop: what is open is not committed, so lag says nothing."""
    known, topics = ReachedFile(Places(config.data_dir).correlated), logs.open_log(config).topics()
    turns = iter(range(TURNS_MAX))

    def stopped() -> bool:
        assert next(turns, None) is not None, "correlate does not come to an end"
        reached = known.offsets()
        ends = topics.ends(MATCHES_TOPIC) if MATCHES_TOPIC in topics.names() else {}
        return all(reached.get(place, 0) >= end for place, end in ends.items())

    return stopped


def province(
    folder: Path,
    *,
    minutes: float = 2,
    rate: float = 0.2,
    settings: str = "rules: {reload_s: 0}\n",
) -> Config:
    """Return the configuration of a simulated province that has not run yet."""
    simulate(folder, seed=1, start=START, minutes=minutes, rate=rate)
    path = folder / "luytre.yaml"
    with path.open("a", encoding="utf-8") as stream:
        stream.write(f"archive: {{flush_s: 0.1}}\n{settings}")
    return load_config(path)
