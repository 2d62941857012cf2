"""The proofs about playbooks, and the page that says what came of them."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.proofs import actions, directories, runs

PAGE = Path(__file__).parent.parent.parent / "docs" / "evidence" / "playbooks.md"
PIECES, VALUES_EACH = 5, 1_000
KILL_PIECES, KILLS_EACH = 10, 50

Piece = Callable[[str, Callable[[], Any]], dict[str, Any]]


def prove(piece: Piece, folder: Path) -> list[str]:
    """Run every piece, write the page, and return what went wrong."""

    def hostile(seed: int) -> dict[str, Any]:
        place = folder / f"hostile-{seed}"
        place.mkdir()
        return asdict(actions.prove(place, VALUES_EACH, seed))

    def spell(seed: int) -> dict[str, Any]:
        return asdict(directories.prove(folder / f"directories-{seed}", VALUES_EACH, seed))

    def kill(seed: int) -> dict[str, Any]:
        return asdict(runs.prove(folder / f"runs-{seed}", KILLS_EACH, seed))

    tried = [piece(f"hostile-{n}", partial(hostile, n)) for n in range(PIECES)]
    spelt = [piece(f"directories-{n}", partial(spell, n)) for n in range(PIECES)]
    killed = [piece(f"runs-{n}", partial(kill, n)) for n in range(KILL_PIECES)]
    problems = [problem for outcome in [*tried, *spelt, *killed] for problem in outcome["problems"]]
    PAGE.write_text(_page(tried, spelt, killed, problems))
    return problems


def _page(
    tried: list[dict[str, Any]],
    spelt: list[dict[str, Any]],
    killed: list[dict[str, Any]],
    problems: list[str],
) -> str:
    def total(key: str) -> str:
        return f"{sum(outcome.get(key, 0) for outcome in [*tried, *killed]):,}"

    def named(key: str) -> str:
        return f"{sum(outcome[key] for outcome in spelt):,}"

    return f"""# Evidence for playbooks

Written by `make prove` on {datetime.now(UTC):%Y-%m-%d}. Problems: {len(problems)}.

| proof | what was done | what came of it |
|---|---|---|
| hostile arguments (`tests/proofs/actions.py`) | {total("values")} values in every argument of all {len(actions.GOOD)} actions: {total("tried")} calls | \
{total("refused")} refused, {total("done")} done with the value as plain data; {total("connections")} connections, all to the allowed host; no canary ran |
| hostile names (`tests/proofs/directories.py`) | {named("values")} values as accounts of a real OpenLDAP, plain and with a domain or a realm: {named("calls")} calls to disable, {named("asked")} raw searches | \
{named("refused")} refused, {named("disabled")} accounts disabled, none found by a name that is not its own |
| kill -9 of the loop (`tests/proofs/runs.py`) | {total("kills")} kills while {total("runs")} runs did their steps against servers that count, and a person agreed, answered and settled | \
{total("requests")} requests that must not be repeated, none received twice; {total("unknown")} steps were shown as unknown, each was settled after a look at the server; \
{total("approvals")} approvals, none lost, nothing done without those it needs |

The forms of URL that must reach nobody are in `tests/playbooks/url_forms.py` and run with every `make test`.

{chr(10).join(f"- {problem}" for problem in problems)}
"""
