"""The indices behind the alias of alerts: set up, made month by month, and retired."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from elasticsearch import AuthorizationException, BadRequestError, NotFoundError

from luytre.core.errors import NeighbourError
from luytre.store.alert_rows import microseconds
from luytre.store.elastic_client import named_errors
from luytre.store.elastic_documents import EPISODES, STATE, UNDATED
from luytre.store.elastic_schema import (
    VERSION,
    component,
    component_name,
    index_template,
    mappings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elasticsearch import Elasticsearch

    from luytre.core.clock import Clock
    from luytre.core.config_alerts import ElasticConfig

GENERATION = "-000001"
"""Ends an index's name: its alias can be led to another when its documents are written anew."""
PAGE = 1000
RETRIES = 3
_EXISTS = "resource_already_exists_exception"


class Indices:
    """Makes and deletes the indices of one alias.

    Documents go to aliases of one index each (``<name>-2026-11``), and must not make them: an index
    that a document made would have no mapping of ours if the template were gone, and a replay would
    bring back what retention deleted.
    """

    def __init__(self, client: Elasticsearch, config: ElasticConfig) -> None:
        # All that is done here may be repeated, so the next node may be asked.
        self._client = client.options(max_retries=RETRIES)
        self._config, self._name = config, config.name
        self._ready = False

    def prepare(self) -> None:
        """Set up what is missing or older; once. Raises ``NeighbourError``."""
        if self._ready:
            return
        with named_errors("looking at its templates"):
            there = self.version()
        if there > VERSION:
            raise NeighbourError(
                f"the templates of {self._name} are of a newer Luytre: install that version again"
            )
        if there < VERSION:
            self.set_up()
        self._ready = True

    def version(self) -> int:
        """Return the version of the templates that are there; 0 if none are."""
        try:
            found = self._client.cluster.get_component_template(name=component_name(self._name))
        except NotFoundError:
            return 0
        return int(found["component_templates"][0]["component_template"].get("version", 0))

    def set_up(self) -> list[str]:
        """Write the templates, bring existing indices to them, and return what was done."""
        name = self._name
        try:
            with named_errors("setting up"):
                self._client.cluster.put_component_template(
                    name=component_name(name), **component(self._config)
                )
                self._client.indices.put_index_template(name=name, **index_template(name))
                indices = sorted(self._client.indices.get(index=f"{name}-*", features="settings"))
                for index in indices:
                    self._client.indices.put_mapping(index=index, **_additions())
        except NeighbourError as error:
            if isinstance(error.__cause__, AuthorizationException):
                remedy = "run `luytre elastic setup` once with a key that may manage templates"
                raise NeighbourError(f"{error}; {remedy}") from error
            raise
        done = f"templates {component_name(name)} and {name}, version {VERSION}"
        return [done, *(f"index {index}" for index in indices)]

    def open(self, alias: str) -> bool:
        """Make the index of an alias that is missing; return False if retention has taken it."""
        with named_errors(f"making {alias}"):
            retired = self._client.exists(index=f"{self._name}-{STATE}", id=alias)
            if retired:
                return False
            self.make(alias)
        return True

    def make(self, alias: str) -> None:
        """Make the index of an alias, if it is not there."""
        shown: dict[str, Any] = {} if alias.endswith(STATE) else {self._name: {}}
        try:
            self._client.indices.create(index=alias + GENERATION, aliases={alias: {}, **shown})
        except BadRequestError as error:
            if error.message != _EXISTS:
                raise

    def months(self) -> list[str]:
        """Return the aliases of all months that there are, oldest first."""
        apart = {f"{self._name}-{kind}" for kind in (UNDATED, EPISODES, STATE)}
        found = self._client.indices.get_alias(name=f"{self._name}-*")
        names = {alias for index in found.values() for alias in index["aliases"]}
        return sorted(names - apart - {self._name})

    def expire(self, days: float, clock: Clock) -> int:
        """Delete the months whose newest alert was detected longer ago; return how many alerts.

        Of what lies in no month the ids stay, so that a replay does not bring it back.
        """
        before_us = microseconds(clock.now() - timedelta(days=days))
        with named_errors("applying retention"):
            self._client.indices.refresh(index=self._name, ignore_unavailable=True)
            gone = sum(self._retire(month, before_us) for month in self.months())
            gone += self._empty(f"{self._name}-{UNDATED}", before_us)
            self._empty(f"{self._name}-{EPISODES}", before_us)
        return gone

    def _retire(self, month: str, before_us: int) -> int:
        newest = {"max": {"field": "luytre.detected_us"}}
        found = self._client.search(
            index=month, size=0, track_total_hits=True, aggs={"newest": newest}
        )
        value = found["aggregations"]["newest"]["value"]
        if value is None or value >= before_us:
            return 0
        # First said to be gone, then deleted: a writer that misses it looks here first.
        note = {"luytre.kind": "retired", "luytre.detected_us": int(value)}
        self.make(f"{self._name}-{STATE}")
        self._client.index(index=f"{self._name}-{STATE}", id=month, document=note)
        for index in self._client.indices.get_alias(name=month):
            self._client.indices.delete(index=index)
        return int(found["hits"]["total"]["value"])

    def _empty(self, index: str, before_us: int) -> int:
        emptied = 0
        for hits in self._old(index, before_us):
            operations: list[dict[str, Any]] = []
            for hit in hits:
                place = {"_id": hit["_id"], "if_seq_no": hit["_seq_no"]}
                operations.append({"index": {**place, "if_primary_term": hit["_primary_term"]}})
                operations.append({"luytre.kind": "expired", "luytre.shown": False})
            answer = self._client.bulk(index=index, operations=operations, refresh=True)
            emptied += sum(item["index"]["status"] in {200, 201} for item in answer["items"])
        return emptied

    def _old(self, index: str, before_us: int) -> Iterator[list[Any]]:
        old: dict[str, Any] = {"range": {"luytre.detected_us": {"lt": before_us}}}
        while True:
            found = self._client.search(
                index=index,
                query=old,
                size=PAGE,
                source=False,
                seq_no_primary_term=True,
                ignore_unavailable=True,
            )
            if not found["hits"]["hits"]:
                return
            yield found["hits"]["hits"]


def _additions() -> dict[str, Any]:
    """Return what can be changed in the mappings of an index that has documents."""
    found = mappings()
    return {"dynamic": found["dynamic"], "properties": found["properties"]}
