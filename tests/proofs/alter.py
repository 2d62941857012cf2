"""Proof: whatever is altered at or before the last anchor is found, and the entry is named.

Twelve kinds of alteration, by attackers of three strengths: one who changes bytes, one who knows
how to chain and sign anew, and one who has stolen the signing key as well.
"""

import json
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from luytre.audit.canonical import canonical, stamp
from luytre_verify.anchor import read_anchor
from luytre_verify.report import Report
from luytre_verify.verify import verify
from tests.verifier.history import (
    History,
    Outside,
    honest,
    key_text,
    rechain,
    resign,
    size_of,
    write,
)

HISTORY_ALTERATIONS = 200
"""How often each honest history is altered, each time anew from the honest state."""


@dataclass(frozen=True)
class Target:
    """What must be named: an entry (or it within a ``range``), or only that something is wrong."""

    seq: int = -1
    range: bool = False


@dataclass
class Scene:
    """One alteration to do: the history, how much of it is anchored, and where chance strikes."""

    history: History
    outside: Outside
    chance: random.Random

    @property
    def seq(self) -> int:
        """An entry that the anchor covers."""
        return self.chance.randrange(self.outside.size)

    def any_key(self) -> Ed25519PrivateKey:
        """The attacker's own key, or the stolen one."""
        return self.chance.choice([Ed25519PrivateKey.generate(), self.history.key])

    def sign_or_not(self, start: int) -> None:
        """Leave it as it is, chain it anew, or chain and sign it anew."""
        strength = self.chance.randrange(3)
        if strength:
            rechain(self.history, start)
        if strength > 1:
            resign(self.history, self.any_key(), start)


def flip(scene: Scene) -> Target:
    """One bit of one file, as a failing disk or a clumsy hand would."""
    history, chance = scene.history, scene.chance
    kind = chance.choice(["entry", "detail", "checkpoint", "latest", "anchor", "key"])
    match kind:
        case "entry":
            seq = scene.seq
            history.lines[seq] = flipped(history.lines[seq], chance)
            return Target(seq)
        case "detail":
            seq = scene.seq
            history.details[seq] = flipped(history.details[seq], chance)
            return Target(seq)
        case "checkpoint" if history.checkpoints:
            at = chance.randrange(len(history.checkpoints))
            history.checkpoints[at] = flipped_text(history.checkpoints[at], chance)
        case "anchor":
            at = chance.randrange(len(history.anchors))
            altered = flipped_text(history.anchors[at]["note"], chance)
            history.anchors[at] = {**history.anchors[at], "note": altered}
        case "key":
            history.key_text = flipped_text(history.key_text.strip(), chance)
        case _:
            history.latest = flipped_text(history.latest, chance)
    return Target()


def delete(scene: Scene) -> Target:
    """An entry goes, and its detail with it."""
    history, seq = scene.history, scene.seq
    del history.lines[seq]
    history.details = {n - (n > seq): d for n, d in history.details.items() if n != seq}
    scene.sign_or_not(seq)
    return Target(seq)


def insert(scene: Scene) -> Target:
    """An entry that nobody made."""
    history, seq = scene.history, scene.seq
    forged = json.loads(history.lines[scene.seq])
    forged["actor"]["user"] = "somebody-else"
    history.lines.insert(seq, canonical(forged))
    history.details = {n + (n >= seq): d for n, d in history.details.items()}
    history.details[seq] = b'{"nonce":"0"}'
    scene.sign_or_not(seq)
    return Target(seq)


def swap(scene: Scene) -> Target:
    """Two entries change places, so that the one seems to have come first."""
    history, first = scene.history, scene.seq
    second = scene.chance.choice([n for n in range(len(history.lines)) if n != first])
    lines, details = history.lines, history.details
    lines[first], lines[second] = lines[second], lines[first]
    details[first], details[second] = details[second], details[first]
    scene.sign_or_not(min(first, second))
    return Target(min(first, second))


def truncate(scene: Scene) -> Target:
    """The end goes, with every checkpoint that knew it."""
    history, seq = scene.history, scene.seq
    cut(history, seq)
    if scene.chance.random() < 0.7:
        resign(history, scene.any_key(), seq)
    return Target(seq)


def roll_back(scene: Scene) -> Target:
    """An older, once honest state takes the place of the present one."""
    older = [state for state in scene.history.older if len(state.lines) < scene.outside.size]
    if not older:
        return truncate(scene)
    scene.history = scene.chance.choice(older).copy()
    return Target(len(scene.history.lines))


def fork(scene: Scene) -> Target:
    """The past up to a point, and then another future, signed with the stolen key."""
    history, seq, length = scene.history, scene.seq, len(scene.history.lines)
    cut(history, seq)
    for number in range(seq, length + scene.chance.randint(0, 3)):
        entry = json.loads(scene.history.lines[0] if history.lines else b"{}") or {}
        entry |= {"action": "thing.do", "subject": f"thing:{number}", "seq": number}
        history.lines.append(canonical(entry | BLANK))
        history.details[number] = b'{"after":"forged","nonce":"1"}'
    rechain(history, seq)
    resign(history, history.key, seq)
    return Target(seq)


def re_sign(scene: Scene) -> Target:
    """One word of an entry is changed, and all is signed anew with another key."""
    history, seq = scene.history, scene.seq
    entry = json.loads(history.lines[seq])
    entry["organization"] += "-x"
    history.lines[seq] = canonical(entry)
    rechain(history, seq)
    resign(history, Ed25519PrivateKey.generate(), scene.chance.choice([0, seq]))
    return Target(seq)


def shift_time(scene: Scene) -> Target:
    """An entry, or all from it on, is said to have been at another time."""
    history, seq = scene.history, scene.seq
    last = scene.chance.choice([seq + 1, len(history.lines)])
    by = timedelta(seconds=scene.chance.choice([-86_400, -1, -1e-6, 1e-6, 60, 7 * 86_400]))
    for number in range(seq, last):
        entry = json.loads(history.lines[number])
        entry["at"] = stamp(datetime.fromisoformat(entry["at"]) + by)
        history.lines[number] = canonical(entry)
    scene.sign_or_not(seq)
    return Target(seq)


def swap_key(scene: Scene) -> Target:
    """Another key signs everything, and the history says that it always did."""
    history, key = scene.history, Ed25519PrivateKey.generate()
    history.key_text = key_text(history, key)
    start = 0
    if scene.chance.random() < 0.5:
        first = json.loads(history.lines[0])
        first["subject"] = f"key:{history.key_text.strip()}"
        history.lines[0] = canonical(first)
        rechain(history, 0)
        start = -1
    resign(history, key)
    return Target(0 if start else -1)


def replay_checkpoint(scene: Scene) -> Target:
    """An older checkpoint is shown as the newest: alone, or over an altered tail."""
    history = scene.history
    notes = [*history.checkpoints, *(anchor["note"] for anchor in history.anchors)]
    notes += [state.latest for state in history.older]
    history.latest = scene.chance.choice(notes)
    history.checkpoints = [n for n in history.checkpoints if size_of(n) < size_of(history.latest)]
    if scene.chance.random() < 0.5 and size_of(history.latest) < scene.outside.size:
        seq = scene.chance.randrange(size_of(history.latest), scene.outside.size)
        entry = json.loads(history.lines[seq])
        entry["actor"]["user"] = "nobody"
        history.lines[seq] = canonical(entry)
        rechain(history, seq)
        return Target(seq)
    return Target(len(history.lines) - 1, range=True)


def strip_anchor(scene: Scene) -> Target:
    """An anchor's copy goes from the export; or the newest checkpoint from the place itself."""
    history, path = scene.history, scene.outside.path
    if scene.outside.exact and scene.chance.random() < 0.5:
        stripped = path.with_name("stripped")
        shutil.copytree(path, stripped, dirs_exist_ok=True)
        (listed,) = stripped.glob("*/checkpoints.ndjson")
        listed.write_bytes(b"".join(listed.read_bytes().splitlines(keepends=True)[:-1]))
        scene.outside = replace(scene.outside, path=stripped)
        places = [anchor["seq"] for anchor in history.anchors if anchor["place"] == str(path)]
        return Target(places[-1])
    gone = history.anchors.pop(scene.chance.randrange(len(history.anchors)))
    return Target(gone["seq"])


KINDS: dict[str, Callable[[Scene], Target]] = {
    "flip": flip,
    "delete": delete,
    "insert": insert,
    "swap": swap,
    "truncate": truncate,
    "roll back": roll_back,
    "fork": fork,
    "re-sign": re_sign,
    "shift time": shift_time,
    "swap key": swap_key,
    "replay checkpoint": replay_checkpoint,
    "strip anchor": strip_anchor,
}
BLANK = {
    "actor": {"address": "", "roles": ["analyst"], "user": "lan", "via": "x"},
    "at": "2026-01-09T00:00:00.000000Z", "boot": "", "change": "0", "detail": "",
    "monotonic_us": 0, "organization": "a", "previous": "", "v": 1,
}  # fmt: skip


def cut(history: History, size: int) -> None:
    """Take away all from entry ``size`` on, and whatever knows of it."""
    history.lines = history.lines[:size]
    history.details = {n: d for n, d in history.details.items() if n < size}
    history.anchors = [a for a in history.anchors if a["seq"] < size and a["size"] <= size]
    notes = sorted((n for n in history.notes if size_of(n) <= size), key=size_of)
    history.checkpoints, history.latest = notes[:-1], notes[-1] if notes else ""


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Flip one bit; a line stays a line, since a line end more is an insertion."""
    while True:
        at, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
        altered = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
        if b"\n" not in altered:
            return altered


def flipped_text(text: str, chance: random.Random) -> str:
    """Replace one letter of a checkpoint or a key by another."""
    at = chance.randrange(len(text))
    return text[:at] + chance.choice([c for c in "AZaz09+/=\n" if c != text[at]]) + text[at + 1 :]


@dataclass
class Outcome:
    """What was tried, and each alteration that was not found or not named."""

    alterations: dict[str, int]
    histories: int
    missed: list[str]
    unnamed: list[str]


def prove(count: int, seed: int) -> Outcome:
    """Alter honest histories ``count`` times, the twelve kinds in turn."""
    chance = random.Random(seed)
    outcome = Outcome({}, 0, [], [])
    shm = Path("/dev/shm")  # nothing here has to outlive the proof
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as name:
        done = 0
        while done < count:
            place = Path(name) / f"history-{outcome.histories}"
            place.mkdir()
            history, outside = honest(place, chance)
            outcome.histories += 1
            for _ in range(min(HISTORY_ALTERATIONS, count - done)):
                kind = list(KINDS)[done % len(KINDS)]
                scene = Scene(history.copy(), chance.choice(outside), chance)
                _one(kind, scene, place, outcome, history)
                done += 1
    return outcome


def _one(kind: str, scene: Scene, place: Path, outcome: Outcome, before: History) -> None:
    kept = scene.outside
    target = KINDS[kind](scene)
    if scene.history == before and scene.outside == kept:
        return
    anchor = read_anchor(scene.outside.path)
    outcome.alterations[kind] = outcome.alterations.get(kind, 0) + 1
    report = verify(write(scene.history, place / "altered"), [anchor])
    label = f"{kind} at entry {target.seq} of {len(before.lines)}, {anchor.name}"
    if report.whole:
        outcome.missed.append(label)
    elif not is_named(report, target, exact=kept.exact):
        outcome.unnamed.append(f"{label}: {[f.text('en') for f in report.findings][:4]}")


def is_named(report: Report, target: Target, *, exact: bool) -> bool:
    """Tell whether the entry is named: with the leaves kept elsewhere, itself or a neighbour."""
    if target.seq < 0:
        return True
    if not exact or target.range:
        return report.names(target.seq)
    return any(
        f.first == target.seq or f.first <= target.seq <= f.last <= f.first + 1
        for f in report.findings
    )
