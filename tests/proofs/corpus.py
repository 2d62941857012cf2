"""Proof: on every event of the corpora the engine says what the reference says.

The reference is asked about each file once; its answers lie in ``.proofs/corpus`` and their digest
in ``docs/evidence/reference.json``, with which the engine alone is compared::

    python -m tests.proofs.corpus reference   # 10 minutes; a file that is done stays done
    python -m tests.proofs.corpus engine      # 2 minutes; exit code 1 if a digest differs
"""

import hashlib
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detections.load import load_rules
from detections.match import Engine
from detections.plan import build_plan
from detections.reference import Reference, needed_columns
from luytre.core.clock import SystemClock
from tests.archives import ROOT, unpack
from tests.proofs import sigma

CORPORA = {
    "evtx": ("evtx-attack", "evtx-hosts", "sigma-regression"),
    "mordor": ("mordor",),
    "zeek": ("zeek",),
    "linux": ("linux-audit", "misc-text"),
    "cloud": ("cloud",),
    "network": ("suricata", "web-access"),
}
"""Which archives of real logs are compared, by kind."""
NO_LOGS = frozenset({".golden", ".yaml", ".yml", ".md"})
PIECES = ROOT / ".proofs" / "corpus"
KEPT = ROOT / "docs" / "evidence" / "reference.json"
SMALL_BYTES = 2**20

Get = Callable[[str], Path]


@dataclass(frozen=True, slots=True)
class Log:
    """One file of a corpus; ``name`` says it without where it was unpacked."""

    corpus: str
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What one side says about a file: how many events, and every hit as (rule, event id)."""

    events: int
    rejects: int
    hits: tuple[sigma.Hit, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """The answers about all files of a corpus."""

    files: int
    events: int
    rejects: int
    hits: int
    rules_hit: int
    digest: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where both sides differ on some files, and how many events and hits these have."""

    wrong: list[str]
    events: int
    hits: int


def logs(get: Get, corpora: Sequence[str] = tuple(CORPORA)) -> Iterator[Log]:
    """Yield every log file of the corpora, in order."""
    for corpus in corpora:
        for archive in CORPORA[corpus]:
            root = get(archive)
            only = "*.evtx" if corpus == "evtx" else "*"
            for path in sorted(root.rglob(only)):
                if path.is_file() and path.suffix not in NO_LOGS:
                    yield Log(corpus, f"{archive}/{path.relative_to(root).as_posix()}", path)


class Sides:
    """Both evaluators over the same rules and the same decoded events."""

    def __init__(self, folders: Sequence[Path]) -> None:
        rules = load_rules(folders, builtin=False).rules
        plan, _ = build_plan(rules)
        self._ids = [rule.card.id for rule in plan.rules]
        self._engine = Engine(plan, SystemClock())
        self._reference = Reference(rules)
        self._rules = rules

    def reference(self, path: Path) -> Answer:
        """Return what the reference says about a file, with the columns that it asks for."""
        events = rejects = 0
        hits: set[sigma.Hit] = set()
        for batch in sigma.batches(
            path, lambda part: needed_columns(self._rules, part) | frozenset(part.constants)
        ):
            events, rejects = events + batch.events.height, rejects + batch.rejects.height
            hits |= self._reference.hits(batch)
        return Answer(events, rejects, tuple(sorted(hits)))

    def engine(self, path: Path) -> Answer:
        """Return what the engine says about a file, with the columns that it asks for."""
        events = rejects = 0
        hits: set[sigma.Hit] = set()
        for batch in sigma.batches(path, self._engine.needed):
            events, rejects = events + batch.events.height, rejects + batch.rejects.height
            ids = batch.events["event.id"].to_list()
            hits |= {(self._ids[rule], ids[row]) for row, rule in self._engine.hits(batch)}
        return Answer(events, rejects, tuple(sorted(hits)))


def answered(log: Log, ask: Callable[[Path], Answer]) -> Answer:
    """Return the reference's answer about a file, from its piece if that was done before."""
    piece = PIECES / f"{hashlib.sha256(log.name.encode()).hexdigest()[:24]}.json"
    if not piece.exists():
        answer = ask(log.path)
        piece.parent.mkdir(parents=True, exist_ok=True)
        made = piece.with_suffix(".part")
        made.write_text(json.dumps({"name": log.name, **asdict(answer)}))
        made.replace(piece)
        sys.stderr.write(f"{answer.events:>8} {len(answer.hits):>6} {log.name}\n")
    kept = json.loads(piece.read_text())
    return Answer(kept["events"], kept["rejects"], tuple(map(tuple, kept["hits"])))


def totals(found: Sequence[Log], ask: Callable[[Log], Answer]) -> dict[str, Total]:
    """Return what one side says about each corpus."""
    result = {}
    for corpus in dict.fromkeys(log.corpus for log in found):
        answers = [ask(log) for log in found if log.corpus == corpus]
        hits = {hit for answer in answers for hit in answer.hits}
        result[corpus] = Total(
            len(answers),
            sum(answer.events for answer in answers),
            sum(answer.rejects for answer in answers),
            len(hits),
            len({rule for rule, _ in hits}),
            sigma.digest(hits),
        )
    return result


def differences(ours: dict[str, Total], kept: dict[str, dict[str, object]]) -> list[str]:
    """Return a sentence for every corpus on which the engine and the kept digest differ."""
    return [
        f"{corpus}: the engine finds {total.hits} hits in {total.events} events (digest"
        f" {total.digest[:16]}), the reference {kept[corpus]['hits']} in"
        f" {kept[corpus]['events']} ({str(kept[corpus]['digest'])[:16]})"
        for corpus, total in ours.items()
        if asdict(total) != kept[corpus]
    ]


def compare(found: Sequence[Log], folders: Sequence[Path]) -> Outcome:
    """Ask both sides about some files now."""
    sides = Sides(folders)
    wrong, events, hits = [], 0, 0
    for log in found:
        engine, reference = sides.engine(log.path), sides.reference(log.path)
        events, hits = events + reference.events, hits + len(reference.hits)
        if engine != reference:
            odd = set(engine.hits) ^ set(reference.hits)
            wrong.append(f"{log.name}: {len(odd)} hits differ: {sorted(odd)[:3]}")
    return Outcome(wrong, events, hits)


def sample(found: Sequence[Log], *, seed: int, count: int) -> list[Log]:
    """Return a seeded choice of small files: so many of each corpus, or all that there are."""
    chosen = []
    for corpus in dict.fromkeys(log.corpus for log in found):
        small = [
            log
            for log in found
            if log.corpus == corpus and 0 < log.path.stat().st_size < SMALL_BYTES
        ]
        chosen += random.Random(seed).sample(small, min(count, len(small)))
    return chosen


def ask_reference(get: Get) -> dict[str, Any]:
    """Ask the reference about everything that it was not asked before, and keep the digests."""
    sides = Sides(sigma.main_rules(get))
    found = totals(list(logs(get)), lambda log: answered(log, sides.reference))
    kept = {corpus: asdict(total) for corpus, total in found.items()}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    return kept


def ask_engine(get: Get) -> dict[str, Any]:
    """Ask the engine about everything; return its totals, and where they are not the kept ones."""
    sides = Sides(sigma.main_rules(get))
    ours = totals(list(logs(get)), lambda log: sides.engine(log.path))
    wrong = differences(ours, json.loads(KEPT.read_text()))
    return {"totals": {c: asdict(total) for c, total in ours.items()}, "differences": wrong}


def main(side: str) -> int:
    """Ask one side about everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def get(archive: str) -> Path:
            return unpack(archive, folder / archive)

        if side == "reference":
            ask_reference(get)
            return 0
        found = ask_engine(get)
    for corpus, total in found["totals"].items():
        sys.stdout.write(f"{corpus}: {total}\n")
    for line in found["differences"]:
        sys.stdout.write(f"{line}\n")
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
