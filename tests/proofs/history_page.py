"""Proves the history in full, and writes what came of it: ``docs/evidence/history.md``.

``python -m tests.proofs.history_page`` writes the page from the pieces that are done already.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import history
from tests.archives import ROOT
from tests.proofs import alter, honest, triage_kill

PAGE = ROOT / "docs" / "evidence" / "history.md"
ALTER_PIECES, ALTERED_EACH = 20, 5_000
HONEST_PIECES, LIVED_EACH, KILLED_EACH = 20, 500, 50

KILL_PIECES, KILLS_EACH = 5, 40

Piece = Callable[[str, Callable[[], Any]], dict[str, Any]]


def prove(piece: Piece, folder: Path) -> list[str]:
    """Run every piece, write the page, and return the problems."""
    altered = [
        piece(f"alter-{n}", partial(alter.prove, ALTERED_EACH, n)) for n in range(ALTER_PIECES)
    ]
    lived = [
        piece(f"honest-{n}", partial(honest.prove, LIVED_EACH, KILLED_EACH, n))
        for n in range(HONEST_PIECES)
    ]
    triaged = [
        piece(
            f"triage-kill-{n}",
            partial(triage_kill.prove, folder / f"triage-{n}", KILLS_EACH, n),
        )
        for n in range(KILL_PIECES)
    ]
    return _write(altered, lived, triaged, piece("history-speed", history.measure))


def _write(
    altered: list[dict[str, Any]],
    lived: list[dict[str, Any]],
    triaged: list[dict[str, Any]],
    figures: dict[str, Any],
) -> list[str]:
    problems = [text for row in altered for text in (*row["missed"], *row["unnamed"])]
    problems += [text for row in (*lived, *triaged) for text in row["problems"]]
    PAGE.write_text(_page(altered, lived, triaged, figures, problems))
    return problems


def write_done(pieces: Path) -> list[str]:
    """Write the page from the pieces that are done already, and return the problems."""

    def done(kind: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(pieces.glob(f"{kind}*.json"))]

    figures = done("history-speed")
    return _write(done("alter"), done("honest"), done("triage-kill"), figures[0] if figures else {})


def _page(
    altered: list[dict[str, Any]],
    lived: list[dict[str, Any]],
    triaged: list[dict[str, Any]],
    figures: dict[str, Any],
    problems: list[str],
) -> str:
    kinds: Counter[str] = Counter()
    for row in altered:
        kinds.update(row["alterations"])
    rows = [f"| {kind} | {count:,} |" for kind, count in kinds.items()]

    def total(key: str) -> str:
        return f"{sum(row[key] for row in lived):,}"

    pieces = len(altered) + len(lived) + len(triaged)
    return f"""# Evidence for the history

Written by `make prove` on {datetime.now(UTC):%Y-%m-%d}. Problems: {len(problems)}. Pieces done: {pieces} of {ALTER_PIECES + HONEST_PIECES + KILL_PIECES}; all of them are
{ALTER_PIECES * ALTERED_EACH:,} alterations, {HONEST_PIECES * LIVED_EACH:,} histories, and {KILL_PIECES * KILLS_EACH} kills.

## Alterations

Honest histories ({sum(row["histories"] for row in altered):,}) were altered {sum(kinds.values()):,} times at or before what an anchor covers, by attackers who change bytes, who chain and sign
anew, and who stole the key (`tests/proofs/alter.py`). Not found: {sum(len(row["missed"]) for row in altered)}. Found, but the entry not named: {sum(len(row["unnamed"]) for row in altered)}.

| kind | times |
|---|---|
{chr(10).join(rows)}

With an anchor folder "named" means the entry or its neighbour; with a printed page, a range that holds it.

## Honest histories

{total("histories")} histories of {total("entries")} entries, {total("killed")} of them with kill -9 of writers and signer ({total("kills")} kills), given-up changes and torn anchors
(`tests/proofs/honest.py`): false alarms, and changes without entry, {sum(len(row["problems"]) for row in lived)}.

## Triage and bulk decisions

{sum(sum(row["kills"].values()) for row in triaged)} times kill -9 of the signer, of the triage loop, or of a person's bulk decision (`tests/proofs/triage_kill.py`): {sum(row["alerts"] for row in triaged):,} alerts, each in exactly
one of {sum(row["incidents"] for row in triaged):,} incidents; {sum(row["bulk"] for row in triaged):,} decisions; state, disposition, assignee, alerts and comments of every incident are what its
history says. Problems: {sum(len(row["problems"]) for row in triaged)}.

## Speed

{_speed(figures)}

{chr(10).join(f"- {problem}" for problem in problems)}
"""


def _speed(figures: dict[str, Any]) -> str:
    if not figures:
        return "Not measured yet."
    return f"""| what | figure |
|---|---|
| entries | {figures["entries"]:,} |
| written, a thousand each change | {figures["write_s"]:.0f} s |
| exported ({figures["export_bytes"] / 1e6:.0f} MB) | {figures["export_s"]:.1f} s |
| anchored | {figures["anchor_s"]:.1f} s |
| verified by `luytre-verify` with the anchor | {figures["verify_s"]:.1f} s, of which {figures["verify_cpu_s"]:.1f} s on one core |
| a proof of inclusion | {figures["proof_ms"]:.2f} ms, {figures["proof_bytes"]} bytes |"""


if __name__ == "__main__":
    sys.exit(1 if write_done(ROOT / ".proofs") else 0)
