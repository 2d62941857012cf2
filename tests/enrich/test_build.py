import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from enrich import Enrichment, build
from enrich.assets import Assets
from enrich.first_seen import FirstSeen
from enrich.geoip import GeoIP
from enrich.identities import Identities
from enrich.indicators import Indicators
from enrich.organizations import Organizations
from ingest.intake import Intake
from luytre.core.batch import Batch
from luytre.core.clock import ManualClock
from luytre.core.config import EnrichConfig, FirstSeenConfig
from luytre.core.ecs import ENVELOPE
from tests.enrich.conftest import make_batch
from tests.ingest.logsources.samples import record

Write = Callable[[str, str], Path]
MakeBatch = Callable[..., Batch]

TABLES = {
    "organizations.csv": (
        "id,kind,name_vi,parent,valid_from,valid_to\n"
        "A,province,Tỉnh,,,2026-01-01\nA,province,Tỉnh mới,,2026-01-01,\nB,commune,Xã,A,,\n"
    ),
    "assets.csv": "host,address,level,kind,organization\npc,,2,workstation,A\n,10.0.0.0/8,3,nvr,B\n",
    "identities.csv": "user,full_name,privileged\nan,Nguyễn An,yes\n",
    "feed.txt": "evil.vn\n1.2.3.0/24\n",
}


def config(folder: Path, **more: object) -> EnrichConfig:
    for name, text in TABLES.items():
        (folder / name).write_text(text, encoding="utf-8")
    single = {name: folder / f"{name}.csv" for name in ("organizations", "assets", "identities")}
    return EnrichConfig.model_validate({**single, "indicators": [folder / "feed.txt"], **more})


def enrichment(folder: Path, **more: object) -> Enrichment:
    return build(config(folder, **more), folder / "state", ManualClock())


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Enrichment:
    return enrichment(tmp_path_factory.mktemp("tables"))


EVENT = st.fixed_dictionaries(
    {
        "organization": st.sampled_from(["A", "B", "ghost"]),
        "at": st.none() | st.sampled_from([datetime(y, 6, 1, tzinfo=UTC) for y in (2021, 2026)]),
        "host.name": st.sampled_from([None, "PC", "pc.vn", "other"]),
        "source.ip": st.sampled_from([None, "10.1.1.1", "1.2.3.4", "junk"]),
        "user.name": st.sampled_from([None, "AN", "x\\an", "binh"]),
        "url.full": st.sampled_from([None, "http://a.evil.vn/", "/", "\uffff0"]),
    }
)
FIELDS = ("host.name", "source.ip", "user.name", "url.full")


def batch_of(events: Sequence[dict[str, object]], start: int = 0) -> Batch:
    columns = {name: [event[name] for event in events] for name in FIELDS}
    return make_batch(
        columns,  # type: ignore[arg-type] # the strategy's values are these texts
        organizations=[str(event["organization"]) for event in events],
        times=[event["at"] for event in events],  # type: ignore[misc]
        ids=[f"event-{start + n}" for n in range(len(events))],
    )


@settings(max_examples=25, deadline=None)
@given(events=st.lists(EVENT, max_size=12))
def test_keeps_every_event_in_order_and_adds_only_its_columns(
    tables: Enrichment, events: list[dict[str, object]]
) -> None:
    before = batch_of(events)

    after = tables(before)

    assert_frame_equal(after.events.select(before.events.columns), before.events)
    assert set(after.events.columns) - set(before.events.columns) == tables.columns
    assert {after.events.schema[name] for name in tables.columns} == {pl.String()}
    assert after.offsets is before.offsets


@settings(max_examples=25, deadline=None)
@given(events=st.lists(EVENT, max_size=12))
def test_enriching_twice_is_enriching_once(
    tables: Enrichment, events: list[dict[str, object]]
) -> None:
    once = tables(batch_of(events))

    assert_frame_equal(tables(once).events, once.events)


@settings(max_examples=25, deadline=None)
@given(events=st.lists(EVENT, max_size=12), cut=st.integers(0, 12))
def test_a_batch_split_anywhere_is_the_whole(
    tables: Enrichment, events: list[dict[str, object]], cut: int
) -> None:
    whole = tables(batch_of(events)).events
    first, second = batch_of(events[:cut]), batch_of(events[cut:], len(events[:cut]))

    parts = [tables(part).events for part in (first, second)]

    assert_frame_equal(pl.concat(parts), whole)


def test_first_seen_twice_is_once_and_watches_what_tables_add(tmp_path: Path) -> None:
    watched = [{"column": "user.full_name"}, {"column": "source.ip"}]
    stage = enrichment(tmp_path, first_seen=watched)
    once = stage(make_batch({"user.name": ["an", "an"]}))

    assert once.events["luytre.first_seen"].to_list() == ["\uffff[user.full_name", None]
    assert_frame_equal(stage(once).events, once.events)
    assert "user.full_name" not in stage.needed


def test_first_seen_survives_a_restart_after_a_checkpoint(tmp_path: Path) -> None:
    watched = [FirstSeenConfig(column="user.name")]
    stage = enrichment(tmp_path, first_seen=watched)
    stage(make_batch({"user.name": ["an"]}, ids=["first"]))
    stage.checkpoint()

    again = enrichment(tmp_path, first_seen=watched)(make_batch({"user.name": ["an"]}, ids=["2"]))

    assert again.events["luytre.first_seen"].to_list() == [None]


def test_nothing_configured_changes_nothing(tmp_path: Path, batch: MakeBatch) -> None:
    stage = build(EnrichConfig(), tmp_path / "state", ManualClock())
    before = batch({"source.ip": ["1.2.3.4"]})

    assert_frame_equal(stage(before).events, before.events)
    assert (stage.needed, stage.columns, list(stage.notes)) == (frozenset(), frozenset(), [])
    assert not (tmp_path / "state").exists()
    stage.checkpoint()


def test_missing_tables_leave_nulls_and_notes(tmp_path: Path, batch: MakeBatch) -> None:
    single = {name: tmp_path / name for name in ("organizations", "assets", "identities")}
    several = {name: (tmp_path / name,) for name in ("geoip", "indicators")}
    settings = EnrichConfig.model_validate({**single, **several})

    stage = build(settings, tmp_path / "state", ManualClock())
    events = stage(batch({"source.ip": ["1.2.3.4", "10.0.0.1"]})).events

    assert [note.split(": ")[0] for note in stage.notes] == [*single, *several]
    assert all("cannot be read: No such file" in note for note in stage.notes)
    assert events.select(sorted(stage.columns)).null_count().sum_horizontal().item() == 2 * len(
        stage.columns
    )
    assert stage.versions == {}


def test_a_column_that_the_log_claims_is_replaced(tables: Enrichment) -> None:
    claimed = make_batch({"host.name": ["evil"], "host.asset.level": ["5"]})

    assert tables(claimed).events["host.asset.level"].to_list() == [None]


def test_every_added_column_is_documented() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "enrichment.md"
    tables = (Organizations, Assets, Identities, GeoIP, Indicators, FirstSeen)

    added = {name for table in tables for name in table.columns}

    assert {name for name in added if f"`{name}`" not in page.read_text()} == set()


def test_reads_no_column_of_the_envelope_nor_its_own(tables: Enrichment) -> None:
    assert not tables.needed & (set(ENVELOPE) | tables.columns)
    assert {"host.name", "source.ip", "user.name", "dns.question.name"} <= tables.needed


def change(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    later = path.stat().st_mtime + 1
    os.utime(path, (later, later))


def level(stage: Enrichment) -> str | None:
    cell = stage(make_batch({"host.name": ["pc"]})).events["host.asset.level"].item()
    return None if cell is None else str(cell)


def reload(stage: Enrichment) -> bool:
    changed = stage.refresh()
    assert stage.swap() == changed
    return changed


def test_what_was_read_anew_is_used_only_when_it_is_swapped_in(tmp_path: Path) -> None:
    stage = enrichment(tmp_path)
    version = stage.versions["assets"]
    change(tmp_path / "assets.csv", "host,level\npc,5\n")

    assert stage.refresh()
    assert (level(stage), stage.versions["assets"]) == ("2", version)
    assert stage.swap()
    assert level(stage) == "5"
    assert stage.versions["assets"] != version


def test_a_changed_table_is_read_anew(tmp_path: Path) -> None:
    stage = enrichment(tmp_path)
    version = stage.versions["assets"]

    assert not reload(stage)
    change(tmp_path / "assets.csv", "host,level\npc,5\n")
    assert reload(stage)
    assert not reload(stage)
    assert level(stage) == "5"
    assert stage.versions["assets"] != version


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: change(path, "host,level\npc,9\n"), id="no usable line"),
        pytest.param(lambda path: change(path, ""), id="empty"),
        pytest.param(lambda path: path.unlink(), id="deleted"),
    ],
)
def test_the_last_good_version_stays_until_a_good_one_comes(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    stage = enrichment(tmp_path)
    path = tmp_path / "assets.csv"
    spoil(path)

    assert not reload(stage)
    assert level(stage) == "2"
    assert any(str(path) in n and "the last good version stays" in n for n in stage.notes)
    change(path, "host,level\npc,4\n")
    assert reload(stage)
    assert level(stage) == "4"
    assert list(stage.notes) == []


def test_the_same_content_again_clears_the_note(tmp_path: Path) -> None:
    stage = enrichment(tmp_path)
    path = tmp_path / "assets.csv"
    path.rename(tmp_path / "away")
    reload(stage)
    (tmp_path / "away").rename(path)

    assert not reload(stage)
    assert list(stage.notes) == []


def test_one_bad_feed_does_not_hold_up_the_others(tmp_path: Path) -> None:
    feeds = [tmp_path / "feed.txt", tmp_path / "more.txt"]
    stage = enrichment(tmp_path, indicators=feeds)
    change(feeds[1], "9.9.9.9\n")
    change(feeds[0], "junk here\n")

    assert reload(stage)
    events = stage(make_batch({"source.ip": ["9.9.9.9", "1.2.3.4"]})).events
    assert events["threat.indicator.provider"].to_list() == ["more", "feed"]


def test_an_expired_database_is_noted_by_the_clock_at_hand(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("value,valid_until\n1.2.3.4,2026-01-02\n")
    settings = EnrichConfig(indicators=(tmp_path / "feed.csv",))
    clock = ManualClock()
    before = build(settings, tmp_path, clock).notes
    clock.advance(timedelta(days=2).total_seconds())
    after = build(settings, tmp_path, clock).notes

    assert list(before) == []
    assert [note.split(": ")[2] for note in after] == ["expired"]


@settings(max_examples=20, deadline=None)
@given(data=st.binary(max_size=200), name=st.sampled_from(["t.csv", "t.yml", "t.json", "t.txt"]))
def test_no_content_of_a_table_is_an_error(data: bytes, name: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        single = dict.fromkeys(("organizations", "assets", "identities"), path)
        both = dict.fromkeys(("geoip", "indicators"), (path,))

        stage = build(
            EnrichConfig.model_validate({**single, **both}), Path(folder) / "s", ManualClock()
        )
        after = stage(make_batch({"source.ip": ["1.2.3.4"], "url.full": ["http://a.vn/"]}))

    assert after.events.height == 1
    assert stage.notes


def test_lists_stay_but_for_what_is_added(tables: Enrichment) -> None:
    [plain] = Intake(lambda _part: frozenset({"source.ip", "user.name"}))(
        [
            record(
                b"Mar  1 11:59:00 web-1 sshd[42]: Accepted password for ann from 192.0.2.7 port 1 ssh2"
            )
        ]
    )

    enriched = tables(plain)

    assert enriched.cells("user.name") == ["ann"]
    assert {enriched.cells(column) for column in tables.columns} == {None}
