"""Proof: Elasticsearch restarts, dies and fills up under load, and each alert is there once.

Two `luytre index` processes store alerts from the embedded log into a real node. Meanwhile the node
is stopped, killed, and its indices are blocked as a full disk blocks them. Afterwards every alert
must be one document, every episode must show its newest revision, and few were sent twice.
"""

import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from luytre.core.alert import Alert, AlertQuery
from luytre.core.config import Config, load_config
from luytre.core.message import ALERTS_TOPIC
from luytre.core.organization import Scope
from luytre.processor import build, logs
from luytre.processor.alert_messages import alert_messages
from luytre.processor.slots import port_of
from tests.contracts.alert_episodes import current, document
from tests.contracts.alert_store import NOON, alert
from tests.services.elastic import ElasticNode
from tests.services.process import listens

INDEXERS = 2
WAIT_S = 300.0
REPEATED = re.compile(r"^luytre_alerts_repeated_total (\S+)$", re.MULTILINE)
SETTINGS = """
data_dir: {folder}/data
log: {{partitions: 4}}
alerts: {{elastic: {{urls: ["{url}"], name: proof, request_timeout_s: 10}}}}
metrics: {{listen: "127.0.0.1:{port}"}}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done and what came of it; ``problems`` must be empty."""

    restarts: int
    kills: int
    blocks: int
    alerts: int
    repeated: int
    seconds: float
    problems: tuple[str, ...]


def alerts_of(number: int, chance: random.Random) -> Iterator[Alert]:
    """Yield alerts of several months, and among them episodes whose revisions are out of order."""
    revisions: list[Alert] = []
    for count in range(number):
        seen_at = NOON + timedelta(days=chance.randrange(-90, 90))
        if chance.random() < 0.1:
            name = f"{chance.choice('ABCDEFGH')}{count + 1}"
            revision = document(name, withdrawn=chance.random() < 0.2)
            revisions.append(replace(revision, seen_at=seen_at))
        if len(revisions) > 50 or (revisions and chance.random() < 0.1):
            yield revisions.pop(chance.randrange(len(revisions)))
        event = {"message": f"line {count} {chance.random()}", "host.name": f"db-{count % 50}"}
        yield alert(f"{count}", seen_at=seen_at, event=event)
    yield from revisions


class Load:
    """Puts alerts into the log, some of them again, as a detect loop does that was killed."""

    def __init__(self, config: Config, alerts: Sequence[Alert], chance: random.Random) -> None:
        self._producer = logs.open_log(config).producer()
        self._waiting = list(alerts)
        self._chance = chance
        self._sent: list[Alert] = []

    def send(self, number: int) -> None:
        """Send some alerts durably, in messages of a few."""
        part, self._waiting = self._waiting[:number], self._waiting[number:]
        again = self._chance.sample(self._sent, min(len(self._sent), number // 50))
        self._sent = part
        for start in range(0, len(part), 100):
            for message in alert_messages(part[start : start + 100], b"%d" % start):
                self._producer.send(ALERTS_TOPIC, message)
        for message in alert_messages(again, b"again"):
            self._producer.send(ALERTS_TOPIC, message)
        self._producer.flush()


def prove(folder: Path, *, restarts: int, blocks: int, alerts: int, seed: int) -> Outcome:
    """Let ``alerts`` be stored while the node is restarted and blocked at random moments."""
    chance = random.Random(seed)
    started_s = time.monotonic()
    node = ElasticNode(folder / "node")
    everything = list(alerts_of(alerts, chance))
    faults = ["stop", "kill"] * ((restarts + 1) // 2)
    faults = [*faults[:restarts], *["block"] * blocks]
    chance.shuffle(faults)
    port = _ports(chance)
    with ExitStack() as stack:
        node.start()
        stack.callback(node.kill)
        path = _write_settings(folder, node.url, port)
        config = load_config(path)
        load = Load(config, everything, chance)
        for number in range(INDEXERS):
            stack.enter_context(_indexer(path, number))
        load.send(100)
        problems = list(_wait_until_done(config))
        for fault in faults:
            load.send(len(everything) // len(faults) + 1)
            time.sleep(chance.uniform(0.2, 3.0))
            _strike(node, fault, chance)
        problems += _wait_until_done(config)
        offsets = [port_of(f"index-{number}") or 0 for number in range(INDEXERS)]
        repeated = sum(_repeated(port + offset) for offset in offsets)
        problems += _problems(config, everything, node.url)
    return Outcome(
        restarts=restarts,
        kills=faults.count("kill"),
        blocks=blocks,
        alerts=len(everything),
        repeated=repeated,
        seconds=round(time.monotonic() - started_s, 1),
        problems=tuple(problems),
    )


def _ports(chance: random.Random) -> int:
    """Return a port that is free, as is each indexer's: below those that the kernel hands out."""
    while True:
        port = chance.randrange(20_000, 32_000)
        if not any(listens(port + (port_of(f"index-{n}") or 0)) for n in range(INDEXERS)):
            return port


def _write_settings(folder: Path, url: str, port: int) -> Path:
    path = folder / f"luytre-{port}.yaml"
    path.write_text(SETTINGS.format(folder=folder, url=url, port=port))
    return path


@contextmanager
def _indexer(path: Path, number: int) -> Iterator[None]:
    command = [sys.executable, "-m", "luytre", "index", "--config", str(path)]
    messages = path.with_suffix(f".{number}.log")
    with messages.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            code = process.wait(60)
    assert code == 0, f"luytre index ended with {code}: {messages}"


def _strike(node: ElasticNode, fault: str, chance: random.Random) -> None:
    if fault == "block":
        blocked = f"{node.url}/proof-*/_settings"
        for value in (True, None):
            body = {"index.blocks.read_only_allow_delete": value}
            httpx.put(blocked, json=body, timeout=60).raise_for_status()
            time.sleep(chance.uniform(2.0, 8.0) if value else 0.0)
        return
    if fault == "kill":
        node.kill()
    else:
        node.stop()
    time.sleep(chance.uniform(0.0, 2.0))
    node.start()


def _repeated(port: int) -> int:
    found = REPEATED.search(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
    return int(float(found[1])) if found else 0


def _wait_until_done(config: Config) -> Iterator[str]:
    until_s = time.monotonic() + WAIT_S
    while logs.lag(config, build.INDEX_GROUP, ALERTS_TOPIC):
        if time.monotonic() > until_s:
            yield f"alerts still wait after {WAIT_S} s"
            return
        time.sleep(0.5)


def _problems(config: Config, everything: Sequence[Alert], url: str) -> Iterator[str]:
    """Yield a sentence for everything that is lost, doubled, refused, or wrongly shown."""
    httpx.post(f"{url}/proof/_refresh", timeout=60)
    found = Counter(_ids(url, {"terms": {"luytre.kind": ["alert", "revision"]}}))
    should = {one.id: one for one in everything}
    yield from (f"{id_} is lost" for id_ in list(should.keys() - found.keys())[:5])
    yield from (f"{id_} is invented" for id_ in list(found.keys() - should.keys())[:5])
    yield from (f"{id_} is there {n} times" for id_, n in found.items() if n > 1)
    store = build.alert_store(config)
    shown = {a.id for a in store.find(AlertQuery(limit=10**9), Scope.everything()) if a.episode}
    store.close()
    episodes = current(one for one in should.values() if one.episode)
    yield from (f"episode's {id_} is not shown as it should" for id_ in shown ^ episodes)


def _ids(url: str, query: dict[str, Any]) -> Iterator[str]:
    """Yield the id of every document of every index, also if two have the same."""
    after: dict[str, Any] = {}
    sort = [{"luytre.id": "asc"}, {"_index": "asc"}]
    while True:
        body = {"query": query, "sort": sort, "size": 5000, "_source": False, **after}
        answer = httpx.post(f"{url}/proof/_search", json=body, timeout=60).raise_for_status()
        hits = answer.json()["hits"]["hits"]
        if not hits:
            return
        yield from (hit["_id"] for hit in hits)
        after = {"search_after": hits[-1]["sort"]}
