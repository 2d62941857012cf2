"""Measures how fast alerts get into Elasticsearch: one store, one real node, both on this machine.

``python -m benchmarks.index_elastic`` writes its section of docs/performance.md.
"""

import re
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from luytre.core.alert import Alert
from luytre.core.config_alerts import ElasticConfig
from luytre.store.elastic import ElasticAlertStore
from tests.contracts.alert_store import NOON, alert
from tests.services.elastic import VERSION, ElasticNode

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
START, END = "<!-- elastic: start -->", "<!-- elastic: end -->"
WARM, MEASURED, ADD = 2_000, 20_000, 500


def measure(folder: Path) -> str:
    """Return a row: alerts a second, and what the client and the node spent of the CPU."""
    node = ElasticNode(folder / "node")
    node.start()
    try:
        store = ElasticAlertStore(ElasticConfig(urls=(node.url,)))
        event = {f"field.{n}": f"value {n} of a line" for n in range(30)}
        alerts = [
            alert(str(n), event={**event, "n": str(n)}, seen_at=NOON + timedelta(seconds=n))
            for n in range(WARM + MEASURED)
        ]
        _add(store, alerts[:WARM])
        started_s, spent_s, node_s = time.monotonic(), time.process_time(), node.cpu_s()
        _add(store, alerts[WARM:])
        took_s = time.monotonic() - started_s
        ours = (time.process_time() - spent_s) / took_s
        theirs = (node.cpu_s() - node_s) / took_s
    finally:
        node.kill()
    return f"| {MEASURED:,} | {MEASURED / took_s:,.0f} | {ours:.0%} | {theirs:.0%} |"


def _add(store: ElasticAlertStore, alerts: list[Alert]) -> None:
    for start in range(0, len(alerts), ADD):
        store.add(alerts[start : start + ADD])


def main() -> None:
    """Measure, and write the section."""
    with tempfile.TemporaryDirectory() as name:
        row = measure(Path(name))
    section = f"""{START}
## Alerts into Elasticsearch

Measured on {datetime.now(UTC):%Y-%m-%d} by `python -m benchmarks.index_elastic`: alerts with 30
fields, Elasticsearch {VERSION} with one node (512 MiB heap) on the same two shared cores, each
alert synced to disk before it counts. 100% is one core.

| alerts | alerts/s | our CPU | the node's CPU |
|---|---|---|---|
{row}
{END}"""
    page = PAGE.read_text()
    mark = re.compile(f"{START}.*?{END}", re.DOTALL)
    page = mark.sub(lambda _: section, page) if START in page else f"{page.rstrip()}\n\n{section}\n"
    PAGE.write_text(page)
    sys.stderr.write(section + "\n")


if __name__ == "__main__":
    main()
