"""What every alert store must do: a suite to inherit, with a fixture ``open_store``.

``open_store()`` opens the same, at first empty, store again; it must be picklable, because other
processes call it too.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luytre.core.alert import Alert, AlertQuery, AlertStore, Level, Reason, RuleCard, alert_id
from luytre.core.organization import Scope

OpenStore = Callable[[], AlertStore]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERYTHING = Scope.everything()
HOSTILE = (
    "\x00",
    "a\x00b",
    "'; DROP TABLE alerts; --",
    '"',
    '""""',
    "* OR *",
    "NEAR(a b, 2)",
    "title : x",
    "{title}:x",
    "^x",
    "-x",
    "(",
    "a AND",
    "\\",
    "%_",
    "\ud7ff\uffff\U0010ffff",
    "<script>alert(1)</script>",
    "\x1b[2J",
    "\u202e",
    "x" * 5000,
    "x " * 5000,
    '" ' * 5000,
    "(" * 5000,
)


def alert(  # noqa: PLR0913 - every part of an alert that some test is about
    name: str = "a",
    *,
    title: str = "Encoded PowerShell",
    level: Level = "high",
    rule: str = "rule-1",
    tags: tuple[str, ...] = (),
    organization: str = "health",
    seen_at: datetime | None = NOON,
    detected_at: datetime = NOON,
    event: Mapping[str, str] | None = None,
    original: bytes = b"raw",
    description: str = "",
) -> Alert:
    """Return an alert; ``name`` makes its id."""
    return Alert(
        id=alert_id(rule, name),
        rule=RuleCard(rule, title, level, "v1", description=description, tags=tags),
        event_id=name,
        organization_id=organization,
        seen_at=seen_at,
        ingested_at=NOON,
        detected_at=detected_at,
        part="windows/sysmon/1",
        reasons=(Reason("sel", "CommandLine", "process.command_line", "contains", "-enc", "x"),),
        event=event or {},
        original=original,
        versions={"rules": "1"},
    )


def _add_many(open_store: OpenStore, names: list[str], started: object) -> None:
    started.wait()  # type: ignore[attr-defined]
    store = open_store()
    for name in names:
        store.add([alert(name), alert("shared-" + name.partition("-")[2])])
    store.close()


class AlertStoreContract:
    """Inherit, and give the fixture ``open_store``."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[AlertStore]:
        store = open_store()
        yield store
        store.close()

    def test_an_alert_comes_back_as_it_was(self, store: AlertStore) -> None:
        original = bytes(range(256)) * 4096
        kept = alert(event={"message": "Đăng nhập\x00thất bại"}, original=original, seen_at=None)

        store.add([kept])

        assert store.find(AlertQuery(), EVERYTHING) == [kept]
        assert store.get(kept.id, EVERYTHING) == kept

    def test_a_known_id_changes_nothing(self, store: AlertStore) -> None:
        first = alert("a")

        assert store.add([first, first]) == 1
        assert store.add([alert("a", title="Another title"), alert("b")]) == 1
        assert store.get(first.id, EVERYTHING) == first
        assert store.count(AlertQuery(), EVERYTHING) == 2

    def test_no_alerts_are_no_work(self, store: AlertStore) -> None:
        assert store.add([]) == 0
        assert store.find(AlertQuery(), EVERYTHING) == []

    def test_what_was_added_is_there_when_opened_again(self, open_store: OpenStore) -> None:
        first = open_store()
        first.add([alert()])
        first.close()
        second = open_store()

        assert second.count(AlertQuery(), EVERYTHING) == 1
        second.close()

    def test_an_id_may_be_shortened_while_it_is_unique(self, store: AlertStore) -> None:
        kept = [alert(str(number)) for number in range(40)]
        store.add(kept)
        twins = min(kept, key=lambda a: sum(b.id[0] == a.id[0] for b in kept) == 1)

        assert store.get(kept[0].id[:12], EVERYTHING) == kept[0]
        assert store.get(twins.id[:1], EVERYTHING) is None
        assert store.get("no such id", EVERYTHING) is None

    def test_no_read_shows_another_organisation(self, store: AlertStore) -> None:
        """The leak test: every read, with every kind of query that would match."""
        event = {"host.name": "db-1", "user.name": "lan"}
        mine = alert("mine", organization="health", event=event, tags=("attack.t1059",))
        other = alert("other", organization="finance", event=event, tags=("attack.t1059",))
        store.add([mine, other])
        scope = Scope.only("health")
        queries = [
            AlertQuery(),
            AlertQuery(text="powershell"),
            AlertQuery(text="finance OR health"),
            AlertQuery(rule="rule-1"),
            AlertQuery(rule="powershell"),
            AlertQuery(host="db-1"),
            AlertQuery(user="lan"),
            AlertQuery(tag="attack.t1059"),
            AlertQuery(levels=("high",)),
            AlertQuery(since=NOON, until=NOON + timedelta(days=1)),
            AlertQuery(text="powershell", host="db-1", user="lan", tag="attack.t1059"),
        ]

        for query in queries:
            assert other not in store.find(query, scope)
            assert store.count(query, scope) == len(store.find(query, scope))
            assert store.find(query, Scope.only()) == []
            assert store.count(query, Scope.only()) == 0
        assert store.find(AlertQuery(), scope) == [mine]
        assert store.get(other.id, scope) is None
        assert store.get("", scope) == mine
        assert sum(store.tally(scope).values()) == 1
        assert store.tally(Scope.only()) == {}

    def test_an_organisation_is_compared_whole(self, store: AlertStore) -> None:
        store.add([alert("a", organization="so-y-te"), alert("b", organization="so-y-te\x00x")])

        for organization in ("so-y", "SO-Y-TE", "so-y-te\x00", "so-y-te' OR 1=1 --", ""):
            assert store.find(AlertQuery(), Scope.only(organization)) == []
        assert store.count(AlertQuery(), Scope.only("so-y-te")) == 1

    def test_the_newest_comes_first(self, store: AlertStore) -> None:
        times = [NOON + timedelta(microseconds=step) for step in (5, -7, 0, 3600_000_000, 1)]
        store.add([alert(str(number), seen_at=at) for number, at in enumerate(times)])
        store.add(
            [alert("receipt counts", seen_at=None), alert("old", seen_at=NOON - timedelta(days=1))]
        )

        found = [a.seen_at or a.ingested_at for a in store.find(AlertQuery(), EVERYTHING)]

        assert found == sorted(found, reverse=True)
        assert len(found) == 7

    @pytest.mark.parametrize(
        "query",
        [
            pytest.param(AlertQuery(limit=7), id="all"),
            pytest.param(AlertQuery(text="powershell", limit=7), id="text"),
            pytest.param(AlertQuery(host="db-1", limit=7), id="host"),
        ],
    )
    def test_pages_join_without_gap_or_repetition(
        self, store: AlertStore, query: AlertQuery
    ) -> None:
        # All at one moment: the order must be stable by itself.
        store.add([alert(str(number), event={"host.name": "db-1"}) for number in range(50)])

        pages = [
            store.find(
                AlertQuery(text=query.text, host=query.host, limit=7, offset=start), EVERYTHING
            )
            for start in range(0, 56, 7)
        ]
        ids = [a.id for page in pages for a in page]

        assert len(ids) == len(set(ids)) == 50
        assert store.find(AlertQuery(limit=7, offset=100), EVERYTHING) == []

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            pytest.param("powershell", True, id="a word of the title"),
            pytest.param("POWERSHELL encoded", True, id="words in any order and case"),
            pytest.param('"encoded powershell"', True, id="a phrase"),
            pytest.param('"powershell encoded"', False, id="a phrase the other way round"),
            pytest.param("powershell nothing", False, id="all words must be there"),
            pytest.param("power", False, id="words are whole"),
            pytest.param("power*", True, id="unless a star asks for what follows"),
            pytest.param("dang nhap", True, id="without marks"),
            pytest.param("đăng nhập", True, id="with marks"),
            pytest.param("ĐĂNG NHẬP", True, id="in capitals"),
            pytest.param("10.1.2.3", True, id="an address"),
            pytest.param("10.1.2", True, id="the first part of an address"),
            pytest.param("10.1.3.2", False, id="an address of the same numbers"),
            pytest.param("db-1.health.local", True, id="a host"),
            pytest.param(r"C:\Windows\Temp", True, id="a path"),
            pytest.param("health", True, id="the organisation"),
            pytest.param("commandline", True, id="the field of a reason"),
            pytest.param("OR", False, id="an operator is a word"),
            pytest.param("powershell OR nothing", False, id="operators are words"),
            pytest.param("!!!", False, id="no word is in no alert"),
            pytest.param("explains", True, id="the description"),
        ],
    )
    def test_text_finds(self, store: AlertStore, text: str, found: bool) -> None:  # noqa: FBT001
        event = {
            "message": "Đăng nhập thất bại",
            "host.name": "db-1.health.local",
            "source.ip": "10.1.2.3",
            "process.executable": r"C:\Windows\Temp\a.exe",
        }
        store.add([alert(event=event, description="Explains itself")])

        assert bool(store.find(AlertQuery(text=text), EVERYTHING)) is found
        assert store.count(AlertQuery(text=text), EVERYTHING) == found

    @pytest.mark.parametrize(
        "text", ["an ninh mạng", "an toàn thông tin", "an toàn thông tin mạng", "ATTT", "anm"]
    )
    @pytest.mark.parametrize("written", ["An ninh mạng", "An toàn thông tin", "ATTT"])
    def test_the_law_s_old_and_new_term_are_one(
        self, store: AlertStore, text: str, written: str
    ) -> None:
        store.add([alert(title=f"Sự cố {written} mức 3"), alert("b", title="Thông tin khác")])

        assert store.count(AlertQuery(text=text), EVERYTHING) == 1
        assert store.count(AlertQuery(text=f"sự cố {text}"), EVERYTHING) == 1
        assert store.count(AlertQuery(rule=f"{text} mức"), EVERYTHING) == 1

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            pytest.param(AlertQuery(levels=("high",)), "ac", id="level"),
            pytest.param(AlertQuery(levels=("high", "low")), "abc", id="levels"),
            pytest.param(AlertQuery(rule="rule-b"), "b", id="rule by id"),
            pytest.param(AlertQuery(rule="web shell"), "b", id="rule by words of its title"),
            pytest.param(AlertQuery(rule="rule"), "", id="half an id is no id"),
            pytest.param(AlertQuery(host="DB-1"), "ab", id="host in any case"),
            pytest.param(AlertQuery(host="db"), "", id="host is whole"),
            pytest.param(AlertQuery(user="hồng"), "a", id="user"),
            pytest.param(AlertQuery(user="hong"), "a", id="user without marks"),
            pytest.param(AlertQuery(user="admin"), "b", id="user who is the target"),
            pytest.param(AlertQuery(tag="attack.t1059"), "ac", id="tag and its sub-techniques"),
            pytest.param(AlertQuery(tag="attack.T1059.001"), "a", id="sub-technique"),
            pytest.param(AlertQuery(tag="attack.t105"), "", id="tag is whole"),
            pytest.param(AlertQuery(since=NOON + timedelta(hours=1)), "bc", id="since, inclusive"),
            pytest.param(AlertQuery(until=NOON + timedelta(hours=1)), "a", id="until, exclusive"),
            pytest.param(
                AlertQuery(text="db", since=NOON + timedelta(hours=1)), "b", id="text and time"
            ),
            pytest.param(AlertQuery(text="db", host="db-1", user="admin"), "b", id="all of them"),
            pytest.param(AlertQuery(host="db-1", user="admin"), "b", id="two terms"),
        ],
    )
    def test_a_query_finds(self, store: AlertStore, query: AlertQuery, names: str) -> None:
        store.add(
            [
                alert("a", tags=("attack.t1059.001",), event={"host.name": "db-1", "user.name": "Hồng"}),
                alert("b", level="low", rule="rule-b", title="Web shell", seen_at=NOON + timedelta(hours=1), event={"host.name": "db-1", "user.target.name": "admin"}),
                alert("c", seen_at=NOON + timedelta(hours=2), tags=("attack.t1059",)),
            ]
        )  # fmt: skip

        assert {a.event_id for a in store.find(query, EVERYTHING)} == set(names)
        assert store.count(query, EVERYTHING) == len(names)

    def test_what_filters_hide_is_found_by_who_asks_for_it(self, store: AlertStore) -> None:
        shown, hidden = alert("a"), replace(alert("b"), hidden_by=("quiet", "Đêm"))
        other = replace(alert("c", organization="police"), hidden_by=("quiet",))
        store.add([shown, hidden, other])
        for query, found in (
            (AlertQuery(text="PowerShell"), {shown.id}),
            (AlertQuery(hidden=True, text="PowerShell"), {hidden.id, other.id}),
            (AlertQuery(hidden=True, hidden_by="Đêm"), {hidden.id}),
            (AlertQuery(hidden=True, hidden_by="qui"), set[str]()),
        ):
            assert {each.id for each in store.find(query, EVERYTHING)} == found
            assert store.count(query, EVERYTHING) == len(found)
        assert list(store.find(AlertQuery(hidden=True), Scope.only("health"))) == [hidden]
        assert sum(store.tally(EVERYTHING).values()) == 1

    def test_the_tally_counts_titles_and_levels(self, store: AlertStore) -> None:
        store.add([alert("a"), alert("b"), alert("c", level="low"), alert("d", title="Other")])

        assert store.tally(EVERYTHING) == {
            ("Encoded PowerShell", "high"): 2,
            ("Encoded PowerShell", "low"): 1,
            ("Other", "high"): 1,
        }

    @pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
    def test_hostile_text_is_only_text(self, store: AlertStore, text: str) -> None:
        kept = alert(
            text,
            title=text,
            rule=text,
            organization=text,
            tags=(text,),
            event={"host.name": text, "user.name": text, text: text},
            original=text.encode(),
        )
        store.add([kept])

        assert store.find(AlertQuery(host=text, user=text, tag=text), Scope.only(text)) == [kept]
        assert store.find(AlertQuery(rule=text), EVERYTHING) == [kept]
        assert store.find(AlertQuery(text=text), EVERYTHING) in ([], [kept])
        assert store.get(text, EVERYTHING) is None
        assert store.count(AlertQuery(), EVERYTHING) == 1

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(text=st.text(max_size=40))
    def test_no_text_is_an_error(self, store: AlertStore, text: str) -> None:
        query = AlertQuery(text=text, rule=text, host=text, user=text, tag=text)

        assert store.count(query, EVERYTHING) == len(store.find(query, EVERYTHING))

    def test_a_storm_at_one_moment_is_kept_whole(self, store: AlertStore) -> None:
        names = [str(number) for number in range(5000)]

        store.add([alert(name) for name in names])

        found = store.find(AlertQuery(limit=10_000), EVERYTHING)
        assert {a.event_id for a in found} == set(names)

    @pytest.mark.parametrize(
        "time",
        [
            pytest.param(datetime.min.replace(tzinfo=UTC), id="year 1"),
            pytest.param(datetime.max.replace(tzinfo=UTC), id="year 9999"),
        ],
    )
    def test_an_impossible_time_is_kept(self, store: AlertStore, time: datetime) -> None:
        store.add([alert(seen_at=time), alert("b")])

        kept = store.get(alert().id, EVERYTHING)
        assert kept is not None
        assert kept.seen_at == time
        assert store.count(AlertQuery(since=datetime.min.replace(tzinfo=UTC)), EVERYTHING) == 2

    def test_two_processes_add_at_once(self, open_store: OpenStore) -> None:
        context = multiprocessing.get_context("spawn")
        started = context.Barrier(2)
        names = [[f"{writer}-{number}" for number in range(50)] for writer in "xy"]
        writers = [
            context.Process(target=_add_many, args=(open_store, mine, started)) for mine in names
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        store = open_store()

        found = [a.event_id for a in store.find(AlertQuery(limit=1000), EVERYTHING)]
        store.close()
        assert [writer.exitcode for writer in writers] == [0, 0]
        assert len(found) == len(set(found)) == 150
