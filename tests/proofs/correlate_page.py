"""The proof of correlations in full, and the page that says what came of it.

``python -m tests.proofs.correlate_page`` runs this proof alone.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.proofs import correlate

PAGE = Path(__file__).parent.parent.parent / "docs" / "evidence" / "correlation.md"
WAYS, WAYS_EACH = 1_000, 100
OTHER_LOGS, OTHER_WAYS = 10, 20

Piece = Callable[[str, Callable[[], Any]], dict[str, Any]]


def prove(piece: Piece) -> list[str]:
    """Run every piece, write the page, and return what is wrong."""
    ways = [
        piece(f"correlate-{first}", partial(correlate.prove, WAYS_EACH, 0, first))
        for first in range(0, WAYS, WAYS_EACH)
    ]
    others = [
        piece(f"correlate-log-{seed}", partial(correlate.prove, OTHER_WAYS, seed))
        for seed in range(1, OTHER_LOGS + 1)
    ]
    problems = [problem for outcome in (*ways, *others) for problem in outcome["differing"]]
    PAGE.write_text(_page(ways, others, problems))
    return problems


def _page(ways: list[dict[str, Any]], others: list[dict[str, Any]], problems: list[str]) -> str:
    def total(rows: list[dict[str, Any]], key: str) -> str:
        return f"{sum(row[key] for row in rows):,}"

    one = ways[0]
    digests = ", ".join(f"`{digest[:16]}`" for digest in sorted({row["digest"] for row in ways}))
    return f"""# Evidence for correlation

Written by `make prove` on {datetime.now(UTC):%Y-%m-%d}. Problems: {len(problems)}.

A log of some hours ({one["matches"]:,} matches, five streams, two organisations; `tests/proofs/correlate.py`) arrives in ways that chance makes: shuffled within the lateness of each stream, streams up to
five hours behind the others, every tenth match twice, in batches cut anywhere. The correlate loop reads it, dies at every tenth batch, and goes on from what was committed. The rules are of every type, of our own
too, and one rests on another. Compared is what a store then shows, all of it, with the replay of the log in order (what `luytre scan` does).

| log | ways | deaths | documents sent | of them withdrawn | alerts that are current in the end |
|---|---|---|---|---|---|
| one | {total(ways, "ways")} | {total(ways, "restarts")} | {total(ways, "documents")} | {total(ways, "withdrawn")} | {one["alerts"]:,}, the same in every way, digest {digests} |
| {len(others)} others | {total(others, "ways")} | {total(others, "restarts")} | {total(others, "documents")} | {total(others, "withdrawn")} | the replay's, in every way |

{chr(10).join(f"- {problem}" for problem in problems)}
"""


def main() -> int:
    """Run this proof alone."""
    from tests.proofs.__main__ import piece  # noqa: PLC0415 - which imports this module

    return 1 if prove(piece) else 0


if __name__ == "__main__":
    sys.exit(main())
