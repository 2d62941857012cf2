"""Proof: kill -9 at random moments loses nothing, doubles nothing, and the ledger knows it all.

A writer appends numbered lines to files that grow and rotate, while `luytre run` is killed again
and again (the whole group, or one child). Afterwards every line must be one archived event or one
reject, every alert there once, and the ledger must account for each number.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from luytre.core.alert import AlertQuery
from luytre.core.config import Config, load_config
from luytre.core.organization import Scope
from luytre.processor import build, logs
from luytre.processor.rejects import rejects

RULE = """
title: Proof line
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a11
status: test
description: Every tenth line of the kill proof
logsource:
  category: webserver
detection:
  selection:
    cs-uri-query|contains: marked=yes
  condition: selection
level: low
"""
SETTINGS = """
data_dir: data
organization: proof
workers: 2
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
log: {partitions: 4, session_timeout_s: 3}
archive: {flush_s: 0.5}
"""
FILES, ROTATE_EVERY = 4, 400


@dataclass(slots=True)
class Writer:
    """Appends numbered lines; some match the rule, some cannot be decoded."""

    folder: Path
    chance: random.Random
    events: list[int] = field(default_factory=list)
    marked: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    rotations: int = 0
    number: int = 0

    def write(self) -> None:
        """Append a few lines to one file, at times in two pieces, and at times rotate it."""
        path = self.folder / f"app{self.chance.randrange(FILES)}.log"
        text = b"".join(self._line() for _ in range(self.chance.randint(1, 20)))
        cut = self.chance.randrange(len(text))
        for piece in (text[:cut], text[cut:]):
            with path.open("ab") as stream:
                stream.write(piece)
            if self.chance.random() < 0.3:
                time.sleep(0.01)
        if self.chance.random() < 20 / ROTATE_EVERY:
            self.rotations += 1
            path.rename(path.with_name(f"{path.name}.{self.rotations:05}"))

    def _line(self) -> bytes:
        self.number += 1
        kind = self.number % 10
        if kind == 7:
            self.broken.append(self.number)
            return b"\x00\xff broken number=%d\n" % self.number
        self.events.append(self.number)
        if kind == 3:
            self.marked.append(self.number)
        mark = "&marked=yes" if kind == 3 else ""
        minute, second = divmod(self.number // 10, 60)
        return (
            f"203.0.113.{self.number % 250} - - "
            f"[23/Nov/2026:{6 + minute // 60:02}:{minute % 60:02}:{second:02} +0000] "
            f'"GET /a?number={self.number}{mark} HTTP/1.1" 200 12 "-" "proof"\n'
        ).encode()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done and what came of it; ``problems`` must be empty."""

    kills: int
    lines: int
    rotations: int
    alerts: int
    rejects: int
    resent: int
    seconds: float
    problems: tuple[str, ...]


class House:
    """`luytre run` in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "luytre", "run", "--config", "luytre.yaml"]
        with (self.folder / "stderr.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self, chance: random.Random) -> str:
        """Kill -9 the whole group, or only one child; return which."""
        assert self.process is not None
        children = _children(self.process.pid)
        if children and chance.random() < 0.4:
            victim = chance.choice(children)
            _signal(victim, signal.SIGKILL)
            return "child"
        for pid in [self.process.pid, *children]:
            _signal(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        return "group"

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _signal(pid: int, number: int) -> None:
    if Path(f"/proc/{pid}").exists():
        os.kill(pid, number)


def prove(folder: Path, *, kills: int, seed: int) -> Outcome:
    """Kill ``kills`` times while files grow and rotate; then let everything finish, and count."""
    chance = random.Random(seed)
    started = time.monotonic()
    (folder / "logs").mkdir(parents=True)
    (folder / "rule.yml").write_text(RULE)
    (folder / "luytre.yaml").write_text(SETTINGS)
    writer = Writer(folder / "logs", random.Random(seed + 1))
    house = House(folder)
    for _ in range(kills):
        if house.process is None:
            house.start()
        until = time.monotonic() + chance.uniform(0.3, 5.0)
        while time.monotonic() < until:
            writer.write()
            time.sleep(0.02)
        house.kill(chance)
    if house.process is None:
        house.start()
    config = load_config(folder / "luytre.yaml")
    _wait_until_done(config, writer.number)
    house.stop()
    found = tuple(problems(config, writer))
    accounts = build.accounts(config)
    return Outcome(
        kills=kills,
        lines=writer.number,
        rotations=writer.rotations,
        alerts=len(writer.marked),
        rejects=len(writer.broken),
        resent=sum(account.resent for account in accounts),
        seconds=round(time.monotonic() - started, 1),
        problems=found,
    )


def _wait_until_done(config: Config, lines: int, timeout_s: float = 120.0) -> None:
    """Wait until the ledger has every line and nothing waits to be indexed."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        accounts = build.accounts(config)
        done = sum(account.events + account.rejects for account in accounts)
        if done >= lines and not logs.lag(config, build.INDEX_GROUP, "alerts"):
            time.sleep(1.0)
            return
        time.sleep(0.5)


def problems(config: Config, writer: Writer) -> Iterator[str]:
    """Yield a sentence for everything that is lost, doubled, or unaccounted for."""
    rows = build.archive(config).scan(Scope.everything()).collect()
    archived = Counter(_number(raw) for raw in rows["event.original"].to_list())
    yield from _differences("archived event", Counter(writer.events), archived)
    store = build.alert_store(config)
    alerts = store.find(AlertQuery(limit=1_000_000), Scope.everything())
    store.close()
    found = Counter(_number(alert.original) for alert in alerts if not alert.episode)
    yield from _differences("alert", Counter(writer.marked), found)
    refused = Counter(
        _number(raw) for frame in rejects(config) for raw in frame["event.original"].to_list()
    )
    yield from _differences("reject", Counter(writer.broken), refused)
    accounts = build.accounts(config)
    for name, is_now, should in (
        ("shipped", sum(a.shipped for a in accounts), writer.number),
        ("events", sum(a.events for a in accounts), len(writer.events)),
        ("rejects", sum(a.rejects for a in accounts), len(writer.broken)),
        ("pending", sum(a.pending for a in accounts), 0),
        ("missing", sum(a.missing for a in accounts), 0),
    ):
        if is_now != should:
            yield f"ledger: {name} is {is_now}, should be {should}"


def _number(raw: bytes) -> int:
    digits = raw.split(b"number=")[1]
    return int(digits[: next((i for i, c in enumerate(digits) if not 48 <= c <= 57), len(digits))])


def _differences(what: str, should: Counter[int], found: Counter[int]) -> Iterator[str]:
    for number in sorted((should - found).elements())[:5]:
        yield f"{what} {number} is lost"
    for number in sorted((found - should).elements())[:5]:
        yield f"{what} {number} is doubled or invented"


def main(kills: int, seed: int, folder: Path) -> Outcome:
    """Run the proof in ``folder``, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    outcome = prove(folder, kills=kills, seed=seed)
    sys.stderr.write(json.dumps({k: getattr(outcome, k) for k in outcome.__slots__}) + "\n")
    return outcome
