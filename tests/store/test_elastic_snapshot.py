"""A snapshot holds every alert, and after losing all of them the log fills what came since."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from luytre.core.alert import AlertQuery
from luytre.core.clock import SystemClock
from luytre.core.config_alerts import ElasticConfig
from luytre.core.organization import Scope
from luytre.store import elastic_check
from luytre.store.elastic import ElasticAlertStore
from tests.contracts.alert_episodes import document
from tests.contracts.alert_store import NOON, alert
from tests.services.elastic import ElasticNode, forget
from tests.services.fixtures import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from luytre.core.alert import Alert

pytestmark = pytest.mark.integration
WAIT = {"wait_for_completion": "true"}
WHAT = {"indices": "luytre-alerts-*", "include_global_state": True}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ElasticNode]:
    folder = tmp_path_factory.mktemp("snapshots")
    yield from running(lambda: ElasticNode(folder / "node", settings={"path.repo": str(folder)}))


def test_what_was_lost_comes_back_and_is_there_once(node: ElasticNode, tmp_path: Path) -> None:
    months = [NOON + timedelta(days=31 * n) for n in range(4)]
    before: list[Alert] = [alert(f"before {n}", seen_at=months[n % 4]) for n in range(300)]
    before += [document("A1"), document("A2"), document("B1")]
    since = [*(alert(f"since {n}", seen_at=months[n % 4]) for n in range(50)), document("A3")]
    repository = node.folder.parent / "repository"
    with httpx.Client(base_url=node.url, timeout=120) as client:
        store(node, before)
        settings = {"type": "fs", "settings": {"location": str(repository), "compress": True}}
        client.put("/_snapshot/luytre", json=settings).raise_for_status()
        made = client.put("/_snapshot/luytre/first", params=WAIT, json=WHAT).raise_for_status()
        assert made.json()["snapshot"]["state"] == "SUCCESS"
        store(node, since)

        forget(node.url, "luytre-alerts")  # every index and template
        assert client.get("/_cat/indices?format=json").json() == []
        client.post("/_snapshot/luytre/first/_restore", params=WAIT, json=WHAT).raise_for_status()
        restored = shown(node)
        findings = {f.state for f in elastic_check.examine(config(node)) if f.what != "disk"}
        new = store(node, [*before, *since])  # the group goes back: all is offered again
        client.post("/luytre-alerts/_refresh").raise_for_status()
        total = client.get("/luytre-alerts/_count").json()["count"]

    assert restored == {a.id for a in before} - {document("A1").id}
    assert "bad" not in findings
    assert new == len(since)
    assert shown(node) == {a.id for a in [*before, *since]} - {document("A1").id, document("A2").id}
    assert total == len(before) + len(since) + 2  # and what is current of two episodes


def config(node: ElasticNode) -> ElasticConfig:
    return ElasticConfig(urls=(node.url,))


def store(node: ElasticNode, alerts: list[Alert]) -> int:
    opened = ElasticAlertStore(config(node), lambda _refused: None, SystemClock())
    new = opened.add(alerts)
    opened.close()
    return new


def shown(node: ElasticNode) -> set[str]:
    opened = ElasticAlertStore(config(node), lambda _refused: None, SystemClock())
    found = opened.find(AlertQuery(limit=10_000), Scope.everything())
    opened.close()
    return {one.id for one in found}
