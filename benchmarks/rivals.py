"""Runs another Sigma engine, given as a command, on the same file and rules: speed and hits.

``python -m benchmarks.rivals NAME COMMAND`` writes its section of docs/performance.md. In the
command ``{rules}`` is a folder of rules and ``{events}`` a file of flat JSON lines, each with its
``product``, ``category`` and ``service``; it must print one JSON object for each hit that holds
``rule_id`` and the event, found by its field ``luytre_event``. For instance::

    python -m benchmarks.rivals rsigma 'rsigma engine eval -r {rules} --logsource-routing
        --include-event --output-format json -e @{events}'

Hits that only one engine has are judged by the plain evaluator of ``detections/reference.py``.
"""

from __future__ import annotations

import os

os.environ["POLARS_MAX_THREADS"] = "1"  # figures are per core

import json
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.corpora import Corpus, corpora, sigma_folders
from benchmarks.engine import COUNTED, PASSES, alone, one_pass, records
from benchmarks.page import machine, write_section
from detections.load import load_rules
from detections.match import Engine
from detections.plan import build_plan, decode_plan, encode_plan
from detections.reference import needed_columns, reference_hits
from ingest.decode.layout import Origin
from ingest.intake import Intake
from ingest.logsources import windows
from ingest.logsources.windows_shapes import Flat, flatten, text_of
from luytre.core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from detections.load import LoadedRule

BATCH = 10_000
LISTED = 12
EVENTS_LEAST = 200_000
Hits = frozenset[tuple[int, str]]
"""The number of an event and the id of a rule."""


class Rival(NamedTuple):
    """What a command found, and the CPU seconds it took besides loading its rules."""

    hits: Hits
    match_s: float


def flat_corpus(corpus: Corpus) -> Corpus:
    """Return the same events as flat lines that say their log source and their number."""
    lines = []
    for number, line in enumerate(corpus.lines):
        layout, _, _ = windows.read(line, Origin())
        flat = flatten(json.loads(line))
        assert flat is not None
        names = {
            part: {value for each in layout.part.logsources if (value := getattr(each, part))}
            for part in ("product", "category", "service")
        }
        # Of several categories none is said: an engine that prunes by it would miss rules.
        tags = {part: next(iter(found)) for part, found in names.items() if len(found) == 1}
        lines.append(json.dumps({**_fields(flat), **tags, "luytre_event": number}).encode())
    return Corpus(corpus.name, tuple(lines), nested=False)


def _fields(flat: Flat) -> dict[str, Any]:
    return {k: text_of(v) for k, v in {**flat.system, **flat.user, **flat.data}.items()}


def run(command: str, rules: Path, corpus: Corpus, folder: Path) -> Rival:
    """Run the command, once without events for what loading takes."""
    empty, events = folder / "empty.ndjson", folder / "events.ndjson"
    empty.write_bytes(b'{"nothing":1}\n')
    # Over and over, so that matching takes longer than loading varies.
    times = ceil(EVENTS_LEAST / len(corpus.lines))
    events.write_bytes((b"\n".join(corpus.lines) + b"\n") * times)
    load_s = median(_output(command, rules, empty)[1] for _ in range(3))
    printed, whole_s = _output(command, rules, events)
    match_s = (whole_s - load_s) / times
    return Rival(frozenset(_hits(printed.splitlines())), match_s)


def _output(command: str, rules: Path, events: Path) -> tuple[bytes, float]:
    words = [word.format(rules=rules, events=events) for word in shlex.split(command)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, spent_s


def _hits(lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    for line in lines:
        if b"luytre_event" in line:
            found = json.loads(line)
            number = _find(found, "luytre_event")
            rule = _find(found, "rule_id")
            if number is not None and rule is not None:
                yield int(number), str(rule)


def _find(value: Any, name: str) -> Any:
    """Return what stands under a name, however deep."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        value = list(value.values())
    if isinstance(value, list):
        return next((found for each in value if (found := _find(each, name)) is not None), None)
    return None


def ours(encoded: bytes, corpus: Corpus) -> tuple[Hits, float]:
    """Return our hits on the same lines, and events/s once everything is warm."""
    plan = decode_plan(encoded)
    engine = Engine(plan, SystemClock())
    intake, batches = Intake(engine.needed), records(corpus, BATCH)
    passes = [one_pass(engine, intake, batches) for _ in range(PASSES)]
    rate = sorted(each.rate for each in passes[-COUNTED:])[COUNTED // 2]
    hits = set()
    for batch in batches:
        for part in intake(batch):
            found = engine.hits(part)
            numbers = part.events["luytre.sequence"].to_list() if found else []
            hits |= {(numbers[row], plan.rules[rule].card.id) for row, rule in found}
    return frozenset(hits), rate


def judged(
    rules: Sequence[LoadedRule], corpus: Corpus, differing: Hits
) -> Counter[tuple[str, bool]]:
    """Return how often the plain evaluator says yes or no, for each rule that engines differ on."""
    by_id = {rule.card.id: rule for rule in rules}
    events_of: dict[str, list[int]] = defaultdict(list)
    for number, rule_id in sorted(differing):
        events_of[rule_id].append(number)
    said: Counter[tuple[str, bool]] = Counter()
    for rule_id, numbers in events_of.items():
        if rule_id not in by_id:
            continue
        rule = by_id[rule_id]
        intake = Intake(lambda part, rule=rule: needed_columns([rule], part))  # type: ignore[misc]
        lines = Corpus(corpus.name, tuple(corpus.lines[n] for n in numbers), nested=False)
        held = 0
        for batch in records(lines, BATCH):
            held += sum(len(reference_hits([rule], part)) for part in intake(batch))
        said[rule_id, True] += held
        said[rule_id, False] += len(numbers) - held
    return said


def report(
    name: str, command: str, rules: Sequence[LoadedRule], folders: Sequence[Path], folder: Path
) -> Iterator[str]:
    """Yield the section: a table of both engines, and every difference with its judgement."""
    together = folder / "rules"
    for each in folders:
        shutil.copytree(each, together / each.name)
    encoded = encode_plan(build_plan(rules)[0])
    titles = {rule.card.id: rule.card.title for rule in rules}
    yield f"| corpus | events | ours k/s | {name} k/s | times | ours hits | {name} hits | both |"
    yield "|---|---|---|---|---|---|---|---|"
    lists: list[str] = []
    for corpus in map(flat_corpus, (c for c in corpora(folder) if c.nested)):
        mine, rate = alone(ours, encoded, corpus)
        rival = run(command, together, corpus, folder)
        their_rate = len(corpus.lines) / rival.match_s
        yield (
            f"| {corpus.name} | {len(corpus.lines):,} | {rate / 1e3:.0f} | {their_rate / 1e3:.1f}"
            f" | {rate / their_rate:.1f} | {len(mine):,} | {len(rival.hits):,}"
            f" | {len(mine & rival.hits):,} |"
        )
        for said, extra in (("only ours", mine - rival.hits), (f"only {name}", rival.hits - mine)):
            lists += _listed(f"{corpus.name}, {said}", judged(rules, corpus, extra), extra, titles)
    yield from ("", *lists)


def _listed(
    head: str, said: Counter[tuple[str, bool]], extra: Hits, titles: dict[str, str]
) -> list[str]:
    right = sum(count for (_, held), count in said.items() if held)
    counted = Counter(rule for _, rule in extra)
    summary = (
        f"**{head}**: {len(extra):,} hits of {len(counted)} rules; by the plain evaluator"
        f" {right:,} are hits and {sum(said.values()) - right:,} are none."
    )
    lines = [summary]
    for rule, count in counted.most_common(LISTED):
        verdict = f"{said[rule, True]} hits, {said[rule, False]} none"
        lines.append(f"- {titles.get(rule, rule)}: {count} ({verdict})")
    if len(counted) > LISTED:
        lines.append(f"- and {len(counted) - LISTED} more rules")
    return [*lines, ""]


def main() -> None:
    """Compare, print, and write the section."""
    name, command = sys.argv[1], " ".join(sys.argv[2:])
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {machine()}.",
        "",
        f"`{command}`",
        "",
    ]
    with tempfile.TemporaryDirectory() as place:
        folders = sigma_folders(Path(place))
        rules = load_rules(folders, builtin=not folders).rules
        for line in report(name, command, rules, folders, Path(place)):
            print(line, flush=True)
            lines.append(line)
    write_section("rivals", lines)


if __name__ == "__main__":
    main()
