"""What only a real Elasticsearch can show: mappings, blocks, retention, and what it finds."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luytre.core.alert import Alert, AlertQuery, AlertStore
from luytre.core.clock import ManualClock
from luytre.core.config_alerts import ElasticConfig
from luytre.core.errors import NeighbourError
from luytre.core.metrics import ALERTS_EXPIRED
from luytre.core.organization import Scope
from luytre.store import elastic_check
from luytre.store.alerts import SqliteAlertStore
from luytre.store.elastic import ElasticAlertStore
from luytre.store.elastic_documents import Documents
from tests.contracts.alert_episodes import document
from tests.contracts.alert_store import EVERYTHING, NOON, alert


@pytest.fixture
def store(elastic: ElasticConfig) -> Iterator[ElasticAlertStore]:
    store = ElasticAlertStore(elastic, clock=ManualClock())
    yield store
    store.close()


def ask(elastic: ElasticConfig, path: str, **body: Any) -> Any:
    """Ask the node itself; with a body, change something."""
    url = f"{elastic.urls[0]}/{path}"
    answer = httpx.put(url, json=body, timeout=60) if body else httpx.get(url, timeout=60)
    answer.raise_for_status()
    return answer.json()


def test_ten_thousand_new_fields_change_no_mapping(
    elastic: ElasticConfig, store: ElasticAlertStore
) -> None:
    store.add([alert("before")])
    before = ask(elastic, f"{elastic.name}-2026-03/_mapping")
    event = {f"field.{number}.x": str(number) for number in range(10_000)}
    hostile = {"a": "1", "a.b": "2", "a.b.c": "3", "": "4", ".": "5", "x" * 5000: "6", "n\x00": "7"}
    conflicts = {"source.ip": "no address", "source.port": "no number", "process.pid": "\x00"}

    assert store.add([alert("many", event=event), alert("odd", event=hostile | conflicts)]) == 2
    assert ask(elastic, f"{elastic.name}-2026-03/_mapping") == before
    found = store.find(AlertQuery(text="9999"), EVERYTHING)
    assert [one.event for one in found] == [event]
    query = {"term": {"luytre.event.field.4711.x": "4711"}}
    answer = httpx.post(f"{elastic.urls[0]}/{elastic.name}/_count", json={"query": query})
    assert answer.json()["count"] == 1


def test_a_disk_at_its_flood_stage_is_waited_for(
    elastic: ElasticConfig, store: ElasticAlertStore
) -> None:
    store.add([alert("before")])
    month = f"{elastic.name}-2026-03"
    ask(elastic, f"{month}/_settings", **{"index.blocks.read_only_allow_delete": True})

    with pytest.raises(NeighbourError, match="flood-stage"):
        store.add([alert("held"), alert("next")])
    bad = [f.detail for f in elastic_check.examine(elastic) if f.state == "bad"]
    ask(elastic, f"{month}/_settings", **{"index.blocks.read_only_allow_delete": None})

    assert bad == [f"{month}-000001 takes no alerts: index.blocks.read_only_allow_delete"]
    assert store.add([alert("held"), alert("next")]) == 2
    assert store.count(AlertQuery(), EVERYTHING) == 3


def test_an_index_is_chosen_by_the_event_s_month_alone(
    elastic: ElasticConfig, store: ElasticAlertStore
) -> None:
    times = {
        "2026-02": datetime(2026, 2, 28, 23, 59, 59, 999999, UTC),
        "2026-03": datetime(2026, 3, 1, tzinfo=UTC),
        "2010-01": datetime(2010, 1, 1, tzinfo=UTC),
        "2039-12": datetime(2039, 12, 31, 23, tzinfo=UTC),
        "undated": None,
    }
    undated = [datetime(2009, 12, 31, 23, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)]
    store.add([alert(month, seen_at=time) for month, time in times.items()])
    store.add([alert(str(time), seen_at=time) for time in undated])
    assert store.count(AlertQuery(), EVERYTHING) == 7

    counts = {
        month: ask(elastic, f"{elastic.name}-{month}/_count")["count"] for month in sorted(times)
    }
    assert counts == {"2010-01": 1, "2026-02": 1, "2026-03": 1, "2039-12": 1, "undated": 3}


class TestRetention:
    OLD, YOUNG = NOON - timedelta(days=31), NOON - timedelta(days=29)

    def test_a_month_goes_when_all_that_was_found_in_it_is_old(
        self, elastic: ElasticConfig, store: ElasticAlertStore
    ) -> None:
        old, kept = NOON - timedelta(days=365), NOON - timedelta(days=400)
        gone = [alert(str(n), seen_at=old, detected_at=self.OLD) for n in range(9)]
        young = alert("found lately", seen_at=kept, detected_at=self.YOUNG)
        beside = alert("beside it", seen_at=kept, detected_at=self.OLD)
        store.add([*gone, young, beside])

        assert store.expire(30, ManualClock(NOON)) == 9
        assert store.expire(30, ManualClock(NOON)) == 0
        assert {a.id for a in store.find(AlertQuery(), EVERYTHING)} == {young.id, beside.id}

    def test_a_replay_of_what_retention_took_is_counted_and_not_kept(
        self, elastic: ElasticConfig, store: ElasticAlertStore
    ) -> None:
        gone = [alert(str(n), detected_at=self.OLD) for n in range(5)]
        revisions = [replace(document(f"A{n}"), detected_at=self.OLD) for n in (1, 2)]
        undated = alert("undated", seen_at=None, detected_at=self.OLD)
        store.add([*gone, *revisions, undated])
        assert store.expire(30, ManualClock(NOON)) == 8
        before = ALERTS_EXPIRED._value.get()
        again = [replace(a, detected_at=NOON) for a in (*gone, *revisions, undated)]

        for other in (store, ElasticAlertStore(elastic, clock=ManualClock())):
            assert other.add([*again, alert("new", seen_at=NOON + timedelta(days=60))]) <= 1
        assert ALERTS_EXPIRED._value.get() - before == 14
        assert [a.event_id for a in store.find(AlertQuery(), EVERYTHING)] == ["new"]
        assert store.count(AlertQuery(), EVERYTHING) == 1


class TestSetUp:
    def test_a_newer_template_is_not_written_over(
        self, elastic: ElasticConfig, store: ElasticAlertStore
    ) -> None:
        store.set_up()
        path = f"_component_template/{elastic.name}@mappings"
        ask(elastic, path, template={}, version=99)

        with pytest.raises(NeighbourError, match="newer Luytre"):
            store.add([alert()])
        assert [f.state for f in elastic_check.examine(elastic) if "version 99" in f.detail] == [
            "bad"
        ]
        httpx.delete(f"{elastic.urls[0]}/_index_template/{elastic.name}").raise_for_status()

    def test_an_older_index_gets_the_new_fields(
        self, elastic: ElasticConfig, store: ElasticAlertStore
    ) -> None:
        name = f"{elastic.name}-2026-03"
        body = {"mappings": {"dynamic": False}, "aliases": {name: {}, elastic.name: {}}}
        ask(elastic, f"{name}-000001", **body)

        done = store.set_up()

        assert done[1:] == [f"index {name}-000001"]
        assert store.add([alert(event={"host.name": "Máy-1"})]) == 1
        assert store.count(AlertQuery(host="may-1"), EVERYTHING) == 1

    def test_no_document_makes_an_index(
        self, elastic: ElasticConfig, store: ElasticAlertStore
    ) -> None:
        item = Documents(elastic.name).fact(alert())
        body = b"\n".join([item.action, item.source, b""])
        headers = {"Content-Type": "application/x-ndjson"}

        answer = httpx.post(f"{elastic.urls[0]}/_bulk", content=body, headers=headers).json()

        assert [i["create"]["status"] for i in answer["items"]] == [404]
        assert ask(elastic, f"{elastic.name}-*/_settings") == {}

    def test_a_check_of_what_is_well_finds_nothing_else(
        self, elastic: ElasticConfig, store: ElasticAlertStore
    ) -> None:
        store.set_up()

        found = list(elastic_check.examine(elastic))

        # The node is everybody's here: an index of another test may still miss a copy.
        states = {f.state for f in found if f.what == "elasticsearch" and "copies" not in f.remedy}
        assert states == {"good"}
        assert "written and read" in found[-1].detail
        assert store.find(AlertQuery(), EVERYTHING) == []

    def test_a_check_of_what_is_away_says_so(self) -> None:
        found = list(elastic_check.examine(ElasticConfig(urls=("http://127.0.0.1:1",))))

        assert {f.state for f in found} == {"bad"}
        assert "http://127.0.0.1:1" in found[0].detail


def test_pages_go_beyond_what_one_search_may_give(
    elastic: ElasticConfig, store: ElasticAlertStore
) -> None:
    times = [NOON + timedelta(days=31 * (number % 3), seconds=number) for number in range(1100)]
    store.add([alert(str(number), seen_at=time) for number, time in enumerate(times)])
    ask(elastic, f"{elastic.name}/_settings", **{"index.max_result_window": 500})

    everything = store.find(AlertQuery(limit=5000), EVERYTHING)
    page = store.find(AlertQuery(limit=90, offset=1001), EVERYTHING)

    assert [a.seen_at for a in everything] == sorted(times, reverse=True)
    assert list(page) == list(everything)[1001:1091]


WORDS: tuple[str, ...] = (
    "đăng nhập",
    "Đăng Nhập",
    "dang",
    "nhap*",
    "10.1.2.3",
    "10.1.2",
    "10.1.2*",
    "máy",
    "may-1",
)
WORDS += (
    '"thất bại"',
    '"that b*',
    "thất",
    "bại",
    "ATTT",
    "an ninh mạng",
    "x",
    "so-yte",
    "c:\\win*",
)
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
HOSTS = st.sampled_from(["Máy-1", "may-1", "MAY-1", "may", "10.1.2.3", ""])
ALERTS = st.builds(
    lambda number, title, message, host, level, days, office: alert(
        f"{number}",
        title=title,
        level=level,
        organization=office,
        seen_at=NOON + timedelta(days=days),
        event={"message": message, "host.name": host},
    ),
    st.integers(0, 10**9),
    SENTENCES,
    SENTENCES,
    HOSTS,
    st.sampled_from(["low", "high"]),
    st.integers(-40, 40),
    st.sampled_from(["so-yte", "so-yte-2"]),
)
QUERIES = st.builds(
    AlertQuery,
    text=st.one_of(st.just(""), SENTENCES),
    rule=st.one_of(st.just(""), st.just("rule-1"), SENTENCES),
    host=HOSTS,
    levels=st.sampled_from([(), ("low",), ("low", "high")]),
    since=st.sampled_from([None, NOON - timedelta(days=3)]),
    until=st.sampled_from([None, NOON + timedelta(days=3)]),
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(alerts=st.lists(ALERTS, min_size=5, max_size=40), queries=st.lists(QUERIES, max_size=12))
def test_both_stores_find_the_same(
    elastic: ElasticConfig,
    tmp_path_factory: pytest.TempPathFactory,
    alerts: list[Alert],
    queries: list[AlertQuery],
) -> None:
    name = f"{elastic.name}-{next(_NUMBERS)}"
    stores: list[AlertStore] = [
        ElasticAlertStore(elastic.model_copy(update={"name": name})),
        SqliteAlertStore(tmp_path_factory.mktemp("sqlite") / "alerts.db"),
    ]
    scopes = [EVERYTHING, Scope.only("so-yte")]
    assert len({store.add(alerts) for store in stores}) == 1

    for query, scope in itertools.product(queries, scopes):
        found = [{a.id for a in store.find(query, scope)} for store in stores]
        assert found[0] == found[1], query
        assert len({store.count(query, scope) for store in stores}) == 1
    for scope in scopes:
        tallies = [store.tally(scope) for store in stores]
        assert tallies[0] == tallies[1]
    for store in stores:
        store.close()


_NUMBERS = itertools.count()
