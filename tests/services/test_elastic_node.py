"""The real node starts, dies, and comes back with what it had."""

import httpx

from tests.services.elastic import VERSION, ElasticNode


def test_a_node_keeps_what_it_acknowledged_over_a_kill(elastic_node: ElasticNode) -> None:
    document = f"{elastic_node.url}/kept/_doc/1"
    httpx.put(document, json={"a": 1}).raise_for_status()
    elastic_node.kill()
    elastic_node.start()

    assert httpx.get(document).json()["_source"] == {"a": 1}


def test_the_node_is_the_version_that_is_deployed(elastic_node: ElasticNode) -> None:
    nodes = httpx.get(f"{elastic_node.url}/_nodes").json()["nodes"]

    assert {node["version"] for node in nodes.values()} == {VERSION}
