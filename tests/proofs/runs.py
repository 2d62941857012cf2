"""Proof: kill -9 during runs never repeats what must not be repeated, and forgets no approval.

A loop does the steps of runs against servers that count what they receive, and is killed at random
moments. Meanwhile a person, in another process, starts runs, agrees, answers, and settles unknown
steps after looking at the servers.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from luytre.audit.database import CaseDatabase
from luytre.audit.signer_client import RemoteSigner
from luytre.audit.signer_process import serve
from luytre.cases.clocks import read_profiles
from luytre.core.actor import Actor
from luytre.core.clock import SystemClock
from luytre.core.config_playbooks import PlaybooksConfig
from luytre.core.errors import Refused
from luytre.core.organization import Scope
from luytre.core.yamlfile import Document
from luytre.processor.case_desk import CaseDesk
from luytre.processor.case_host import ROOMS
from playbooks.actions import Actions, Services
from playbooks.load import read_playbook
from playbooks.run_rows import Step
from playbooks.runner import ACTOR, Runner
from playbooks.runs import Runs
from tests.playbooks.case import manual, ours, person, playbook
from tests.playbooks.servers import Recorder, web

LAN, NAM = person("lan"), person("nam")
RUNNING_MIN = 4
HERE = ("127.0.0.0/8",)
TEST = playbook(
    ours("send-message", channel="duty", text="a"),
    manual("Look"),
    ours("isolate-host", host="pc-1", edr="edr"),
    ours("http-request", method="POST", url="{base}/hook", body={"a": "b"}),
    ours("block-address", address="203.0.113.9", firewall="fw"),
    ours("open-ticket", system="itop", title="t", text="x"),
    ours("start-clock", clock="report-72h"),
)


@dataclass
class Outcome:
    """What came of it."""

    kills: int = 0
    runs: int = 0
    requests: int = 0
    unknown: int = 0
    approvals: int = 0
    problems: list[str] = field(default_factory=list)


class QuickClock(SystemClock):
    """The machine's clock, for a loop that never sleeps long: kills should hit work."""

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.005))


class House:
    """The case database and the runs of one process."""

    def __init__(self, folder: Path, base: str) -> None:
        clock = QuickClock()
        self._signer = RemoteSigner(folder / "socket")
        self.cases = CaseDatabase(folder / "cases.sqlite", self._signer, clock, ROOMS)
        there = {"url": f"{base}/hook", "networks": HERE}
        settings = PlaybooksConfig.model_validate({
            "http": (there,), "channels": ({"name": "duty", **there},), "isolation": ({"name": "edr", **there},),
            "tickets": ({"name": "itop", **there},), "fortigates": ({"name": "fw", "url": base, "networks": HERE},),
        })  # fmt: skip
        desk = CaseDesk(self.cases, clock, ACTOR, read_profiles())
        actions = Actions(settings, Services(clock, desk=desk))
        self.runs = Runs(self.cases, clock, actions, desk)
        self.runner = Runner(self.runs, actions, clock, settings.approvals)

    def close(self) -> None:
        self.cases.close()
        self._signer.close()


def prove(folder: Path, kills: int, seed: int) -> Outcome:
    """Kill a loop ``kills`` times, let it end its work, and compare with what the servers got."""
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(seed)
    state: set[str] = set()

    def reply(seen: Recorder, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        # Time in which a kill leaves the loop not knowing what the server did.
        time.sleep(dice.uniform(0, 0.01))
        if path == "/seen":
            keys = {
                headers.get("Idempotency-Key")
                for _, at, headers, _ in seen.requests
                if at == "/hook"
            }
            return 200, json.dumps(json.loads(body) in keys).encode()
        return _firewall(state, method, path, body)

    with web(reply) as server, _signed(folder):
        base = server.url
        argv = [sys.executable, "-m", "tests.proofs.runs", str(folder), base, str(kills), str(seed)]
        nursery = subprocess.run(argv, check=False, capture_output=True, text=True)
        if nursery.returncode:
            return Outcome(problems=[nursery.stderr[-2000:]])
        outcome = Outcome(**json.loads(nursery.stdout))
        received = Counter(
            headers["Idempotency-Key"] for _, path, headers, _ in server.requests if path == "/hook"
        )
        outcome.requests = sum(received.values())
        outcome.problems += _compare(folder, base, received)
    return outcome


def _firewall(state: set[str], method: str, path: str, body: bytes) -> tuple[int, bytes]:
    path = path.split("?", maxsplit=1)[0]
    if path == "/hook":
        return 200, b"{}"
    if method == "POST":
        state.add(f"{path}/{json.loads(body)['name']}")
    return (200 if method == "POST" or path in state else 404), b"{}"


def _compare(folder: Path, base: str, received: Counter[str]) -> list[str]:
    """Return every step whose state is not what its server saw."""
    house = House(folder, base)
    problems = [f"received {n} times: {key}" for key, n in received.items() if n > 1]
    for run in house.runs.rows.runs(Scope.everything()):
        steps = house.runs.rows.steps(run.id)
        problems += [p for step in steps if (p := _problem(house, step, received))]
        if run.status != "done":
            problems.append(f"run {run.id} is {run.status}: {[s.state for s in steps]}")
    house.close()
    return problems


def _problem(house: House, step: Step, received: Counter[str]) -> str:
    counted = step.action in {"send-message", "isolate-host", "http-request", "open-ticket"}
    seen = received[f"{step.run}/{step.key}"]
    if counted and step.state == "done" and seen != 1:
        return f"{step.action} is done and was received {seen} times"
    agreed = sum(a.answer == "yes" for a in house.runs.rows.approvals(step))
    if step.state == "done" and agreed < step.wanted:
        return f"{step.action} was done with {agreed} of {step.wanted} approvals"
    return ""


class _signed:  # noqa: N801 - reads as what it does
    """The signer, in a thread of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._over = folder, threading.Event()

    def __enter__(self) -> None:
        args = (self._folder / "signer", self._folder / "socket", self._over.is_set)
        self._thread = threading.Thread(target=serve, args=args, daemon=True)
        self._thread.start()
        client = RemoteSigner(self._folder / "socket")
        while not client.answers():
            time.sleep(0.02)
        client.close()

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()


def _loop(folder: Path, base: str) -> None:
    house = House(folder, base)
    house.runner.run(lambda: False)


class Person:
    """Starts runs, agrees, answers, and looks at the servers where a step is unknown."""

    def __init__(
        self, folder: Path, base: str, outcome: Outcome, said: set[tuple[str, str, str]]
    ) -> None:
        self._house, self._outcome, self._said = House(folder, base), outcome, said
        self._base = base
        self._playbook = json.loads(json.dumps(TEST.document.data).replace("{base}", base))
        self._rows = self._house.runs.rows

    def act(self, *, start: bool) -> bool:
        """Do what waits; tell whether anything is still running."""
        running = self._rows.runs(Scope.everything(), running=True)
        if start and len(running) < RUNNING_MIN:
            self._start()
        for run in running:
            for step in self._rows.steps(run.id, "asked", "approval", "unknown", "failed"):
                self._settle(run, step)
        return bool(running)

    def check(self) -> None:
        """Find every approval that was confirmed to a person."""
        for run, key, user in self._said:
            step = self._rows.step(run, key)
            if user not in {a.user for a in self._rows.approvals(step)}:
                self._outcome.problems.append(f"lost: {user} agreed to {run} {key}")

    def close(self) -> None:
        self._house.close()

    def _start(self) -> None:
        loaded, faults = read_playbook(Document(Path("p.yml"), self._playbook))
        assert loaded is not None, faults
        known = {loaded.playbook.id: loaded}
        self._house.runs.start(LAN, known, loaded.playbook.id, {}, organization="tinh")
        self._outcome.runs += 1

    def _settle(self, run: Any, step: Step) -> None:
        runs = self._house.runs
        match step.state:
            case "asked":
                runs.answer(LAN, run, step.key, {})
            case "approval":
                for someone in (LAN, NAM):
                    self._agree(run, step, someone)
            case "unknown":
                self._outcome.unknown += 1
                happened = self._seen(f"{step.run}/{step.key}")
                runs.decide(NAM, run, step.key, "happened" if happened else "again")
            case "failed":
                self._outcome.problems.append(f"{step.action} failed: {step.result}")
                runs.decide(NAM, run, step.key, "skip")

    def _agree(self, run: Any, step: Step, someone: Actor) -> None:
        try:
            self._house.runs.approve(someone, run, step.key, agree=True)
        except Refused:
            # One agreement was enough, or this one is kept since before a kill.
            return
        self._said.add((run.id, step.key, someone.user))
        self._outcome.approvals += 1

    def _seen(self, key: str) -> bool:
        """Ask whoever runs the server, when what was on its way must have arrived."""
        time.sleep(0.1)
        with urllib.request.urlopen(f"{self._base}/seen", json.dumps(key).encode(), 10) as answer:
            return bool(json.load(answer))


def nursery(folder: Path, base: str, kills: int, seed: int) -> Outcome:
    """Start the loop and kill it, again and again, while a person works."""
    dice = random.Random(seed)
    outcome, said = Outcome(), set[tuple[str, str, str]]()
    for turn in range(kills + 1):
        last = turn == kills
        child = os.fork()
        if not child:
            _loop(folder, base)
            os._exit(0)
        human = Person(folder, base, outcome, said)
        until = time.monotonic() + (60 if last else dice.uniform(0.01, 0.5))
        while human.act(start=not last) or not last:
            if time.monotonic() > until:
                break
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        outcome.kills += not last
        human.check()
        human.close()
    return outcome


if __name__ == "__main__":
    place, at, count, start = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    # No thread may run here: children are forked.
    print(json.dumps(asdict(nursery(place, at, count, start))))  # noqa: T201 - to the parent
