from datetime import UTC, datetime

import pytest

from ingest.shippers.stamp import Stamp
from luytre.core.message import Message, Record
from luytre.processor.portions import BYTES_MAX, EVENTS_MAX, portions, weight

NOW = datetime(2026, 11, 23, tzinfo=UTC)
STAMP = Stamp("s/1", "o", "org")


def record(offset: int, message: Message) -> Record:
    return Record("events", 0, offset, NOW, message)


def lines(count: int, text: bytes = b"the same line again") -> Message:
    return STAMP.lines(b"\n".join([text] * count), 0, count, "seq")


def test_what_compresses_well_still_weighs_what_it_is() -> None:
    message = lines(1000)

    events, size = weight(record(0, message))

    assert len(message.value) < 200
    assert (events, size) == (1000, 1000 * 20 - 1)


def test_a_flood_comes_in_bounded_portions_and_in_order() -> None:
    records = [record(n, lines(1000)) for n in range(200)]

    found = list(portions(records))

    assert [r.offset for portion in found for r in portion] == list(range(200))
    assert max(sum(weight(r)[0] for r in portion) for portion in found) <= EVENTS_MAX


def test_one_record_beyond_the_bound_is_a_portion_of_its_own() -> None:
    large = record(1, lines(3, b"x" * (BYTES_MAX // 2)))

    found = list(portions([record(0, lines(1)), large, record(2, lines(1))]))

    assert [[r.offset for r in portion] for portion in found] == [[0], [1], [2]]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"count": "-5"}, id="a negative count"),
        pytest.param({"count": "many"}, id="a word"),
        pytest.param({"encoding": "zstd"}, id="no zstd frame"),
    ],
)
def test_headers_that_lie_are_no_error(headers: dict[str, str]) -> None:
    assert weight(record(0, Message(b"k", b"not zstd", headers))) == (1, 8)
