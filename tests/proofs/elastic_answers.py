"""Proof: whatever Elasticsearch answers, each alert is kept once or is a dead letter.

An HTTP server answers each bulk request with a fault drawn at random: documents that are busy,
refused for good, or blocked, answers that are cut, late, or another server's.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from luytre.core.alert import Alert
from luytre.core.clock import ManualClock
from luytre.core.config_alerts import ElasticConfig
from luytre.core.errors import NeighbourError
from luytre.store.elastic import ElasticAlertStore
from tests.contracts.alert_store import alert
from tests.services.broken_elastic import (
    BrokenElastic,
    Fault,
    Item,
    all_answer,
    broken_elastic,
    half_a_body,
    half_the_items,
    hang_up,
    items_answer,
    request_answer,
    too_late,
)

ADD = 2000
BUSY = (429, "es_rejected_execution_exception")
FULL = (429, "cluster_block_exception")
BUSY_SHARE, BAD_SHARE = 0.02, 0.002
REQUEST_FAULTS: dict[Fault, float] = {
    all_answer(*FULL): 0.003,
    all_answer(403, "security_exception"): 0.002,
    half_a_body: 0.005,
    half_the_items: 0.005,
    hang_up: 0.003,
    request_answer(502): 0.003,
    request_answer(429, b""): 0.003,
    too_late: 0.002,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done and what came of it; ``problems`` must be empty."""

    requests: int
    faulty: int
    alerts: int
    refused: int
    repeated: int
    problems: tuple[str, ...]


class Answers:
    """Draws an answer for each request; ``faulty`` counts those with a fault in them."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self.faulty = chance, 0

    def __call__(
        self, server: BrokenElastic, items: list[Item], handler: BaseHTTPRequestHandler
    ) -> None:
        server.script.append(self)
        fault = next((f for f, p in REQUEST_FAULTS.items() if self._chance.random() < p), None)
        answers = {
            place: BUSY
            for place, item in enumerate(items)
            if item[1]["_id"] not in server.never and self._chance.random() < BUSY_SHARE
        }
        bad = any(item[1]["_id"] in server.never for item in items)
        self.faulty += bool(fault or answers or bad)
        (fault or items_answer(answers))(server, items, handler)


def prove(*, alerts: int, seed: int) -> Outcome:
    """Store ``alerts`` through a server that fails at random, and count."""
    chance = random.Random(seed)
    everything = [alert(f"{seed} {number}") for number in range(alerts)]
    bad = {one.id for one in everything if chance.random() < BAD_SHARE}
    refused: list[tuple[Alert, str]] = []
    with broken_elastic() as server:
        answers = Answers(chance)
        server.script, server.never = [answers], frozenset(bad)
        config = ElasticConfig(urls=(server.url,), request_timeout_s=0.5)
        store = ElasticAlertStore(config, refused.extend, ManualClock())
        for start in range(0, alerts, ADD):
            _add(store, everything[start : start + ADD])
        problems = tuple(_problems({one.id for one in everything}, bad, server, refused))
    return Outcome(
        requests=len(server.requests),
        faulty=answers.faulty,
        alerts=alerts,
        refused=len(refused),
        repeated=sum(server.sent.values()) - alerts,
        problems=problems,
    )


def _add(store: ElasticAlertStore, alerts: list[Alert]) -> None:
    while True:
        try:
            store.add(alerts)
        except NeighbourError:
            continue  # the index loop waits here
        return


def _problems(
    ids: set[str], bad: set[str], server: BrokenElastic, refused: list[tuple[Alert, str]]
) -> Iterator[str]:
    """Yield a sentence for everything that is lost, doubled, or refused without a reason."""
    gone = {one.id for one, _ in refused}
    yield from (f"{id_} is lost" for id_ in list(ids - server.kept.keys() - gone)[:5])
    yield from (f"{id_} is kept and refused" for id_ in list(gone & server.kept.keys())[:5])
    if gone != bad or len(refused) != len(bad):
        yield f"{len(refused)} were refused, not {len(bad)}"
    yield from (f"{one.id}: {reason}" for one, reason in refused if not reason.startswith("400 "))
