"""Proof: on a real Kafka, kills, rebalances and broker restarts lose nothing and double nothing.

The loops run as processes of their own, as on many machines. Whatever dies is started again. Then
every line must be one archived event or one reject, every alert there once, and the ledger must
account for each number, as in ``tests.proofs.kill``.
"""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from luytre.core.config import Config, load_config
from luytre.processor import build, logs
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
    "index-a": ["index"],
    "index-b": ["index"],
}
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
    (folder / "rule.yml").write_text(RULE)
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
    return Outcome(
        kills=faults.kills,
        killed=dict(killed),
        rebalances=faults.rebalances,
        broker_restarts=faults.broker_restarts,
        lines=writer.number,
        rotations=writer.rotations,
        alerts=len(writer.marked),
        rejects=len(writer.broken),
        resent=sum(account.resent for account in build.accounts(config)),
        seconds=round(time.monotonic() - started_s, 1),
        problems=tuple(problems(config, writer)),
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
    """Wait until the ledger has every line and nothing waits to be indexed."""
    until_s = time.monotonic() + SETTLE_S
    while time.monotonic() < until_s:
        fleet.tend()
        accounts = build.accounts(config)
        done = sum(account.events + account.rejects for account in accounts)
        if done >= lines and not logs.lag(config, build.INDEX_GROUP, "alerts"):
            time.sleep(3.0)
            return
        time.sleep(1.0)
