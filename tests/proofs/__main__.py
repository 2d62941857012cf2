"""`make prove`: every proof in full, piece by piece, and the page that says what came of it.

A piece that is done leaves a file in ``.proofs/`` and is not run again: interrupt and repeat at
will, or delete the folder to start anew.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.archives import unpack
from tests.proofs import (
    bombs,
    cluster_page,
    corpus,
    correlate_page,
    elastic_page,
    engine_page,
    grammar,
    history_page,
    hostile,
    kill,
    mutate,
    response,
    sigma,
)

ROOT = Path(__file__).parent.parent.parent
PIECES = ROOT / ".proofs"
PAGE = ROOT / "docs" / "evidence" / "spine.md"
GRAMMAR_EXAMPLES = 10_000
KILL_PIECES, KILLS_EACH = 10, 20
HOSTILE_PIECES, HOSTILE_EACH = 10, 1_000
MUTATE_PIECES, MUTATED_EACH = 20, 50_000


def piece(name: str, work: Callable[[], Any]) -> dict[str, Any]:
    """Run a piece, or return what it gave before."""
    PIECES.mkdir(exist_ok=True)
    path = PIECES / f"{name}.json"
    if not path.exists():
        sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {name}\n")
        result = work()
        path.write_text(json.dumps(result if isinstance(result, dict) else asdict(result)))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def main() -> int:
    """Run every piece, write the page, and fail if any proof failed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def get(archive: str) -> Path:
            return unpack(archive, folder / archive)

        mutations = _mutations(get)
        reference = corpus.ask_reference(get)
        hostiles = [_hostile(n) for n in range(HOSTILE_PIECES)]
        bombed = piece("bombs", lambda: bombs.prove(folder / "bombs"))
        hits = piece("corpus-engine", lambda: corpus.ask_engine(get))
        regression = piece("sigma-regression", lambda: _regression(get))
        rules = piece("grammar", lambda: grammar.prove(GRAMMAR_EXAMPLES, seed=0))
        arrivals = correlate_page.prove(piece)
        kills = [_kill(folder, n) for n in range(KILL_PIECES)]
        answered = response.prove(piece, folder)
        answered += elastic_page.prove(piece, folder)
        answered += cluster_page.prove(piece, folder)
        answered += history_page.prove(piece, folder)
    problems = [*arrivals, *(p for k in kills for p in k["problems"])]
    problems += [*hits["differences"], *regression["unfired"]]
    problems += [m for m in mutations if m["lines"] != m["events"] + m["rejects"]]
    problems += [p for found in (*hostiles, bombed) for p in found["problems"]]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(_page(kills, mutations, {**regression, **rules}, problems))
    engine_page.write(reference, hostiles, bombed)
    sys.stderr.write(PAGE.read_text())
    return 1 if problems or answered else 0


def _kill(folder: Path, seed: int) -> dict[str, Any]:
    place = folder / f"kill-{seed}"
    return piece(f"kill-{seed}", lambda: kill.prove(place, kills=KILLS_EACH, seed=seed))


def _hostile(seed: int) -> dict[str, Any]:
    return piece(f"hostile-{seed}", lambda: hostile.prove(HOSTILE_EACH, seed=seed))


def _mutations(get: Callable[[str], Path]) -> list[dict[str, Any]]:
    lines: list[bytes] = []

    def run(seed: int) -> mutate.Outcome:
        if not lines:
            lines.extend(mutate.corpus(get))
        return mutate.prove(lines, count=MUTATED_EACH, seed=seed)

    return [piece(f"mutate-{n}", partial(run, n)) for n in range(MUTATE_PIECES)]


def _regression(get: Callable[[str], Path]) -> dict[str, Any]:
    cases = sigma.cases(get)
    return {"cases": len(cases), "unfired": sigma.unfired(cases, sigma.main_rules(get))}


def _page(
    kills: list[dict[str, Any]],
    mutations: list[dict[str, Any]],
    counts: dict[str, Any],
    problems: list[Any],
) -> str:
    def total(rows: list[dict[str, Any]], key: str) -> str:
        return f"{sum(row[key] for row in rows):,}"

    return f"""# Evidence for the spine

Written by `make prove` on {datetime.now(UTC):%Y-%m-%d}. Problems: {len(problems)}.

| proof | what was done | what came of it |
|---|---|---|
| kill -9 (`tests/proofs/kill.py`) | {total(kills, "kills")} kills of `luytre run` (the whole group or one child) in {total(kills, "seconds")} s, \
while {total(kills, "lines")} lines were written to files that rotated {total(kills, "rotations")} times | {total(kills, "alerts")} alerts and \
{total(kills, "rejects")} rejects, none lost, none doubled; the archive shows each event once; {total(kills, "resent")} re-sent events were dropped |
| mutated lines (`tests/proofs/mutate.py`) | {total(mutations, "lines")} lines | {total(mutations, "events")} events + \
{total(mutations, "rejects")} rejects, {total(mutations, "alerts")} alerts, no crash |
| engine = reference on real logs | see [engine.md](engine.md) | |
| SigmaHQ's regression cases | {counts["cases"]} rule-and-log pairs | {len(counts["unfired"])} did not fire as often as they should |
| engine = reference, any rule (`tests/proofs/grammar.py`) | {counts["examples"]:,} random sets of rules, filters, and events over Sigma's whole \
grammar: {counts["rules"]:,} rules, {counts["filters"]:,} filters | {counts["hits"]:,} hits, {counts["hidden"]:,} hidden, the same on both sides |

{chr(10).join(f"- {problem}" for problem in problems)}
"""


if __name__ == "__main__":
    sys.exit(main())
