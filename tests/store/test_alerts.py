"""The alert store on SQLite: the contract, and what is its own."""

import itertools
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from luytre.core.alert import AlertQuery
from luytre.core.clock import ManualClock
from luytre.core.database import open_database
from luytre.core.errors import NeighbourError
from luytre.core.organization import Scope
from luytre.store.alert_rows import SLOTS
from luytre.store.alerts import SqliteAlertStore
from tests.contracts.alert_episodes import AlertEpisodesContract, document
from tests.contracts.alert_store import EVERYTHING, NOON, AlertStoreContract, OpenStore, alert


class TestSqliteAlertStore(AlertStoreContract, AlertEpisodesContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return partial(SqliteAlertStore, tmp_path / "alerts.db")


def test_what_is_old_expires_with_all_that_it_left(tmp_path: Path) -> None:
    store = SqliteAlertStore(tmp_path / "alerts.db")
    clock = ManualClock(NOON)
    event = {"host.name": "db-1"}
    store.add([alert(str(n), detected_at=NOON - timedelta(days=31), event=event) for n in range(9)])
    store.add([alert("young", detected_at=NOON - timedelta(days=29), seen_at=None)])

    assert store.expire(30, clock) == 9
    assert store.expire(30, clock) == 0
    assert [a.event_id for a in store.find(AlertQuery(), EVERYTHING)] == ["young"]
    assert store.count(AlertQuery(text="powershell"), EVERYTHING) == 1
    assert store.count(AlertQuery(host="db-1"), EVERYTHING) == 0
    db = open_database(tmp_path / "alerts.db", read_only=True)
    assert db.execute("SELECT count(*) FROM alert_documents").get == 1
    assert db.execute("SELECT count(*) FROM alert_terms").get == 0


def test_more_expire_than_one_transaction_takes(tmp_path: Path) -> None:
    store = SqliteAlertStore(tmp_path / "alerts.db")
    store.add([alert(str(n)) for n in range(2500)])

    assert store.expire(1, ManualClock(NOON + timedelta(days=2))) == 2500
    assert store.count(AlertQuery(), EVERYTHING) == 0


def test_a_storm_larger_than_a_microsecond_s_places_spills(tmp_path: Path) -> None:
    store = SqliteAlertStore(tmp_path / "alerts.db")

    store.add([alert(str(n)) for n in range(SLOTS + 2)])
    store.add([alert("next", seen_at=NOON + timedelta(microseconds=1))])

    assert store.count(AlertQuery(), EVERYTHING) == SLOTS + 3
    assert store.find(AlertQuery(limit=1), EVERYTHING)[0].event_id == "next"


def test_a_large_event_is_kept_whole_and_searched_at_its_start(tmp_path: Path) -> None:
    store = SqliteAlertStore(tmp_path / "alerts.db")
    message = "first " + "x" * 2**20 + " last"

    store.add([alert(event={"message": message}, original=message.encode())])

    found = store.find(AlertQuery(text="first"), EVERYTHING)
    assert [a.event["message"] for a in found] == [message]
    assert store.count(AlertQuery(text="last"), EVERYTHING) == 0


def test_a_failed_add_keeps_nothing_and_names_the_file(tmp_path: Path) -> None:
    store = SqliteAlertStore(tmp_path / "alerts.db")
    db = open_database(tmp_path / "alerts.db", read_only=True)
    db.pragma("query_only", False)  # noqa: FBT003
    db.execute(
        "CREATE TRIGGER full BEFORE INSERT ON alert_documents"
        " WHEN (SELECT count(*) FROM alert_documents) = 1 BEGIN SELECT raise(ABORT, 'full'); END"
    )

    with pytest.raises(NeighbourError, match=r"alerts\.db.*full"):
        store.add([alert("a"), alert("b")])

    assert store.count(AlertQuery(), EVERYTHING) == 0


def test_no_page_is_sorted(tmp_path: Path) -> None:
    store = SqliteAlertStore(tmp_path / "alerts.db")
    store.add([alert(), document("A1"), document("A2")])
    queries = [
        AlertQuery(),
        AlertQuery(levels=("high",)),
        AlertQuery(since=NOON),
        AlertQuery(text="powershell", levels=("high",)),
        AlertQuery(host="db-1"),
        AlertQuery(rule="rule-1"),
    ]

    scopes = [EVERYTHING, Scope.only("health"), Scope.only("health", "finance")]
    for query, scope in itertools.product(queries, scopes):
        selection = store._select(query, scope)
        selection.walk()
        sql = f"EXPLAIN QUERY PLAN SELECT alerts.place {selection.source} {selection.order}"
        plan = [row[3] for row in store._db.execute(sql, selection.values)]
        assert not [step for step in plan if "TEMP B-TREE" in step]
