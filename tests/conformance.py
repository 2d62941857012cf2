"""Runs the conformance table and writes the matrix, or checks that it is current.

``python -m tests.conformance`` writes ``docs/reference/sigma-conformance.md``; with ``--check`` it
fails if the page differs or a case does not pass.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import yaml

from detections.load import RuleSet, load_rules
from detections.mappings import NOTHING, Adaptation, read_adaptation
from detections.match import Engine
from detections.plan import build_plan
from detections.reference import reference_hits
from luytre.core.batch import Batch, LogSource, Part
from luytre.core.clock import ManualClock
from tests.detections.building import NOW, batch
from tests.detections.conformance_cases import CASES, RULE_ID, Case, Event
from tests.detections.conformance_correlations import FEATURES, tests_of

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "sigma-conformance.md"
PART = Part(
    "linux/app",
    (LogSource("linux", None, "app"), LogSource("linux", "process_creation", None)),
    {"Image": "process.executable"},
)
HEADER = {
    "title": "A rule",
    "id": RULE_ID,
    "logsource": {"product": "linux", "service": "app"},
}
INTRODUCTION = """\
# Conformance with Sigma 2.1.0

Made by `make conformance-sigma` from really running each case; `make check` fails when it is out of date.

Each row is a feature of the [specification](https://github.com/SigmaHQ/sigma-specification) with the test that shows it
(`pytest tests/detections/test_conformance.py -k ID`): a rule, events that must match, and events that must not, through
loading, the engine, and the plain evaluator, which must agree. Where the specification wants something refused, the test
is that it is, with the reason. What each feature means exactly is in [sigma-semantics.md](sigma-semantics.md).
"""
TABLE = "| feature | test | result |\n|---|---|---|\n"
CORRELATIONS = """\
These pass with `pytest tests/detections -k 'correlat or extension'`; named are tests, or rows of tests.
"""


def run(case: Case) -> list[str]:
    """Return what is wrong with a case: nothing if it passes."""
    with tempfile.TemporaryDirectory() as name:
        loaded = _load(case, Path(name))
    if case.refused:
        told = [str(fault) for fault in loaded.faults]
        return [] if any(case.refused in each for each in told) else [f"not refused: {told}"]
    plan, faults = build_plan(loaded.rules, loaded.filters)
    problems = [str(fault) for fault in (*loaded.faults, *faults)]
    events = _batch([*case.hits, *case.misses])
    wanted = set(range(len(case.hits)))
    engine = {row for row, _ in Engine(plan, ManualClock(NOW)).hits(events)}
    reference = {int(row) for _, row in reference_hits(loaded.rules, events, loaded.filters)}
    for side, found in (("engine", engine), ("reference", reference)):
        if found != wanted:
            problems.append(f"{side} finds {sorted(found)}, not {sorted(wanted)}")
    return problems


def _load(case: Case, folder: Path) -> RuleSet:
    detection = case.detection or {"s": case.search, "condition": "s"}
    header = {**HEADER, **case.header, "detection": detection}
    rule = {key: value for key, value in header.items() if value is not None}
    documents = [rule, *case.filters]
    (folder / "rules.yml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return load_rules([folder / "rules.yml"], builtin=False, adaptation=_adaptation(case, folder))


def _adaptation(case: Case, folder: Path) -> Adaptation:
    if not (case.placeholders or case.pipeline):
        return NOTHING
    file = folder / "pipeline.yml"
    file.write_text(yaml.safe_dump({"transformations": list(case.pipeline)}))
    return read_adaptation(case.placeholders, [file] if case.pipeline else [])


def _batch(events: Sequence[Event]) -> Batch:
    made = batch([{} if isinstance(event, str) else dict(event) for event in events], PART)
    originals = made.events["event.original"].to_list()
    lines = [
        e.encode() if isinstance(e, str) else o for e, o in zip(events, originals, strict=True)
    ]
    return made.with_events(made.events.with_columns(pl.Series("event.original", lines, pl.Binary)))


def matrix() -> tuple[str, list[str]]:
    """Return the page, and what is wrong with each case that does not pass."""
    rows: dict[str, list[str]] = {}
    wrong = []
    for case in CASES:
        problems = run(case)
        wrong += [f"{case.id}: {problem}" for problem in problems]
        result = "**fails**" if problems else "pass: refused" if case.refused else "pass"
        rows.setdefault(case.section, []).append(_row(case.feature, f"`{case.id}`", result))
    sections = [f"## {name}\n\n{TABLE}{''.join(lines)}" for name, lines in rows.items()]
    return "\n".join([INTRODUCTION, *sections, correlations()]), wrong


def correlations() -> str:
    """Return the section of correlations, whose tests are the suite's own."""
    lines = []
    for feature, pattern in FEATURES:
        tests = tests_of(pattern, ROOT / "tests" / "detections")
        shown = ", ".join(f"`{test}`" for test in tests) or "none"
        lines.append(_row(feature, shown, "pass" if tests else "comes later"))
    return f"## Correlations\n\n{CORRELATIONS}\n{TABLE}{''.join(lines)}"


def _row(feature: str, test: str, result: str) -> str:
    escaped = feature.replace("|", "\\|")
    return f"| {escaped} | {test} | {result} |\n"


def main() -> int:
    """Write or check the page."""
    page, wrong = matrix()
    for problem in wrong:
        sys.stderr.write(f"{problem}\n")
    if "--check" not in sys.argv:
        PAGE.write_text(page, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page:
        wrong.append("stale")
        sys.stderr.write(f"{PAGE} is out of date: run `make conformance-sigma`\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
