"""Runs what is proven about Elasticsearch in full, and writes ``docs/evidence/elasticsearch.md``."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.archives import ROOT
from tests.proofs import elastic, elastic_answers
from tests.services.elastic import VERSION

PAGE = ROOT / "docs" / "evidence" / "elasticsearch.md"
NODE_PIECES, RESTARTS_EACH, BLOCKS_EACH, ALERTS_EACH = 4, 5, 1, 25_000
ANSWER_PIECES, ANSWERED_EACH = 5, 100_000
REPEATED_MAX = 0.05

Piece = Callable[[str, Callable[[], Any]], dict[str, Any]]


def prove(piece: Piece, folder: Path) -> list[str]:
    """Run every piece, write the page, and return the problems."""
    nodes = [
        piece(f"elastic-node-{n}", partial(_node, folder / f"elastic-{n}", n))
        for n in range(NODE_PIECES)
    ]
    answers = [
        piece(f"elastic-answers-{n}", partial(elastic_answers.prove, alerts=ANSWERED_EACH, seed=n))
        for n in range(ANSWER_PIECES)
    ]
    problems = [problem for part in (*nodes, *answers) for problem in part["problems"]]
    for name, parts in (("node", nodes), ("answers", answers)):
        share = _total(parts, "repeated") / _total(parts, "alerts")
        if share > REPEATED_MAX:
            problems.append(f"{name}: {share:.1%} of the documents were sent again")
    PAGE.write_text(_page(nodes, answers, problems))
    return problems


def _node(folder: Path, seed: int) -> elastic.Outcome:
    folder.mkdir(parents=True)
    return elastic.prove(
        folder, restarts=RESTARTS_EACH, blocks=BLOCKS_EACH, alerts=ALERTS_EACH, seed=seed
    )


def _total(parts: list[dict[str, Any]], key: str) -> int:
    return sum(part[key] for part in parts)


def _verdict(parts: list[dict[str, Any]]) -> str:
    bad = sum(len(part["problems"]) for part in parts)
    return f"{bad} problems" if bad else "lost 0, doubled 0"


def _page(nodes: list[dict[str, Any]], answers: list[dict[str, Any]], problems: list[str]) -> str:
    def repeated(parts: list[dict[str, Any]]) -> str:
        share = 1 + _total(parts, "repeated") / _total(parts, "alerts")
        return f"{_total(parts, 'repeated'):,} ({share:.3f} x)"

    return f"""# Evidence for the store on Elasticsearch

Written by `make prove` on {datetime.now(UTC):%Y-%m-%d}, on Elasticsearch {VERSION}. Problems: {len(problems)}.

| proof | what was done | what came of it | documents sent again |
|---|---|---|---|
| a real node (`tests/proofs/elastic.py`) | {_total(nodes, "restarts")} restarts, {_total(nodes, "kills")} of them kill -9, and {_total(nodes, "blocks")} flood-stage blocks, \
while two `luytre index` processes stored {_total(nodes, "alerts"):,} alerts and revisions, in {_total(nodes, "seconds"):,.0f} s | {_verdict(nodes)}; every episode shows its newest revision | {repeated(nodes)} |
| every answer (`tests/proofs/elastic_answers.py`) | {_total(answers, "requests"):,} bulk requests, {_total(answers, "faulty"):,} with a fault: documents busy (429), refused (400), \
blocked (403, 429), answers cut, late, or another server's | {_total(answers, "alerts"):,} alerts: {_total(answers, "refused"):,} dead letters, each that had to be and no other; {_verdict(answers)} | {repeated(answers)} |

{chr(10).join(f"- {problem}" for problem in problems)}
"""
