"""Which rules each process runs: a small file of each, and its metrics."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from luytre.core.log import get_logger
from luytre.core.metrics import RULES, RULES_SINCE_S, RULES_VERSION
from luytre.processor.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable

    from detections.plan_cache import Loaded
    from luytre.core.clock import Clock
    from luytre.core.config import Config

VERSION_SHOWN = 12
"""How much of a version people are shown."""

log = get_logger("content")


class WorkerStatus(msgspec.Struct, frozen=True):
    """What a process runs since when, and why a newer version of the rules does not."""

    name: str
    pid: int
    version: str
    rules: int
    correlations: int
    quarantined: int
    since: datetime
    refused: str = ""


class Announcer:
    """Says in metrics, in the log, and in a file what a process runs."""

    def __init__(self, config: Config, name: str, clock: Clock) -> None:
        self._path = Places(config.data_dir).workers / f"{name}.json"
        self._name, self._clock = name, clock
        self._version, self._since = "", clock.now()
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def __call__(self, loaded: Loaded, refused: str) -> None:
        """Say it. ``refused`` is why a newer version does not run; empty if none was refused."""
        plan = loaded.plan
        quarantined = len({fault.path for fault in loaded.faults})
        if plan.digest != self._version:
            self._version, self._since = plan.digest, self._clock.now()
            RULES_VERSION.clear()
            RULES_VERSION.labels(plan.digest[:VERSION_SHOWN]).set(1)
            RULES_SINCE_S.set(self._since.timestamp())
            for fault in loaded.faults:
                log.error("rule quarantined", fault=str(fault))
        RULES.labels("active").set(len(plan.rules) + len(plan.correlations))
        RULES.labels("quarantined").set(quarantined)
        log.info("rules run", version=plan.digest[:VERSION_SHOWN], rules=len(plan.rules))
        status = WorkerStatus(
            self._name, os.getpid(), plan.digest, len(plan.rules), len(plan.correlations),
            quarantined, self._since, refused,
        )  # fmt: skip
        fresh = self._path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(msgspec.json.encode(status))
        fresh.replace(self._path)


def read_workers(config: Config, runs: Callable[[Config, str], bool]) -> list[WorkerStatus]:
    """Return what each process that ``runs`` now says of itself, by name."""
    found = []
    for path in sorted(Places(config.data_dir).workers.glob("*.json")):
        try:
            status = msgspec.json.decode(path.read_bytes(), type=WorkerStatus)
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("a worker's file cannot be read", path=str(path), reason=str(error))
            continue
        if runs(config, status.name):
            found.append(status)
    return found
