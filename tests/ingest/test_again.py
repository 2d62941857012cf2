"""What was archived is read again as it was read first."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from detections.evidence import load_examples
from detections.load import load_rules
from detections.match import Engine
from detections.plan import build_plan
from ingest.again import COLUMNS, Again
from ingest.intake import Intake
from ingest.shippers.files import read_file
from ingest.shippers.stamp import Stamp
from luytre.core.batch import Batch, Part
from luytre.core.clock import ManualClock
from luytre.core.config import load_config
from luytre.core.ecs import ARCHIVED, PROVENANCE
from luytre.core.message import Message, Record
from luytre.store.archive_rows import select
from tests.review.house import START, province

RULES = load_rules([]).rules
ENGINE = Engine(build_plan(RULES)[0], ManualClock())


def needed(part: Part) -> frozenset[str]:
    return ENGINE.needed(part) | set(ARCHIVED) - {"event.dataset"}


def examples() -> Iterator[Message]:
    """Every example of our rules, with the header that its shipper would have given it."""
    for number, rule in enumerate(RULES):
        for each in load_examples(rule)[0]:
            stamp = Stamp("s", f"o/{number}", "org", each.hint, each.path, each.host)
            yield stamp.one(each.raw, each.line, "seq")


def taken(messages: Iterator[Message]) -> list[Batch]:
    return Intake(needed)([Record("events", 0, n, START, m) for n, m in enumerate(messages)])


def archived(batches: list[Batch]) -> pl.DataFrame:
    rows = [select(batch.events, batch.part) for batch in batches if batch.height]
    return pl.concat(rows).select(COLUMNS)


def assert_same(first: list[Batch], rows: pl.DataFrame) -> None:
    again = Again(needed)(rows)

    assert (again.otherwise, again.unreadable) == (0, 0)
    found = {batch.part.name: batch for batch in again.batches}
    read = {batch.part.name: batch for batch in first if batch.height}
    assert found.keys() == read.keys()
    for name, batch in read.items():
        events = batch.events.drop(PROVENANCE)
        assert_frame_equal(found[name].events, events, check_column_order=False)
        for column in needed(batch.part):
            cells = found[name].cells(column)
            assert cells is None or list(cells or [None] * batch.height) == list(
                batch.cells(column) or [None] * batch.height
            )


def test_every_example_of_our_rules_is_read_again_as_it_was() -> None:
    batches = taken(examples())

    assert len(batches) > 15
    assert_same(batches, archived(batches))


def test_all_logs_of_a_province_are_read_again_as_they_were(tmp_path: Path) -> None:
    config = province(tmp_path / "p", minutes=1)
    messages = (
        message
        for input_ in load_config(tmp_path / "p" / "luytre.yaml").ship.files
        for pattern in input_.paths
        for path in sorted(Path("/").glob(pattern.lstrip("/")))
        for message in read_file(
            path,
            config.ship,
            organization=input_.organization,
            hint=input_.log_source,
            shipper="s",
            zone=input_.time_zone or "UTC",
        )
    )
    batches = taken(messages)

    assert sum(batch.height for batch in batches) > 500
    assert_same(batches, archived(batches))


def test_what_no_reader_takes_any_more_is_counted_and_does_not_stop_the_others() -> None:
    batches = taken(iter([Stamp("s", "o", "org").one(b'{"EventID":4688,"Channel":"Security"}', 0, "seq")]))  # fmt: skip
    rows = archived(batches)
    broken = rows.with_columns(pl.lit(b"\x00 no log line").alias("event.original"))
    moved = rows.with_columns(pl.lit("linux/auditd").alias("event.dataset"))

    again = Again(needed)(pl.concat([rows, broken, moved]))

    assert (again.otherwise, again.unreadable) == (1, 1)
    assert [batch.part.name for batch in again.batches] == [batches[0].part.name]
    assert again.batches[0].height == 2


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows_are_as_good_as_many(count: int) -> None:
    batches = taken(examples())
    rows = archived(batches).head(count)

    assert sum(batch.height for batch in Again(needed)(rows).batches) == count
