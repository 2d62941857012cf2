"""Many events of Windows decoded together are what each of them is by itself."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode.layout import Cells, Origin
from ingest.intake import Intake
from ingest.logsources import windows
from luytre.core.batch import Batch
from luytre.core.cells import MARK
from luytre.core.message import Message, Record

NAMES = (
    "Image",
    "CommandLine",
    "ProcessId",
    "Data",
    "Level",
    "Provider_Name",
    "Computer",
    "UserID",
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([MARK, f"a{MARK}[", "null", "\ud800", "\\uffff", "1.50"]),
)  # fmt: skip
VALUES = (
    SCALARS
    | st.lists(st.text(max_size=3), max_size=3)
    | st.fixed_dictionaries({"#text": SCALARS})
    | st.lists(
        st.fixed_dictionaries(
            {
                "#attributes": st.fixed_dictionaries({"Name": st.sampled_from(NAMES)}),
                "#text": SCALARS,
            }
        ),
        max_size=2,
    )
)
FIELDS = st.dictionaries(st.sampled_from((*NAMES, "#attributes", "other")), VALUES, max_size=5)
SYSTEM = {
    "Provider": {"#attributes": {"Name": "P", "Guid": "g"}},
    "EventID": 99,
    "TimeCreated": {"#attributes": {"SystemTime": "2026-01-01T00:00:00Z"}},
    "Channel": "Application",
    "Computer": "pc",
    "Level": 4,
    "Security": {"#attributes": {"UserID": "S-1"}},
}


def evtx(inside: Mapping[str, Any]) -> dict[str, Any]:
    return {"Event": {"System": SYSTEM, **inside}}


def flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**fields, "Channel": "Application", "EventID": 99}


EVENTS = st.one_of(
    FIELDS.map(lambda fields: evtx({"EventData": fields})),
    FIELDS.map(lambda fields: evtx({"UserData": {"Inner": fields}})),
    VALUES.map(lambda value: evtx({"EventData": value})),
    VALUES.map(lambda value: evtx({"UserData": value})),
    FIELDS.map(lambda fields: evtx({"EventData": fields, "UserData": {"Inner": fields}})),
    st.just(evtx({})),
    FIELDS.map(flat),
)


def by_rows(columns: Sequence[Cells], height: int) -> list[tuple[str | None, ...]]:
    return list(zip(*(column or [None] * height for column in columns), strict=True))


@given(documents=st.lists(EVENTS, min_size=1, max_size=6))
def test_a_part_decoded_in_one_go_is_its_events_one_by_one(documents: list[dict[str, Any]]) -> None:
    lines = [json.dumps(document).encode() for document in documents]
    found = [windows.read(line, Origin()) for line in lines]
    layout = found[0][0]
    # What only the lenient reader takes has mended texts: that is what is compared.
    slow = [windows.read_document(json.loads(mended(line))) for line in lines]

    together = by_rows(layout.decode([fields for _, _, fields in found], NAMES), len(lines))

    assert {row[0] for row in found} == {layout}
    for row, one in zip(together, slow, strict=True):
        assert one is not None
        assert [row] == by_rows(layout.decode([one.fields], NAMES), 1)


def mended(line: bytes) -> bytes:
    return line.replace(b"\\ud800", b"\\ufffd")


@given(documents=st.lists(EVENTS, min_size=1, max_size=6), bad=st.booleans())
def test_lines_of_one_message_are_those_of_many(
    documents: list[dict[str, Any]], *, bad: bool
) -> None:
    lines = [json.dumps(document).encode() for document in documents]
    lines += [b'{"Event":'] if bad else []
    names = frozenset(COLUMNS)

    whole = Intake(lambda _part: names)([record(lines, 0)])
    apart = Intake(lambda _part: names)([record([line], at) for at, line in enumerate(lines)])

    assert rows(whole) == rows(apart)
    assert sum(batch.rejects.height for batch in whole) == bad


COLUMNS = sorted({"event.provider" if n == "Provider_Name" else n for n in NAMES} - {"Computer"})


def record(lines: Sequence[bytes], first: int) -> Record:
    headers = {
        "stream": "s", "origin": "o", "position": "seq", "first_seq": str(first),
        "count": str(len(lines)), "organization": "xa",
    }  # fmt: skip
    message = Message(b"k", b"\n".join(lines), headers)
    return Record("events", 0, first, datetime(2026, 1, 1, tzinfo=UTC), message)


def rows(batches: Sequence[Batch]) -> list[tuple[Any, ...]]:
    columns = ["event.id", "@timestamp", *COLUMNS]
    return sorted(row for b in batches if b.height for row in b.events.select(columns).iter_rows())


@pytest.mark.parametrize("column", COLUMNS)
def test_the_lists_of_a_batch_are_its_frame(column: str) -> None:
    fields = [{"Image": "a", "ProcessId": 7, "Data": ["x", None]}, {"CommandLine": None}, {}]
    lines = [json.dumps(evtx({"EventData": each})).encode() for each in fields]

    [batch] = Intake(lambda _part: frozenset(COLUMNS))([record(lines, 0)])

    cells = batch.cells(column)
    assert cells is not None
    assert (list(cells) or [None] * batch.height) == batch.events[column].to_list()
