"""Proof: an honest history raises no false alarm, whatever dies on the way.

Writers, and the signer, are killed with SIGKILL at random moments and started again; signers fail,
changes are given up half-way, anchors are torn. Afterwards the export must verify against every
anchor, and every change must stand beside its entry.
"""

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from luytre.audit.anchors import anchor_in
from luytre.audit.database import CaseDatabase
from luytre.audit.export import export
from luytre.audit.signer import Signer
from luytre.audit.signer_client import RemoteSigner
from luytre.audit.signer_process import serve
from luytre.core.clock import SystemClock
from luytre.core.errors import LuytreError
from luytre_verify.anchor import read_anchor
from luytre_verify.verify import verify
from tests.verifier.history import ADMIN, ROOM, honest

WRITERS = 2
ENTRIES = "SELECT count(*) FROM audit_entries WHERE subject LIKE 'thing:%'"


@dataclass
class Outcome:
    """What was lived through. ``problems`` must be empty."""

    histories: int
    killed: int
    kills: int
    entries: int
    problems: list[str]


def prove(histories: int, killed: int, seed: int) -> Outcome:
    """Live through so many histories, ``killed`` of them with kill -9."""
    chance = random.Random(seed)
    outcome = Outcome(histories, killed, 0, 0, [])
    shm = Path("/dev/shm")  # a kill needs no disk: the kernel keeps what was written
    for number in range(histories):
        with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as name:
            place = Path(name)
            if number < killed:
                _killed(place, chance, outcome)
            else:
                _quiet(place, chance, outcome)
    return outcome


def _quiet(place: Path, chance: random.Random, outcome: Outcome) -> None:
    """An ordinary history, verified against what was kept elsewhere."""
    history, outside = honest(place, chance)
    anchors = [kept.path for kept in outside]
    _check(place / "export", anchors, outcome)
    outcome.entries += len(history.lines)


def _killed(place: Path, chance: random.Random, outcome: Outcome) -> None:
    """A history whose writers and signer are killed and started again and again."""
    running: dict[int, Callable[[], None]] = {}
    roles = [lambda: _sign(place), *(lambda n=n: _write(place, n) for n in range(WRITERS))]
    for role in roles:
        running[_started(role)] = role
    for _ in range(chance.randint(2, 5)):
        time.sleep(chance.uniform(0.01, 0.15))
        victim = chance.choice(list(running))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        outcome.kills += 1
        role = running.pop(victim)
        running[_started(role)] = role
    for process in running:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    _settle(place, chance, outcome)


def _settle(place: Path, chance: random.Random, outcome: Outcome) -> None:
    """Open what the dead left, as the next start would, and check all of it."""
    if chance.random() < 0.3:
        _tear(place / "usb")
    cases = CaseDatabase(place / "cases.sqlite", Signer(place / "signer"), SystemClock(), [ROOM])
    with closing(cases):
        with cases.change(ADMIN) as change:  # all may have been killed before they did anything
            change.record("audit.page", "history", organization="")
        for _ in range(2):
            anchor_in(cases, ADMIN, place / "usb")
        export(cases, ADMIN, place / "export")
        things = cases.connection.execute("SELECT count(*) FROM things").get
        entries = cases.connection.execute(ENTRIES).get
        outcome.entries += cases.book.size()
    if things != entries:
        outcome.problems.append(f"{things} changes, {entries} entries")
    _check(place / "export", [place / "usb"], outcome)


def _tear(place: Path) -> None:
    """Leave at a place what a cut in the middle of anchoring would: whole lines, and a bit more."""
    for folder in place.glob("luytre-*"):
        for path in (folder / "leaves.bin", folder / "checkpoints.ndjson"):
            if path.exists():
                with path.open("ab") as stream:
                    stream.write(b'{"note":"luy')


def _check(folder: Path, anchors: list[Path], outcome: Outcome) -> None:
    report = verify(folder, [read_anchor(path) for path in anchors])
    outcome.problems += [finding.text("en") for finding in report.findings]
    if report.anchored == 0:
        outcome.problems.append("no anchor was compared")


def _started(role: Callable[[], None]) -> int:
    """Run a role in a process of its own; a fork, since a start of Python takes longer than it."""
    process = os.fork()
    if process:
        return process
    try:
        role()
    finally:
        os._exit(1)


def _sign(place: Path) -> None:
    os.close(2)  # its log
    os.open(os.devnull, os.O_WRONLY)
    serve(place / "signer", place / "s.sock", lambda: False)


def _write(place: Path, number: int) -> None:
    """Change, and now and then anchor; at times give a change up in its middle."""
    chance = random.Random()
    with closing(RemoteSigner(place / "s.sock")) as signer:
        cases = CaseDatabase(place / "cases.sqlite", signer, SystemClock(), [ROOM])
        while True:
            with suppress(LuytreError, ZeroDivisionError):
                if number == 0 and chance.random() < 0.1:
                    anchor_in(cases, ADMIN, place / "usb")
                _change(cases, chance)


def _change(cases: CaseDatabase, chance: random.Random) -> None:
    with cases.change(ADMIN_AND_ANALYST) as change:
        for _ in range(chance.choice([1, 1, 5])):
            change.connection.execute("INSERT INTO things VALUES (1)")
            change.record("thing.do", "thing:1", organization="a", after=chance.random() < 0.5)
        if chance.random() < 0.1:
            raise ZeroDivisionError


ADMIN_AND_ANALYST = type(ADMIN)("lan", ADMIN.roles | {"analyst"}, ADMIN.scope, "proof")
