"""The full proof on a real Kafka, in pieces, and the page that says what came of it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.proofs import cluster
from tests.services import elastic, kafka
from tests.services.elastic import ElasticNode
from tests.services.kafka import KafkaBroker

PAGE = Path(__file__).parent.parent.parent / "docs" / "evidence" / "cluster.md"
PIECES = 10
EACH = cluster.Faults(kills=10, rebalances=6, broker_restarts=2)

Piece = Callable[[str, Callable[[], Any]], dict[str, Any]]


def prove(piece: Piece, folder: Path) -> list[str]:
    """Run every piece, write the page, and return what went wrong."""

    def run(seed: int) -> dict[str, Any]:
        broker = KafkaBroker(folder / f"cluster-kafka-{seed}")
        node = ElasticNode(folder / f"cluster-elastic-{seed}")
        broker.start()
        node.start()
        store = f'alerts: {{elastic: {{urls: ["{node.url}"], name: proof}}}}'
        place = folder / f"cluster-{seed}"
        try:
            return asdict(cluster.prove(place, broker, EACH, seed=seed, store=store))
        finally:
            broker.stop()
            node.stop()

    done = [piece(f"cluster-{n}", partial(run, n)) for n in range(PIECES)]
    problems = [problem for outcome in done for problem in outcome["problems"]]
    PAGE.write_text(_page(done, problems))
    return problems


def _page(done: list[dict[str, Any]], problems: list[str]) -> str:
    def total(key: str) -> str:
        return f"{sum(outcome[key] for outcome in done):,.0f}"

    killed: Counter[str] = Counter()
    for outcome in done:
        killed.update(outcome["killed"])
    roles = ", ".join(f"{name} {count}" for name, count in sorted(killed.items()))
    return f"""# Evidence on a real Kafka and a real Elasticsearch

Written by `make prove` on {datetime.now(UTC):%Y-%m-%d}: Apache Kafka {kafka.VERSION}, Elasticsearch {elastic.VERSION}, `ship`, `detect` in two or three processes, `correlate` in two, \
`index` in two. Problems: {len(problems)}.

| proof | what was done | what came of it |
|---|---|---|
| faults (`tests/proofs/cluster.py`) | {total("kills")} times kill -9 of a random process ({roles}), {total("rebalances")} rebalances by a process that joins or leaves, \
{total("broker_restarts")} restarts of the broker (half of them kill -9), in random order, in {total("seconds")} s, while {total("lines")} lines were written to files \
that rotated {total("rotations")} times | {total("alerts")} alerts and {total("rejects")} rejects, none lost, none doubled; {total("correlations")} correlations, those of `luytre scan` \
over the same files, with the same number of events; the archive shows each event once; the ledger \
accounts for every number; {total("resent")} re-sent events were dropped |

{chr(10).join(f"- {problem}" for problem in problems)}
"""
