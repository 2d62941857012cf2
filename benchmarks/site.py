"""An installation in a folder, over real servers: its processes, what they cost, what they made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from luytre.core.alert import AlertQuery
from luytre.core.config import load_config
from luytre.core.organization import Scope
from luytre.processor import build, logs
from tests.services.process import cpu_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.config import Config

WAIT_S = 1_800.0
DRAIN_S = 40.0


@dataclass
class Site:
    """``settings`` are the configuration; each process has one thread of Polars."""

    folder: Path
    settings: dict[str, Any]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    spent_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path.write_text(yaml.safe_dump(self.settings, sort_keys=False))

    @property
    def path(self) -> Path:
        return self.folder / "luytre.yaml"

    @property
    def config(self) -> Config:
        return load_config(self.path)

    def start(self, name: str, *command: str) -> None:
        """Start `luytre <command>` under a name; what it says goes to ``<name>.log``."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self._command(command), cwd=self.folder, stdout=log, stderr=log, env=environment()
            )

    def call(self, *command: str) -> bytes:
        """Run `luytre <command>` to its end and return what it printed."""
        done = subprocess.run(
            self._command(command),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            check=False,
            timeout=WAIT_S,
        )
        return done.stdout

    def stop(self) -> None:
        """Stop everything, noting the CPU seconds of each process."""
        for name, process in self.running.items():
            self.spent_s[name] = cpu_s(process.pid)
            process.terminate()
        for process in self.running.values():
            process.wait(DRAIN_S)
        self.running.clear()

    def wait_until_read(self, *groups: tuple[str, str]) -> None:
        """Wait until every group has committed all of its topic."""
        until_s = time.monotonic() + WAIT_S
        while any(logs.lag(self.config, group, topic) for group, topic in groups):
            if time.monotonic() > until_s:
                raise TimeoutError(f"{groups} did not come to their end")
            time.sleep(1.0)

    def alert_ids(self) -> list[str]:
        """Return the ids of all alerts in the store."""
        store = build.alert_store(self.config)
        found = store.find(AlertQuery(limit=100_000), Scope.everything())
        store.close()
        return [alert.id for alert in found]

    def scanned_ids(self, paths: Sequence[Path]) -> list[str]:
        """Return the ids of the alerts of `luytre scan` on the same files and rules."""
        rules = () if self.settings["rules"].get("builtin", True) else ("--no-builtin",)
        lines = self.call("scan", "--json", *rules, *map(str, paths)).splitlines()
        return [json.loads(line)["id"] for line in lines]

    def _command(self, command: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "luytre", *command, "--config", str(self.path)]


def environment() -> dict[str, str]:
    """Return the environment of a process that is measured: Polars with one thread."""
    return {**os.environ, "POLARS_MAX_THREADS": "1"}
