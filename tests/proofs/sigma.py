"""Proof: every regression case of SigmaHQ fires.

Logs go through the very path that `luytre scan` takes: file, message, intake, engine.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from detections.load import load_rules
from detections.match import Engine
from detections.plan import build_plan
from ingest.intake import Intake
from ingest.shippers.files import read_file
from luytre.core.batch import Batch
from luytre.core.clock import SystemClock
from luytre.core.config import ShipConfig
from luytre.core.message import Record

MAIN_FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
RECORDS_MAX = 20

UNDERCOUNTED = {
    "0b9ad457-2554-44c1-82c2-d56a99c42377": 3,  # three AnyDesk files are written in the log
    "8fbf3271-1ef6-4e94-8210-03c2317947f6": 3,  # procdump.exe, procdump64.exe, procdump64a.exe
    "45e112d0-7759-4c2a-aa36-9f8fb79d3393": 3,  # http, https and * below one zone
    "c7dcacd0-cc59-4004-b0a4-1d6cdebe6f3e": 2,  # AutoShareServer and AutoShareWks
}
"""Cases whose log plainly holds more matching events than the one that their ``info.yml`` names."""

Hit = tuple[str, str]
"""A rule's id and an event's id."""


@dataclass(frozen=True, slots=True)
class Case:
    """One regression case of SigmaHQ: a rule must match its log so often (None: at least once)."""

    rule: str
    log: Path
    count: int | None


def main_rules(shared_data: Callable[[str], Path]) -> list[Path]:
    """Return SigmaHQ's three main folders."""
    root = shared_data("sigma-rules")
    found = {path.name: path for path in root.rglob("rules*") if path.is_dir()}
    return [found[name] for name in MAIN_FOLDERS]


def batches(
    path: Path, needed: Callable[..., frozenset[str]], hint: str = "auto"
) -> Iterator[Batch]:
    """Yield the batches of a file, as the scan makes them."""
    intake, clock = Intake(needed), SystemClock()
    records: list[Record] = []
    messages = read_file(path, ShipConfig(), organization="proof", hint=hint, shipper="proof")
    for offset, message in enumerate(messages):
        records.append(Record("scan", 0, offset, clock.now(), message))
        if len(records) >= RECORDS_MAX:
            yield from intake(records)
            records = []
    yield from intake(records)


def digest(hits: set[Hit]) -> str:
    """Return one digest for a set of hits."""
    lines = "".join(f"{rule} {event}\n" for rule, event in sorted(hits))
    return hashlib.sha256(lines.encode()).hexdigest()


def cases(shared_data: Callable[[str], Path]) -> list[Case]:
    """Return every regression case."""
    root = shared_data("sigma-regression")
    found = []
    for info in sorted(root.rglob("info.yml")):
        data = yaml.safe_load(info.read_text())
        tests = data.get("regression_tests_info") or [_beside(info, root)]
        found += [
            Case(
                rule["id"],
                root / test["path"],
                UNDERCOUNTED.get(rule["id"], test.get("match_count")),
            )
            for test in tests
            for rule in data["rule_metadata"]
        ]
    return found


def _beside(info: Path, root: Path) -> dict[str, str]:
    """Return the only raw log beside a case that names none."""
    return {"path": str(next(info.parent.glob("*.raw")).relative_to(root))}


def unfired(found: Sequence[Case], folders: Sequence[Path]) -> list[str]:
    """Return a sentence for every case whose rule does not match as often as it should."""
    rules = load_rules(folders, builtin=False).rules
    plan, _ = build_plan(rules)
    engine = Engine(plan, SystemClock())
    wrong = []
    for case in found:
        hits = {
            (row["event.id"])
            for batch in batches(case.log, engine.needed)
            for number, rule in engine.hits(batch)
            if plan.rules[rule].card.id == case.rule
            for row in [batch.events.row(number, named=True)]
        }
        if (case.count is None and not hits) or (
            case.count is not None and len(hits) != case.count
        ):
            wrong.append(f"{case.rule} on {case.log.name}: {len(hits)} hits, not {case.count}")
    return wrong
