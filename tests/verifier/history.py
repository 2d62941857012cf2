"""An honest history with everything an attacker may get at: its files, its key, its older states."""

import base64
import json
import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from luytre.audit import merkle
from luytre.audit.anchors import anchor_in, anchor_page
from luytre.audit.canonical import canonical
from luytre.audit.database import CaseDatabase, Room
from luytre.audit.export import export
from luytre.audit.notes import Checkpoint, VerifierKey, note, parse_note, sign
from luytre.audit.signer import Signer
from luytre.core.actor import Actor
from luytre.core.clock import ManualClock
from luytre.core.organization import Scope

ROOM = Room("proof", ["CREATE TABLE things (n INTEGER)"], {"thing.do": "triage"})
ADMIN = Actor("root", frozenset({"admin", "auditor"}), Scope.everything(), "proof")
TEXTS = [
    "",
    "Đã xử lý",
    '"; DROP TABLE',
    "a\\b\tc\nd",
    "=cmd|'/C calc'!A0",
    "\u202e\x1b[31m",
    "x" * 300,
]


@dataclass
class History:
    """The files of an export, taken apart. ``key`` signs; an attacker may have stolen it."""

    lines: list[bytes]
    details: dict[int, bytes]
    checkpoints: list[str]
    latest: str
    anchors: list[dict[str, Any]]
    key_text: str
    origin: str
    key: Ed25519PrivateKey
    older: "list[History]" = field(default_factory=list)

    def copy(self) -> "History":
        mine = replace(self, older=[], key=None)  # type: ignore[arg-type]
        return replace(deepcopy(mine), older=self.older, key=self.key)

    @property
    def notes(self) -> list[str]:
        return [*self.checkpoints, self.latest]


@dataclass(frozen=True)
class Outside:
    """What was kept elsewhere: where it lies, how many entries it covers, and if it has leaves."""

    path: Path
    size: int
    exact: bool


def read(folder: Path, key: Ed25519PrivateKey) -> History:
    details = [line.split(b"\t", 1) for line in (folder / "details.tsv").read_bytes().splitlines()]
    return History(
        lines=(folder / "entries.ndjson").read_bytes().split(b"\n")[:-1],
        details={int(number): detail for number, detail in details},
        checkpoints=[
            json.loads(line)["note"]
            for line in (folder / "checkpoints.ndjson").read_text().splitlines()
        ],
        latest=(folder / "checkpoint").read_text(),
        anchors=[json.loads(line) for line in (folder / "anchors.ndjson").read_text().splitlines()],
        key_text=(folder / "key.txt").read_text(),
        origin=(folder / "key.txt").read_text().split("+", maxsplit=1)[0],
        key=key,
    )


def write(history: History, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "entries.ndjson").write_bytes(b"".join(line + b"\n" for line in history.lines))
    (folder / "details.tsv").write_bytes(
        b"".join(b"%d\t%b\n" % item for item in sorted(history.details.items()))
    )
    (folder / "checkpoints.ndjson").write_bytes(
        b"".join(canonical({"note": text}) + b"\n" for text in history.checkpoints)
    )
    (folder / "checkpoint").write_text(history.latest)
    (folder / "anchors.ndjson").write_bytes(
        b"".join(canonical(anchor) + b"\n" for anchor in history.anchors)
    )
    (folder / "key.txt").write_text(history.key_text)
    return folder


def size_of(text: str) -> int:
    return parse_note(text)[0].size


def root(lines: Sequence[bytes]) -> bytes:
    nodes: dict[tuple[int, int], bytes] = {}
    for size, line in enumerate(lines):
        leaf = merkle.leaf_hash(line)
        for level, number, hash_ in merkle.grown(size, leaf, lambda lv, n: nodes[lv, n]):
            nodes[level, number] = hash_
    return merkle.root(len(lines), lambda lv, n: nodes[lv, n])


def rechain(history: History, start: int) -> None:
    """Number and chain the entries anew from ``start`` on, as an attacker who knows how would."""
    previous = merkle.leaf_hash(history.lines[start - 1]) if start else bytes(32)
    for seq in range(start, len(history.lines)):
        entry = json.loads(history.lines[seq])
        entry["seq"], entry["previous"] = seq, previous.hex()
        if seq in history.details:
            entry["detail"] = sha256(history.details[seq]).hexdigest()
        history.lines[seq] = canonical(entry)
        previous = merkle.leaf_hash(history.lines[seq])


def resign(history: History, key: Ed25519PrivateKey, start: int = 0) -> None:
    """Sign every checkpoint beyond ``start`` entries anew; what is too long for them goes."""
    size = len(history.lines)

    def signed(at: int) -> str:
        checkpoint = Checkpoint(history.origin, at, root(history.lines[:at]))
        return note(checkpoint, sign(checkpoint, history.origin, key))

    def again(text: str) -> str:
        return signed(size_of(text)) if size_of(text) > start else text

    history.checkpoints = [again(text) for text in history.checkpoints if size_of(text) <= size]
    history.latest = signed(size)
    kept = [a for a in history.anchors if a["size"] <= size and a["seq"] < size]
    history.anchors = [{**anchor, "note": again(anchor["note"])} for anchor in kept]


def key_text(history: History, key: Ed25519PrivateKey) -> str:
    return str(VerifierKey(history.origin, key.public_key().public_bytes_raw())) + "\n"


def honest(folder: Path, chance: random.Random) -> tuple[History, list[Outside]]:
    """Live through a history in ``folder``; return its export and what was kept elsewhere."""
    clock, signer = ManualClock(), Signer(folder / "signer")
    cases = CaseDatabase(folder / "cases.sqlite", signer, clock, [ROOM])
    secret = json.loads((folder / "signer" / "signer.json").read_bytes())["secret"]
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret))
    older: list[History] = []
    outside: list[Outside] = []
    for turn in range(chance.randint(6, 14)):
        _work(cases, clock, chance)
        if turn == 2:
            anchor_in(cases, ADMIN, folder / "usb")
        if turn in {3, 5}:
            outside.append(_keep(cases, folder, clock, exact=turn == 5))
        if chance.random() < 0.4:
            export(cases, ADMIN, folder / f"older-{turn}")
            older.append(read(folder / f"older-{turn}", key))
    _work(cases, clock, chance)
    export(cases, ADMIN, folder / "export")
    cases.close()
    return replace(read(folder / "export", key), older=older), outside


def _work(cases: CaseDatabase, clock: ManualClock, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 5)):
        clock.advance(chance.choice([0, 0.1, 5, 1800, 4000]))
        actor = Actor(
            chance.choice(["lan", "minh"]), frozenset({"analyst"}), Scope.everything(), "x"
        )
        with cases.change(actor) as change:
            for _ in range(chance.choice([1, 1, 1, 4])):
                number = chance.randrange(100)
                change.connection.execute("INSERT INTO things VALUES (?)", (number,))
                change.record(
                    "thing.do", f"thing:{number}", organization="a", after=chance.choice(TEXTS)
                )


def _keep(cases: CaseDatabase, folder: Path, clock: ManualClock, *, exact: bool) -> Outside:
    if exact:
        return Outside(folder / "usb", anchor_in(cases, ADMIN, folder / "usb"), exact=True)
    page = folder / "page.txt"
    page.write_text(anchor_page(cases, ADMIN, clock.now()))
    return Outside(page, int(page.read_text().splitlines()[4]), exact=False)
