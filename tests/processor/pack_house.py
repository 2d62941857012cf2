"""An installation whose incident is packed, and ways to alter a pack."""

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from luytre.audit.database import CaseDatabase
from luytre.audit.signer import Signer
from luytre.cases.decide import Decisions
from luytre.cases.model import STATES, IncidentQuery
from luytre.cases.read import Incidents
from luytre.core.actor import Actor
from luytre.core.clock import SystemClock
from luytre.core.organization import Scope
from luytre.processor.build import alert_store, archive
from luytre.processor.case_host import ROOMS
from luytre.processor.kept import Kept
from luytre.processor.pack import Packed, Rooms, pack
from luytre.processor.places import Places
from luytre.simulator import prepare, simulate
from tests.proofs import week_logs, week_run

ALL = Scope.everything()
ADMIN = Actor("root", frozenset({"analyst", "auditor", "admin"}), ALL, "test")
GUESSED = """
title: Guessed
id: 0c0d2a5e-51cf-4cbb-9d0a-cb2a0f3d9b11
name: guessed
status: test
logsource: {product: linux, service: sshd}
detection: {s: {event.outcome: failure, user.name: root}, condition: s}
level: low
---
title: Root's password was guessed
id: 7e9d1d35-2d7a-4a0f-a3b0-7d6a3a2a9a41
status: test
correlation:
  type: event_count
  rules: [guessed]
  group-by: [source.ip]
  timespan: 10m
  condition: {gte: 4}
  generate: true
level: high
"""
HIDDEN = """
title: Nobody
id: 5d9f7c0e-0b1f-4f38-8f6e-9a6c53f3f001
status: test
logsource: {product: linux, service: sshd}
filter:
  rules: [guessed]
  s: {user.name: nobody}
  condition: not s
"""


@dataclass
class House:
    """An installation that has lived through ten minutes with five attacks."""

    folder: Path
    rooms: Rooms
    attacked: int

    def packed(self, target: Path, actor: Actor = ADMIN) -> Packed:
        return pack(self.rooms, actor, self.attacked, target)


@contextmanager
def lived(folder: Path) -> Iterator[House]:
    """Let ten minutes of the province pass in ``folder``."""
    rules = folder / "rules"
    rules.mkdir()
    (rules / "guessed.yml").write_text(GUESSED)
    (rules / "hidden.yml").write_text(HIDDEN)
    truth = simulate(folder / "province", seed=1, start=week_logs.START, minutes=10, rate=0.05)
    prepare(folder / "province", folder)
    arriving = {
        file: [
            (0.0, line)
            for line in (folder / "province" / file).read_bytes().splitlines(keepends=True)
        ]
        for file in truth.events
    }
    logs = week_logs.Logs(folder / "province", truth, arriving, 600)
    config = week_run.run(folder, logs, (rules,), step_s=600)
    places, clock = Places(config.data_dir), SystemClock()
    with (
        closing(CaseDatabase(places.cases, Signer(places.signer), clock, ROOMS)) as cases,
        closing(alert_store(config)) as alerts,
        closing(Kept(places.kept)) as kept,
    ):
        query = IncidentQuery(states=STATES, entity="203.0.113.150")
        [attacked] = Incidents(cases).find(query, ALL)
        decisions = Decisions(cases, clock)
        decisions.assign(ADMIN, attacked.id, "lan")
        decisions.comment(ADMIN, attacked.id, "Đã chặn địa chỉ; <b>$(id)</b> \x1b[2J ../../x")
        yield House(folder, Rooms(cases, alerts, archive(config), kept), attacked.id)


Files = dict[str, bytes]


def first(files: Files, folder: str) -> str:
    return min(name for name in files if name.startswith(folder))


def changed(folder: str, what: bytes, into: bytes) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        name = first(files, folder)
        assert what in files[name]
        files[name] = files[name].replace(what, into, 1)

    return change


def flipped(folder: str) -> Callable[[Files], None]:
    def flip(files: Files) -> None:
        name = first(files, folder)
        files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]

    return flip


def gone(folder: str) -> Callable[[Files], None]:
    def remove(files: Files) -> None:
        del files[first(files, folder)]

    return remove


def added(files: Files) -> None:
    files["raw/one-more"] = b"planted"


def remade(change: Callable[[Files], None]) -> Callable[[Files], None]:
    """Change, and make the manifest say that this is what was packed."""

    def forge(files: Files) -> None:
        change(files)
        manifest = json.loads(files["pack.json"])
        kept = {n: d for n, d in files.items() if n != "pack.json" and not n.startswith("custody/")}
        manifest["files"] = {
            n: {"bytes": len(d), "sha256": sha256(d).hexdigest()} for n, d in kept.items()
        }
        files["pack.json"] = json.dumps(manifest, sort_keys=True).encode()

    return forge


def files(path: Path) -> Files:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def evidence(path: Path) -> Files:
    return {n: d for n, d in files(path).items() if not n.startswith("custody/")}


def written(files: Files, target: Path) -> Path:
    """Write files as a zip, by their names whatever these are."""
    with zipfile.ZipFile(target, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return target
