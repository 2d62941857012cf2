"""Claims about numbers in Windows events: a cell tells them as the log wrote them."""

from __future__ import annotations

import pytest

from ingest.decode.layout import Row
from ingest.logsources import windows


@pytest.mark.parametrize(
    ("number", "cell"),
    [("1e16", "1e+16"), ("10000000000000000", "10000000000000000"), ("-1e20", "-1e+20")],
)
def test_a_large_number_is_told_as_it_was_written_after_small_ones(number: str, cell: str) -> None:
    names = ["EventTime", "Image"]
    cells = []
    for text in ("5", number):
        raw = f'{{"Channel": "System", "EventID": 1, "EventTime": {text}}}'.encode()
        found = windows.read_raw(raw)
        assert found is not None
        row = Row(*found)
        cells.append(row.layout.decode([row.fields], names)[0])
    assert cells == [["5"], [cell]]
