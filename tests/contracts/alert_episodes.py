"""What every alert store must show of episodes: a suite to inherit beside AlertStoreContract."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luytre.core.alert import Alert, AlertQuery, AlertStore
from luytre.core.organization import Scope
from tests.contracts.alert_store import EVERYTHING, OpenStore, alert

ALL = AlertQuery(limit=100_000)
FIRST = 1_764_000_000_000_000
"""Revisions are numbered by the log's time in microseconds: small numbers would prove little."""


def document(
    name: str, supersedes: str = "", *, withdrawn: bool = False, organization: str = "health"
) -> Alert:
    """Return a document of an episode. "A2" is the second of A; each letter names an episode."""
    about = alert(
        f"{name} {supersedes} {withdrawn} {organization}",
        organization=organization,
        event={"host.name": "db-1"},
    )
    return replace(
        about,
        episode=name[0],
        revision=FIRST + int(name[1:]),
        supersedes=tuple(supersedes),
        withdrawn=withdrawn,
    )


def current(documents: Iterable[Alert]) -> set[str]:
    """Return the ids to show, found by the definition alone."""
    newest: dict[str, Alert] = {}
    for one in sorted(documents, key=lambda d: (d.revision, d.id)):
        newest[one.episode] = one
    return {one.id for one in newest.values() if not one.withdrawn}


def names(alerts: Sequence[Alert]) -> set[str]:
    return {f"{one.episode}{one.revision - FIRST}" for one in alerts}


_NAMES = st.builds("{}{}".format, st.sampled_from("ABC"), st.integers(1, 4))
_DOCUMENTS = st.builds(
    document, _NAMES, st.sampled_from(["", "A", "B", "AC"]), withdrawn=st.booleans()
)

_OFFICES = itertools.count()


class AlertEpisodesContract:
    """Inherit beside ``AlertStoreContract``, whose fixtures it uses."""

    @pytest.mark.parametrize(
        ("documents", "shown"),
        [
            pytest.param([document("A1")], "A1", id="one"),
            pytest.param([document("A1"), document("A2"), document("A3")], "A3", id="the newest"),
            pytest.param([document("A10"), document("A2"), document("A7")], "A10", id="skipping"),
            pytest.param([document("A1"), document("A2", withdrawn=True)], "", id="withdrawn"),
            pytest.param(
                [document("A1"), document("A2", withdrawn=True), document("A3")],
                "A3",
                id="withdrawn and back",
            ),
            pytest.param(
                [document("A1"), document("B1", "A"), document("A2", withdrawn=True)],
                "B1",
                id="part of another, and withdrawn",
            ),
            pytest.param(
                [document("A1"), document("B1", "A"), document("A2", withdrawn=True), document("A3")],
                "A3 B1",
                id="came back: what it was part of hides nothing",
            ),
        ],
    )  # fmt: skip
    def test_no_order_of_arrival_changes_what_is_shown(
        self, store: AlertStore, documents: list[Alert], shown: str
    ) -> None:
        # Each order has an organisation of its own, which also shows that they don't meet.
        orders = list(itertools.permutations(documents))
        for step in range(2 * len(documents)):
            arriving = [
                replace(order[step % len(order)], organization_id=f"office-{number}")
                for number, order in enumerate(orders)
            ]
            store.add([replace(one, id=f"{one.id}{one.organization_id}") for one in arriving])

        for number in range(len(orders)):
            scope = Scope.only(f"office-{number}")
            assert names(store.find(ALL, scope)) == set(shown.split())
            assert store.count(ALL, scope) == len(shown.split())
            assert sum(store.tally(scope).values()) == len(shown.split())
        assert store.count(ALL, EVERYTHING) == len(orders) * len(shown.split())

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(batches=st.lists(st.lists(_DOCUMENTS, max_size=4), max_size=6))
    def test_at_any_moment_what_is_current_is_shown(
        self, store: AlertStore, batches: list[list[Alert]]
    ) -> None:
        office = f"office-{next(_OFFICES)}"  # the examples share a store
        scope = Scope.only(office)
        arrived: dict[str, Alert] = {}
        for batch in batches:
            mine = [replace(d, id=f"{d.id}{office}", organization_id=office) for d in batch]
            arrived |= {one.id: one for one in mine}
            store.add(mine)

            assert {one.id for one in store.find(ALL, scope)} == current(arrived.values())
            assert store.count(ALL, scope) == len(current(arrived.values()))

    def test_a_document_that_is_not_shown_is_still_found_by_its_id(self, store: AlertStore) -> None:
        documents = [document("A1"), document("A2", withdrawn=True), document("B1", "C")]
        hidden = document("C1")

        assert store.add([*documents, hidden]) == 4
        assert store.add([*documents, hidden]) == 0
        for one in (*documents, hidden):
            assert store.get(one.id, EVERYTHING) == one
            assert store.get(one.id[:16], EVERYTHING) == one

    @pytest.mark.parametrize(
        "query",
        [
            pytest.param(AlertQuery(text="powershell"), id="text"),
            pytest.param(AlertQuery(host="db-1"), id="host"),
            pytest.param(AlertQuery(rule="rule-1"), id="rule"),
            pytest.param(AlertQuery(rule="powershell"), id="title"),
            pytest.param(AlertQuery(levels=("high",)), id="level"),
            pytest.param(AlertQuery(text="powershell", host="db-1"), id="text and host"),
        ],
    )
    def test_no_query_shows_what_is_not_current(self, store: AlertStore, query: AlertQuery) -> None:
        store.add([document("A1"), document("B1"), document("A2", "B"), document("C1")])
        store.add([document("C2", withdrawn=True), document("B2", withdrawn=True)])

        for scope in (EVERYTHING, Scope.only("health"), Scope.only("health", "finance")):
            assert names(store.find(query, scope)) == {"A2"}
            assert store.count(query, scope) == 1
            assert store.tally(scope) == {("Encoded PowerShell", "high"): 1}

    def test_an_alert_of_one_event_is_never_superseded(self, store: AlertStore) -> None:
        lone = alert("lone")
        store.add([replace(document("A1"), supersedes=("", lone.id, "B")), lone])

        assert lone in store.find(ALL, EVERYTHING)
        assert store.history(lone.id, EVERYTHING) == [lone]

    def test_history_is_all_of_an_episode_oldest_first(self, store: AlertStore) -> None:
        documents = [document("A1"), document("A2"), document("A5"), document("A6", withdrawn=True)]
        elsewhere = document("A3", organization="finance")
        store.add([*reversed(documents), elsewhere, document("B1", "A"), alert("lone")])

        for one in documents:
            assert store.history(one.id[:16], EVERYTHING) == documents
        assert store.history(elsewhere.id, EVERYTHING) == [elsewhere]
        assert store.history("no such id", EVERYTHING) == []

    def test_no_organisation_sees_or_hides_another_s_episodes(self, store: AlertStore) -> None:
        mine = document("A1")
        other = document("A2", organization="finance", withdrawn=True)
        store.add([mine, other, document("B1", "A", organization="finance")])

        assert store.find(ALL, Scope.only("health")) == [mine]
        assert store.history(mine.id, Scope.only("health")) == [mine]
        assert store.history(other.id, Scope.only("health")) == []
        assert store.history(other.id, Scope.only("finance")) == [other]
        assert store.history(mine.id, Scope.only()) == []

    def test_what_is_shown_is_known_when_opened_again(self, open_store: OpenStore) -> None:
        first = open_store()
        first.add([document("A2")])
        first.close()
        second = open_store()
        second.add([document("A1")])

        assert names(second.find(ALL, EVERYTHING)) == {"A2"}
        second.close()
