"""Proof: on a real Kafka, kills, rebalances and broker restarts lose nothing and double nothing.

The loops run as processes of their own, as on many machines. Whatever dies is started again. Then
every line must be one archived event or one reject, every alert there once, and the ledger must
account for each number, as in ``tests.proofs.kill``; and the correlations that stand must be those
of `luytre scan` over the same files.
"""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from luytre.core.alert import AlertQuery
from luytre.core.config import Config, load_config
from luytre.core.message import ALERTS_TOPIC, MATCHES_TOPIC
from luytre.core.organization import Scope
from luytre.processor import build, logs
from luytre.processor.correlate import ReachedFile
from luytre.processor.places import Places
from tests.proofs.kill import RULE, Writer, problems
from tests.services.kafka import KafkaBroker

SETTINGS = """
data_dir: data
organization: proof
rules:
  builtin: false
  paths: [rule.yml]
ship:
  name: proof
  scan_s: 0.1
  linger_s: 0.05
  message_events_max: 40
  files:
    - paths: [logs/app*]
      log_source: nginx
log: {{partitions: 6, session_timeout_s: 6}}
archive: {{flush_s: 1}}
kafka: {{bootstrap: ["{bootstrap}"], prefix: "{prefix}.", wait_s: 60}}
{store}
"""
PROCESSES = {
    "ship": ["ship"],
    "detect-a": ["detect"],
    "detect-b": ["detect"],
    "correlate-a": ["correlate"],
    "correlate-b": ["correlate"],
    "index-a": ["index"],
    "index-b": ["index"],
}
CORRELATION = """
---
title: Proof lines of one address
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a12
status: test
correlation:
  type: event_count
  rules: [6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a11]
  group-by: [c-ip]
  timespan: 10m
  condition: {gte: 5}
  generate: true
level: high
"""
GUEST = "detect-c"
SETTLE_S = 300.0


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each is done."""

    kills: int
    rebalances: int
    broker_restarts: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done and what came of it; ``problems`` must be empty."""

    kills: int
    killed: dict[str, int]
    rebalances: int
    broker_restarts: int
    lines: int
    rotations: int
    alerts: int
    correlations: int
    rejects: int
    resent: int
    seconds: float
    problems: tuple[str, ...]


class Fleet:
    """The loops of one installation, each a process of its own, started again when it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wanted = dict(PROCESSES)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def tend(self) -> None:
        """Start what does not run."""
        for name, command in self._wanted.items():
            process = self._running.get(name)
            if process is None or process.poll() is not None:
                self._running[name] = self._start(name, command)

    def kill(self, chance: random.Random) -> str:
        """Kill -9 one of them; return its name."""
        name = chance.choice(sorted(self._running))
        process = self._running.pop(name)
        process.kill()
        process.wait()
        return name

    def invite(self) -> None:
        """Let one more detect process join, so that partitions move to it."""
        self._wanted[GUEST] = ["detect"]
        self.tend()

    def dismiss(self) -> None:
        """Ask it to leave, so that its partitions move back."""
        self._wanted.pop(GUEST, None)
        if process := self._running.pop(GUEST, None):
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def stop(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            process.wait(60)
        self._running.clear()

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "luytre", *command, "--config", "luytre.yaml"],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )


def prove(
    folder: Path, broker: KafkaBroker, faults: Faults, *, seed: int, store: str = ""
) -> Outcome:
    """Do the faults in random order while files grow and rotate; let all finish, and count.

    ``store`` is a line of configuration that says where alerts go; SQLite without.
    """
    chance = random.Random(seed)
    started_s = time.monotonic()
    (folder / "logs").mkdir(parents=True)
    (folder / "rule.yml").write_text(RULE + CORRELATION)
    prefix = f"proof{seed}"
    text = SETTINGS.format(bootstrap=broker.bootstrap, prefix=prefix, store=store)
    (folder / "luytre.yaml").write_text(text)
    writer, fleet = Writer(folder / "logs", random.Random(seed + 1)), Fleet(folder)
    killed: Counter[str] = Counter()
    deeds = list(_deeds(fleet, broker, faults, chance, killed))
    chance.shuffle(deeds)
    try:
        for deed in deeds:
            _write_for(chance.uniform(0.5, 4.0), writer, fleet)
            deed()
        fleet.dismiss()
        config = load_config(folder / "luytre.yaml")
        _finish(config, fleet, writer.number)
    finally:
        fleet.stop()
    correlations = _scanned(folder)
    found = [*problems(config, writer), *_differences(config, correlations)]
    return Outcome(
        kills=faults.kills,
        killed=dict(killed),
        rebalances=faults.rebalances,
        broker_restarts=faults.broker_restarts,
        lines=writer.number,
        rotations=writer.rotations,
        alerts=len(writer.marked),
        correlations=len(correlations),
        rejects=len(writer.broken),
        resent=sum(account.resent for account in build.accounts(config)),
        seconds=round(time.monotonic() - started_s, 1),
        problems=tuple(found),
    )


def _deeds(
    fleet: Fleet, broker: KafkaBroker, faults: Faults, chance: random.Random, killed: Counter[str]
) -> Iterator[Callable[[], object]]:
    for _ in range(faults.kills):
        yield lambda: killed.update([fleet.kill(chance).partition("-")[0]])
    guest = iter([True, False] * faults.rebalances)
    for _ in range(faults.rebalances):
        yield lambda: fleet.invite() if next(guest) else fleet.dismiss()
    for number in range(faults.broker_restarts):
        yield lambda number=number: _restart(broker, kill=number % 2 == 0)  # type: ignore[misc]


def _restart(broker: KafkaBroker, *, kill: bool) -> None:
    if kill:
        broker.kill()
        broker.start()
    else:
        broker.restart()


def _write_for(seconds: float, writer: Writer, fleet: Fleet) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        fleet.tend()
        writer.write()
        time.sleep(0.02)


def _finish(config: Config, fleet: Fleet, lines: int) -> None:
    """Wait until the ledger has every line, and nothing waits to be correlated or indexed."""
    until_s = time.monotonic() + SETTLE_S
    while time.monotonic() < until_s:
        fleet.tend()
        accounts = build.accounts(config)
        done = sum(account.events + account.rejects for account in accounts)
        if done >= lines and not _waits(config):
            time.sleep(3.0)
            if not _waits(config):
                return
        time.sleep(1.0)


def _waits(config: Config) -> bool:
    # What correlate commits lies behind what it has read: there its oldest open episode began.
    reached = ReachedFile(Places(config.data_dir).correlated)
    read = reached.offsets()
    reached.close()
    opened = logs.open_log(config)
    ends = opened.topics().ends(MATCHES_TOPIC)
    opened.close()
    behind = any(end > read.get(place, 0) for place, end in ends.items())
    return behind or bool(logs.lag(config, build.INDEX_GROUP, ALERTS_TOPIC))


def _scanned(folder: Path) -> dict[str, int]:
    """Return each correlation that `luytre scan` finds in the files, with how many events it has."""
    command = [sys.executable, "-m", "luytre", "scan", "logs", "--json", "--no-builtin"]
    command += ["--log-source", "nginx", "--config", "luytre.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=SETTLE_S)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {alert["episode"]: len(alert["events"]) for alert in found if alert["episode"]}


def _differences(config: Config, should: dict[str, int]) -> Iterator[str]:
    store = build.alert_store(config)
    everything = store.find(AlertQuery(limit=1_000_000), Scope.everything())
    store.close()
    shown = [alert for alert in everything if alert.episode]
    found = {alert.episode: len(alert.events) for alert in shown}
    if len(found) != len(shown):
        yield f"{len(shown) - len(found)} correlations are shown twice"
    for episode in sorted(should.keys() | found.keys()):
        if should.get(episode) != found.get(episode):
            yield f"correlation {episode}: {found.get(episode)} events, should be {should.get(episode)}"
    if not should:
        yield "there was nothing to correlate"
