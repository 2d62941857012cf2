"""Every input that a shipper gave out is an event, a reject, on its way, or in a hole."""

from datetime import UTC, datetime

import pytest

from ingest.ledger import Counts, Ranges, StreamRow
from ingest.shippers.lines import Place
from ingest.shippers.registry import FileRow
from luytre.processor.account import accounts_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def shipped(stream: str, events: int, organization: str = "org") -> FileRow:
    return FileRow(
        stream, "origin", organization, "auto", "lines", f"/{stream}", place=Place(0, events)
    )


def seen(stream: str, *arrived: tuple[int, int], rejected: int = 0) -> StreamRow:
    """Return a row whose first sequences are the rejects."""
    refused = Ranges([(0, rejected - 1)] if rejected else [])
    return StreamRow(stream, Counts(organization="org", received_at=NOW), Ranges(arrived), refused)


@pytest.mark.parametrize(
    ("given", "arrived", "expected"),
    [
        pytest.param(
            [shipped("a", 5)], [seen("a", (0, 4), rejected=1)], (5, 4, 1, 0, 0), id="all arrived"
        ),
        pytest.param(
            [shipped("a", 5)], [seen("a", (0, 1))], (5, 2, 0, 3, 0), id="some on their way"
        ),
        pytest.param([shipped("a", 5)], [], (5, 0, 0, 5, 0), id="nothing arrived yet"),
        pytest.param(
            [shipped("a", 9)],
            [seen("a", (0, 1), (4, 4), (6, 6))],
            (9, 4, 0, 2, 3),
            id="holes are missing, what follows is on its way",
        ),
        pytest.param([], [seen("b", (0, 2))], (3, 3, 0, 0, 0), id="another machine's shipper"),
        pytest.param(
            [shipped("a", 2)],
            [seen("a", (0, 4))],
            (5, 5, 0, 0, 0),
            id="a shipper restored from backup",
        ),
    ],
)
def test_shipped_is_the_sum_of_what_became_of_it(
    given: list[FileRow], arrived: list[StreamRow], expected: tuple[int, ...]
) -> None:
    (account,) = accounts_of(given, arrived)

    found = (account.shipped, account.events, account.rejects, account.pending, account.missing)
    assert found == expected
    assert account.shipped == sum(found[1:])


def test_accounts_are_in_the_order_of_organisations() -> None:
    found = accounts_of([shipped("b", 1), shipped("a", 1, "zebra"), shipped("c", 1)], [])

    assert [account.stream for account in found] == ["b", "c", "a"]
