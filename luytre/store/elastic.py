"""The alert store on Elasticsearch: append-only documents, found as SQLite finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zstandard

from luytre.core.alert import LEVELS, Alert, AlertQuery
from luytre.core.clock import SystemClock
from luytre.core.errors import NeighbourError
from luytre.core.metrics import ALERTS_EXPIRED, ALERTS_REFUSED
from luytre.store.elastic_bulk import Bulk, Settled
from luytre.store.elastic_client import connect, named_errors
from luytre.store.elastic_documents import Documents, exact, read_document, version_of
from luytre.store.elastic_indices import RETRIES, Indices
from luytre.store.elastic_query import FACTS, SHOWN, all_of, select, within
from luytre.store.elastic_verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from luytre.core.alert import DeadLetters, Level
    from luytre.core.clock import Clock
    from luytre.core.config_alerts import ElasticConfig
    from luytre.core.organization import Scope
    from luytre.store.elastic_query import Filters

PAGE = 500
TALLY_PAGE = 1000
_PREFIX_END = "\U0010ffff"
_ORDER = [{"luytre.time_us": "desc"}, {"luytre.id": "desc"}]


def no_dead_letters(refused: Sequence[tuple[Alert, str]]) -> None:
    """Keep no refused alert: who only reads has none."""
    raise NeighbourError(f"Elasticsearch refused an alert: {refused[0][1]}")


class ElasticAlertStore:
    """Keeps alerts in Elasticsearch, for any number of processes and machines.

    Whoever reads sees all that was acknowledged before: a read refreshes first, so writers never
    wait for it. Refused alerts go to ``dead_letters`` with Elasticsearch's reason. Raises
    ``NeighbourError`` while the cluster does not take or give alerts; an ``add`` that raised so may
    be called again, and sends only what is not known to be kept.
    """

    def __init__(
        self,
        config: ElasticConfig,
        dead_letters: DeadLetters = no_dead_letters,
        clock: Clock | None = None,
    ) -> None:
        self._name = config.name
        self._client = connect(config)
        # A question may be put to the next node: it changes nothing.
        self._readers = self._client.options(max_retries=RETRIES)
        self._indices = Indices(self._client, config)
        self._bulk = Bulk(self._client, clock or SystemClock())
        self._documents = Documents(config.name)
        self._dead_letters = dead_letters
        self._unpacker = zstandard.ZstdDecompressor()
        self._kept: dict[str, Settled] = {}

    def add(self, alerts: Sequence[Alert]) -> int:
        """Durably keep alerts and return how many are new; a known id changes nothing."""
        if not alerts:
            return 0
        self._indices.prepare()
        facts: dict[str, Alert] = {}
        for alert in alerts:
            facts.setdefault(alert.id, alert)
        items = (self._documents.fact(a) for id_, a in facts.items() if id_ not in self._kept)
        self._bulk.send(items, self._keep, self._indices.open)
        kept = {id_: self._kept[id_] for id_ in facts}
        self._show(facts, kept)
        refused = [(facts[i], s.reason) for i, s in kept.items() if s.verdict is Verdict.REFUSED]
        if refused:
            self._dead_letters(refused)
        verdicts = [settled.verdict for settled in kept.values()]
        ALERTS_REFUSED.inc(verdicts.count(Verdict.REFUSED))
        ALERTS_EXPIRED.inc(verdicts.count(Verdict.MISSING))
        self._kept = {}
        return verdicts.count(Verdict.NEW)

    def get(self, alert_id: str, scope: Scope) -> Alert | None:
        """Return the alert whose id starts with ``alert_id``; None if none or several do."""
        begins = {"range": {"luytre.id": {"gte": alert_id, "lt": alert_id + _PREFIX_END}}}
        found = list(self._read([*within(scope), FACTS, begins], limit=2))
        return found[0] if len(found) == 1 else None

    def history(self, alert_id: str, scope: Scope) -> Sequence[Alert]:
        """Return all documents of the episode of the alert that ``get`` gives, oldest first.

        An alert of a single event is its own history; that of an unknown alert is empty.
        """
        alert = self.get(alert_id, scope)
        if alert is None or not alert.episode:
            return [alert] if alert else []
        same = {"organization.id": alert.organization_id, "luytre.episode": alert.episode}
        episode: Filters = [{"term": {name: exact(value)}} for name, value in same.items()]
        found = self._read([*within(scope), FACTS, *episode])
        return sorted(found, key=lambda a: (a.revision, a.id))

    def find(self, query: AlertQuery, scope: Scope) -> Sequence[Alert]:
        """Return a page of alerts, newest first; of one microsecond, the highest id first."""
        filters = self._select(query, scope)
        return list(self._read(filters, limit=query.limit, offset=query.offset))

    def count(self, query: AlertQuery, scope: Scope) -> int:
        """Return how many alerts ``find`` would give without limit and offset."""
        filters = self._select(query, scope)

        with named_errors("counting alerts"):
            self._refresh()
            found = self._readers.count(
                index=self._name, query=all_of(filters), ignore_unavailable=True
            )
            return int(found["count"])

    def tally(self, scope: Scope) -> Mapping[tuple[str, Level], int]:
        """Return how many alerts each (rule title, level) has."""
        levels = {str(level): level for level in LEVELS}
        keys = [
            {"title": {"terms": {"field": "rule.name"}}},
            {"level": {"terms": {"field": "luytre.level"}}},
        ]
        found: dict[tuple[str, Level], int] = {}
        after: dict[str, Any] = {}
        while True:
            pages = {"sources": keys, "size": TALLY_PAGE, **after}
            answer = self._search([*within(scope), SHOWN], 0, aggs={"t": {"composite": pages}})
            if "aggregations" not in answer:
                return found
            tally = answer["aggregations"]["t"]
            for bucket in tally["buckets"]:
                key = bucket["key"]
                found[key["title"], levels[key["level"]]] = bucket["doc_count"]
            if "after_key" not in tally:
                return found
            after = {"after": tally["after_key"]}

    def expire(self, days: float, clock: Clock) -> int:
        """Delete the months of which every alert was detected longer than ``days`` ago.

        Returns how many alerts they held. A replay of them is counted, and not kept again.
        """
        self._indices.prepare()
        return self._indices.expire(days, clock)

    def set_up(self) -> list[str]:
        """Write the templates, bring existing indices to them, and return what was done."""
        return self._indices.set_up()

    def close(self) -> None:
        self._client.close()

    def _keep(self, settled: Settled) -> None:
        self._kept[settled.item.id] = settled

    def _show(self, facts: Mapping[str, Alert], kept: Mapping[str, Settled]) -> None:
        """Let the newest revision of each episode be what is shown."""
        newest: dict[tuple[str, str], Alert] = {}
        for id_, settled in kept.items():
            alert = facts[id_]
            if not alert.episode or settled.verdict in {Verdict.MISSING, Verdict.REFUSED}:
                continue
            key = alert.organization_id, alert.episode
            if key not in newest or version_of(newest[key]) < version_of(alert):
                newest[key] = alert
        shown = [(self._documents.current(alert), alert) for alert in newest.values()]
        ends: list[Settled] = []
        self._bulk.send((item for item, _ in shown), ends.append, self._indices.open)
        about = {item.id: alert for item, alert in shown}
        refused = [(about[e.item.id], e.reason) for e in ends if e.verdict is Verdict.REFUSED]
        if refused:
            self._dead_letters(refused)

    def _select(self, query: AlertQuery, scope: Scope) -> Filters:
        known = bool(query.rule) and self._is_rule(query.rule)
        return select(query, scope, rule_is_id=known)

    def _is_rule(self, rule: str) -> bool:
        by_id: Filters = [FACTS, {"term": {"rule.id": exact(rule)}}]
        answer = self._search(by_id, 0, terminate_after=1, track_total_hits=True)
        return bool(answer["hits"]["total"]["value"])

    def _read(
        self, filters: Filters, *, limit: int | None = None, offset: int = 0
    ) -> Iterator[Alert]:
        """Yield alerts newest first, page by page: no more than 10,000 are given at once."""
        at, end = 0, None if limit is None else offset + limit
        after: dict[str, Any] = {}
        while end is None or at < end:
            skipping = at < offset
            size = min(PAGE, (offset if skipping else end or at + PAGE) - at)
            fields = False if skipping else ["luytre.document"]
            answer = self._search(filters, size, sort=_ORDER, source=fields, **after)
            hits = answer["hits"]["hits"]
            if not skipping:
                packed = (hit["_source"]["luytre.document"] for hit in hits)
                yield from (read_document(document, self._unpacker) for document in packed)
            if len(hits) < size:
                return
            at += size
            after = {"search_after": hits[-1]["sort"]}

    def _search(self, filters: Filters, size: int, **options: Any) -> Any:
        with named_errors("searching alerts"):
            if "search_after" not in options:
                self._refresh()
            return self._readers.search(
                index=self._name,
                query=all_of(filters),
                size=size,
                # Half an answer would look like alerts that never were.
                allow_partial_search_results=False,
                ignore_unavailable=True,  # no alias: no alert was ever kept
                **{"track_total_hits": False, **options},
            )

    def _refresh(self) -> None:
        self._readers.indices.refresh(index=self._name, ignore_unavailable=True)
