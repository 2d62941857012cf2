"""Is Elasticsearch as we need it: reachable, safe, set up, not full, and does an alert get in?"""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from luytre.core.errors import NeighbourError
from luytre.core.finding import Finding
from luytre.store.elastic_client import connect, named_errors, tls_context
from luytre.store.elastic_documents import STATE
from luytre.store.elastic_indices import Indices
from luytre.store.elastic_schema import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from elasticsearch import Elasticsearch

    from luytre.core.config_alerts import ElasticConfig
    from luytre.core.finding import State

WHAT = "elasticsearch"
FREE_WARNING, FREE_BAD = 0.15, 0.06
"""Elasticsearch takes no more writes below 5 % (its flood stage)."""
DAYS_WARNING, DAYS_BAD = 30, 7
CONNECT_S = 10


def examine(config: ElasticConfig) -> Iterator[Finding]:
    """Yield findings; a question that cannot be asked is a bad one.

    The last one writes: an alert's way in is proven by a document, not by a port that is open.
    """
    client = connect(config)
    questions: list[Callable[[Elasticsearch, ElasticConfig], Iterator[Finding]]] = [
        _nodes,
        _certificates,
        _cluster,
        _templates,
        _blocks,
        _disk,
        _writes,
    ]
    for question in questions:
        try:
            with named_errors(question.__name__.strip("_")):
                yield from question(client, config)
        except NeighbourError as error:
            yield Finding(WHAT, "bad", str(error), "see the node's log, and `alerts.elastic`")
    client.close()


def _nodes(_client: Elasticsearch, config: ElasticConfig) -> Iterator[Finding]:
    for url in config.urls:
        alone = connect(config.model_copy(update={"urls": (url,)}))
        try:
            with named_errors(url):
                found = alone.nodes.info(node_id="_local", metric="_none")
        except NeighbourError as error:
            yield Finding(WHAT, "bad", str(error), "start the node, or correct alerts.elastic")
            continue
        finally:
            alone.close()
        [node] = found["nodes"].values()
        yield Finding(WHAT, "good", f"{url}: {node['name']}, version {node['version']}")


def _certificates(_client: Elasticsearch, config: ElasticConfig) -> Iterator[Finding]:
    for url in config.urls:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname is None:
            continue
        try:
            days = _days_left(config, parts.hostname, parts.port or 443)
        except (OSError, ssl.SSLError) as error:
            yield Finding("certificate", "bad", f"{url}: {error}", "see alerts.elastic.ca_file")
            continue
        state: State = "good" if days > DAYS_WARNING else "warning" if days > DAYS_BAD else "bad"
        remedy = "" if state == "good" else "renew it"
        yield Finding("certificate", state, f"{url}: valid for {days:.0f} more days", remedy)


def _days_left(config: ElasticConfig, host: str, port: int) -> float:
    with (
        socket.create_connection((host, port), CONNECT_S) as plain,
        tls_context(config).wrap_socket(plain, server_hostname=host) as secure,
    ):
        found = secure.getpeercert() or {}
    return (ssl.cert_time_to_seconds(str(found["notAfter"])) - time.time()) / 86400


def _cluster(client: Elasticsearch, _config: ElasticConfig) -> Iterator[Finding]:
    health = client.cluster.health()
    status, nodes = health["status"], health["number_of_nodes"]
    states: dict[str, State] = {"green": "good", "yellow": "warning"}
    remedies = {"yellow": "copies of shards are missing", "red": "shards are missing: see its log"}
    detail = f"cluster {health['cluster_name']} is {status}, nodes: {nodes}"
    yield Finding(WHAT, states.get(status, "bad"), detail, remedies.get(status, ""))


def _templates(client: Elasticsearch, config: ElasticConfig) -> Iterator[Finding]:
    version = Indices(client, config).version()
    detail = f"templates of {config.name}: version {version}, this Luytre has {VERSION}"
    if version > VERSION:
        yield Finding(WHAT, "bad", detail, "install the newer Luytre again")
    elif version < VERSION:
        yield Finding(WHAT, "warning", detail, "run `luytre elastic setup`")
    else:
        yield Finding(WHAT, "good", detail)


def _blocks(client: Elasticsearch, config: ElasticConfig) -> Iterator[Finding]:
    found = client.indices.get_settings(
        index=f"{config.name}-*", name="index.blocks.*", flat_settings=True
    )
    for index, answer in sorted(found.items()):
        for name, value in answer["settings"].items():
            if value == "true":
                remedy = "free disk space; it goes away by itself then"
                yield Finding(WHAT, "bad", f"{index} takes no alerts: {name}", remedy)


def _disk(client: Elasticsearch, _config: ElasticConfig) -> Iterator[Finding]:
    for node in client.nodes.stats(metric="fs")["nodes"].values():
        total = node["fs"]["total"]
        share = total["available_in_bytes"] / max(total["total_in_bytes"], 1)
        state: State = "bad" if share < FREE_BAD else "warning" if share < FREE_WARNING else "good"
        free = f"{total['available_in_bytes'] / 2**30:.1f} GiB free ({share:.0%})"
        remedy = "" if state == "good" else "free space or shorten alerts.retention_days"
        yield Finding("disk", state, f"{free} at Elasticsearch's node {node['name']}", remedy)


def _writes(client: Elasticsearch, config: ElasticConfig) -> Iterator[Finding]:
    alias, started_s = f"{config.name}-{STATE}", time.monotonic()
    if Indices(client, config).version() != VERSION:
        return
    Indices(client, config).make(alias)
    stamp = time.time_ns()
    client.index(index=alias, id="check", document={"luytre.kind": "check", "stamp": stamp})
    read = client.get(index=alias, id="check")["_source"]["stamp"]
    took_ms = (time.monotonic() - started_s) * 1000
    if read == stamp:
        yield Finding(WHAT, "good", f"a document was written and read in {took_ms:.0f} ms")
    else:
        yield Finding(WHAT, "bad", "what was written was not what was read", "see its log")
