"""The archive takes each row once and gives back what it took."""

import multiprocessing
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luytre.core.batch import LogSource, Part, TopicPartition
from luytre.core.cells import NULL, list_cell
from luytre.core.ecs import ARCHIVED, ENVELOPE
from luytre.core.errors import NeighbourError
from luytre.core.organization import Scope
from luytre.store.archive import Archive
from luytre.store.archive_rows import COLUMNS, FAMILY, OTHER, family, select
from luytre.store.delta import Action, Table
from tests.store.conftest import NOON, PART, PLACE, events, rows, stored_rows

EVERYTHING = Scope.everything()
Stored = Callable[[], list[int]]


def test_no_table_yet_is_an_empty_one(archive: Archive) -> None:
    assert archive.reached(PLACE) == 0
    assert archive.scan(EVERYTHING).collect().schema == pl.Schema(COLUMNS)
    assert archive.count(EVERYTHING) == 0
    assert archive.compact() == archive.vacuum() == 0
    assert archive.check() == []


def test_what_was_appended_comes_back_as_it_was(archive: Archive) -> None:
    appended = rows(0, 5, columns={"host.name": "db-1"})

    archive.append(appended, {PLACE: 5})

    kept = archive.scan(EVERYTHING).collect().sort("log.offset")
    assert kept.select(appended.columns).equals(appended)
    assert kept.schema == pl.Schema(COLUMNS)
    assert set(kept["day"]) == {NOON.date()}
    assert archive.reached(PLACE) == 5


def test_what_the_archive_needs_is_what_it_keeps_of_a_decoded_event() -> None:
    assert Archive.archive_columns == set(ARCHIVED) - {"event.dataset"}


def test_a_batch_becomes_rows(archive: Archive) -> None:
    part = Part("linux/sshd", (LogSource("linux"),), constants={"event.action": "login"})
    batch = events(0, 2, columns={"user.name": "lan", "Unkept": "x", "event.dataset": "forged"})

    made = archive.select(batch, part)

    assert made["event.dataset"].to_list() == ["linux/sshd"] * 2
    assert made["event.action"].to_list() == ["login"] * 2
    assert made["user.name"].to_list() == ["lan"] * 2
    assert made["host.name"].to_list() == [None, None]
    assert made[FAMILY].to_list() == ["linux.sshd"] * 2
    assert "Unkept" not in made.columns


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("windows/security/4688", "windows.security", id="two segments"),
        pytest.param("nginx", "nginx", id="one segment"),
        pytest.param("zeek/conn", "zeek.conn", id="zeek"),
        pytest.param("../../etc", OTHER, id="parents"),
        pytest.param("/etc/passwd", OTHER, id="absolute"),
        pytest.param("zeek/a b", OTHER, id="space"),
        pytest.param("zeek/a=b", OTHER, id="equals sign"),
        pytest.param("zeek/x\x00", OTHER, id="NUL"),
        pytest.param("zeek/x\n", OTHER, id="line end"),
        pytest.param("Zeek/Đ", OTHER, id="letters"),
        pytest.param("", OTHER, id="nothing"),
        pytest.param("x" * 300, OTHER, id="too long for a file name"),
    ],
)
def test_a_directory_is_never_named_by_data(name: str, expected: str) -> None:
    assert family(Part(name, (LogSource(),))) == expected


def test_rows_with_a_forged_family_are_refused(archive: Archive) -> None:
    forged = rows(0, 1).with_columns(pl.lit("../../x").alias(FAMILY))

    with pytest.raises(ValueError, match="family"):
        archive.append(forged, {PLACE: 1})


def test_a_replay_adds_nothing(archive: Archive, stored: Stored) -> None:
    archive.append(rows(0, 10), {PLACE: 10})

    archive.append(rows(0, 10), {PLACE: 10})

    assert stored() == list(range(10))


def test_a_longer_replay_adds_only_what_is_new(archive: Archive, stored: Stored) -> None:
    archive.append(rows(0, 10), {PLACE: 10})

    archive.append(rows(0, 15), {PLACE: 15})

    assert stored() == list(range(15))
    assert archive.reached(PLACE) == 15


def test_a_shorter_replay_takes_nothing_back(archive: Archive, stored: Stored) -> None:
    archive.append(rows(0, 10), {PLACE: 10})
    other = TopicPartition("events", 1)

    archive.append(pl.concat([rows(3, 5), rows(0, 2, place=other)]), {PLACE: 5, other: 2})

    assert archive.reached(PLACE) == 10
    assert archive.reached(other) == 2
    assert stored() == sorted([*range(10), 0, 1])


def test_partitions_and_topics_are_counted_apart(archive: Archive) -> None:
    places = [TopicPartition(topic, number) for topic in ("a", "a/1", "b") for number in (0, 1)]
    made = pl.concat([rows(0, 3, place=place) for place in places])

    archive.append(made, {place: 3 + index for index, place in enumerate(places)})

    assert [archive.reached(place) for place in places] == [3, 4, 5, 6, 7, 8]
    assert archive.count(EVERYTHING) == 18


def test_several_events_of_one_message_stay_together(archive: Archive, stored: Stored) -> None:
    message = rows(0, 3).with_columns(pl.lit(7, pl.Int64).alias("log.offset"))

    archive.append(message, {PLACE: 8})
    archive.append(message, {PLACE: 8})

    assert stored() == [7, 7, 7]


@pytest.mark.parametrize(
    "reach",
    [
        pytest.param({PLACE: 4}, id="beyond the offset"),
        pytest.param({TopicPartition("events", 1): 9}, id="another partition"),
        pytest.param({}, id="nothing"),
    ],
)
def test_a_row_that_the_offsets_do_not_cover_is_refused(
    archive: Archive, reach: dict[TopicPartition, int]
) -> None:
    with pytest.raises(ValueError, match="beyond"):
        archive.append(rows(0, 5), reach)

    assert archive.count(EVERYTHING) == 0


def test_no_rows_are_no_commit(archive: Archive) -> None:
    archive.append(rows(0, 2), {PLACE: 2})
    log = archive._path / "_delta_log"
    entries = set(log.iterdir())

    archive.append(rows(0, 0), {PLACE: 9})
    archive.append(rows(0, 0), {})

    assert set(log.iterdir()) == entries


@settings(max_examples=15, deadline=None)
@given(
    batches=st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 10), st.booleans()), min_size=1, max_size=8
    )
)
def test_whatever_is_replayed_each_row_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[int, int, bool]]
) -> None:
    """Each batch starts anywhere at or before what is stored; a restart may come in between."""
    path = tmp_path_factory.mktemp("archive")
    archive = Archive(path)
    end = 0
    for back, length, restarts in batches:
        start = max(end - back, 0)
        archive = Archive(path) if restarts else archive
        archive.append(rows(start, start + length), {PLACE: start + length})
        end = max(end, start + length)

    assert sorted(stored_rows(archive)["log.offset"]) == list(range(end))


class _Overtaken(Table):
    """Lets somebody else change the table between its look and its commit, once."""

    def __init__(self, path: Path, other: Callable[[], object]) -> None:
        super().__init__(path)
        self.other: Callable[[], object] | None = other

    def write(
        self, rows: pl.DataFrame, values: dict[str, str | None], *, data_change: bool = True
    ) -> Action:
        other, self.other = self.other, None
        if other is not None:
            other()
        return super().write(rows, values, data_change=data_change)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        pytest.param(10, 10, id="the same rows"),
        pytest.param(10, 15, id="fewer than ours"),
        pytest.param(15, 10, id="more than ours"),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_writer_that_is_overtaken_doubles_nothing(
    archive: Archive, stored: Stored, theirs: int, ours: int, *, exists: bool
) -> None:
    if exists:
        archive.append(rows(0, 5), {PLACE: 5})
    slow = Archive(archive._path)
    slow._table = _Overtaken(
        archive._path, lambda: archive.append(rows(0, theirs), {PLACE: theirs})
    )

    slow.append(rows(0, ours), {PLACE: ours})

    assert stored() == list(range(max(theirs, ours)))
    assert archive.reached(PLACE) == max(theirs, ours)


def _append_batches(path: Path, place: TopicPartition, started: object) -> None:
    started.wait()  # type: ignore[attr-defined]
    archive = Archive(path)
    for end in range(5, 65, 5):
        archive.append(rows(0, end, place=place), {place: end})


@pytest.mark.parametrize(
    "partitions", [pytest.param((0, 0), id="the same"), pytest.param((0, 1), id="their own")]
)
def test_two_processes_that_race_from_the_start_double_nothing(
    tmp_path: Path, partitions: tuple[int, int]
) -> None:
    context = multiprocessing.get_context("spawn")
    started = context.Barrier(2)
    places = [TopicPartition("events", number) for number in partitions]
    writers = [
        context.Process(target=_append_batches, args=(tmp_path / "a", place, started))
        for place in places
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    kept = stored_rows(Archive(tmp_path / "a")).select("log.partition", "log.offset")
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert kept.height == kept.unique().height == 60 * len(set(places))


def test_an_event_that_was_sent_twice_is_shown_once(archive: Archive) -> None:
    again = rows(5, 6).with_columns(pl.lit("events/0/0").alias("event.id"))

    archive.append(pl.concat([rows(0, 5), again]), {PLACE: 6})

    assert archive.count(EVERYTHING) == 5
    assert archive.scan(EVERYTHING, columns=["log.partition"]).collect().height == 5
    assert archive.scan(EVERYTHING, where=pl.col("log.offset") > 3).collect().height == 2


def test_no_read_shows_another_organisation(archive: Archive) -> None:
    mine = rows(0, 3, columns={"host.name": "db-1"})
    other = rows(3, 6, columns={"host.name": "db-1", "organization.id": "finance"})
    none = rows(6, 7).with_columns(pl.lit(None, pl.String).alias("organization.id"))
    archive.append(pl.concat([mine, other, none]), {PLACE: 7})
    scope = Scope.only("health")
    wheres = [None, pl.col("host.name") == "db-1", pl.lit(value=True)]

    for where in wheres:
        seen = archive.scan(scope, since=NOON, columns=["log.offset"], where=where).collect()
        assert sorted(seen["log.offset"]) == [0, 1, 2]
        assert archive.scan(Scope.only(), where=where).collect().is_empty()
    assert archive.count(scope) == 3
    assert archive.count(Scope.only()) == 0
    assert archive.count(EVERYTHING) == 7


@pytest.mark.parametrize(
    ("since", "until", "offsets"),
    [
        pytest.param(None, None, [0, 1, 2, 3], id="all"),
        pytest.param(NOON + timedelta(seconds=1), None, [1, 2, 3], id="since, inclusive"),
        pytest.param(None, NOON + timedelta(seconds=2), [0, 1], id="until, exclusive"),
        pytest.param(NOON + timedelta(seconds=3), None, [3], id="receipt where time is missing"),
    ],
)
def test_a_scan_is_narrowed_by_time(
    archive: Archive, since: datetime | None, until: datetime | None, offsets: list[int]
) -> None:
    timed = rows(0, 4).with_columns(
        pl.when(pl.col("log.offset") < 3).then("@timestamp").alias("@timestamp")
    )
    archive.append(timed, {PLACE: 4})

    found = archive.scan(EVERYTHING, since=since, until=until).collect()

    assert sorted(found["log.offset"]) == offsets


def test_a_scan_opens_only_files_that_may_hold_its_time(archive: Archive) -> None:
    archive.append(rows(0, 5), {PLACE: 5})
    archive.append(rows(5, 9), {PLACE: 9})
    early = min(archive._table.files(), key=lambda file: -file.rows)
    (archive._path / early.path).unlink()

    found = archive.scan(EVERYTHING, since=NOON + timedelta(seconds=5)).collect()

    assert sorted(found["log.offset"]) == [5, 6, 7, 8]


HOSTILE = (
    "\x00",
    "a\x00b",
    "../../../etc/passwd",
    "'; DROP TABLE x; --",
    "{{7*7}}",
    "\ud7ff\U0010ffff",
    "\x1b[2J\u202e",
    "%2e%2e%2f",
    "day=2020-01-01/logsource=x",
    NULL,
    list_cell(["a", "b\x00"]),
    "x" * 2**14,
    "",
)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_hostile_text_in_every_column_is_only_text(archive: Archive, text: str) -> None:
    columns = {name: text for name, kind in ENVELOPE.items() if kind == pl.String}
    columns |= dict.fromkeys(ARCHIVED, text)
    made = select(events(0, 2).with_columns(**{n: pl.lit(v) for n, v in columns.items()}), PART)
    made = made.with_columns(pl.Series("event.original", [text.encode(), b"\x00" * 2**20]))
    place = TopicPartition(text, 0)

    archive.append(made, {place: 2})
    archive.append(made, {place: 2})

    kept = stored_rows(archive).sort("log.offset")
    assert kept.select(made.columns).equals(made)
    assert archive.count(Scope.only(text)) == 1  # both have one event.id
    assert [path.name for path in sorted(archive._path.iterdir())] == [
        "_delta_log",
        "day=2026-03-01",
    ]


def test_impossible_times_are_kept_and_found(archive: Archive) -> None:
    times = pl.Series("@timestamp", [-(2**62), 0, 2**62, None]).cast(ENVELOPE["@timestamp"])
    archive.append(rows(0, 4).with_columns(times), {PLACE: 4})

    kept = archive.scan(EVERYTHING, columns=["log.offset", "@timestamp"]).collect()

    later = archive.scan(EVERYTHING, since=NOON, columns=["log.offset"]).collect()
    assert sorted(later["log.offset"]) == [2, 3]
    assert (
        kept.sort("log.offset")["@timestamp"].to_physical().to_list()
        == times.to_physical().to_list()
    )


def test_days_and_log_sources_are_directories(archive: Archive) -> None:
    late = rows(1, 2).with_columns(pl.col("event.ingested") + timedelta(days=1))
    ssh = select(events(2, 3), Part("linux/sshd", (LogSource("linux"),)))

    archive.append(pl.concat([rows(0, 1), late, ssh]), {PLACE: 3})

    files = {
        str(path.parent.relative_to(archive._path)) for path in archive._path.rglob("*.parquet")
    }
    assert files == {
        "day=2026-03-01/logsource=windows.security",
        "day=2026-03-02/logsource=windows.security",
        "day=2026-03-01/logsource=linux.sshd",
    }


def test_a_place_that_is_no_directory_is_a_neighbour_s_fault(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file")
    archive = Archive(tmp_path / "archive")

    with pytest.raises(NeighbourError, match="archive"):
        archive.append(rows(0, 1), {PLACE: 1})
