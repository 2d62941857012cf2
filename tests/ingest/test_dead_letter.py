"""Rejects can be kept, read back, and tried again as the same events."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ingest import dead_letter
from ingest.dead_letter import read_rejects, reject_messages, replay_messages
from ingest.intake import Intake
from luytre.core.message import REJECTS_TOPIC, Message, Record
from tests.ingest.logsources.samples import RECEIVED, record

JUNK = b"\xff\x00 no log source"


def rejects(*lines: bytes) -> pl.DataFrame:
    records = [record(line, hint="windows", path="/var/x", host="h") for line in lines]
    [batch] = Intake(lambda _part: frozenset())(records)
    return batch.rejects


def kept(messages: list[Message]) -> pl.DataFrame:
    return read_rejects(
        [Record(REJECTS_TOPIC, 0, n, RECEIVED, message) for n, message in enumerate(messages)]
    )


@given(lines=st.lists(st.binary(min_size=1, max_size=30).filter(lambda b: b.strip()), max_size=4))
def test_what_is_written_is_read(lines: list[bytes]) -> None:
    found = rejects(JUNK, *(b"\xff" + line for line in lines))

    assert kept(reject_messages(found)).equals(found)


def test_many_rejects_share_messages_of_bounded_size(monkeypatch: object) -> None:
    found = rejects(*(JUNK for _ in range(5)))

    assert len(reject_messages(found)) == 1
    assert dead_letter.MESSAGE_BYTES_MAX == 2**20


def test_a_second_try_is_the_same_event() -> None:
    found = rejects(JUNK)
    [message] = replay_messages(kept(reject_messages(found)))

    [again] = Intake(lambda _part: frozenset())([Record("events", 0, 50, RECEIVED, message)])

    assert "replayed" in message.headers
    same = ["event.id", "event.original", "luytre.stream", "luytre.sequence", "luytre.hint"]
    assert again.rejects.select(same).equals(found.select(same))


def test_a_foreign_reject_keeps_its_identity() -> None:
    foreign = Record("events", 2, 9, RECEIVED, Message(b"", b'{"a":1}\n' + JUNK))
    [batch] = Intake(lambda _part: frozenset())([foreign])
    [message] = replay_messages(batch.rejects)

    [again] = Intake(lambda _part: frozenset())([Record("events", 0, 50, RECEIVED, message)])

    assert again.rejects["event.id"].to_list() == batch.rejects["event.id"].to_list()


def test_lines_that_are_no_rejects_are_left_out() -> None:
    junk = Record(REJECTS_TOPIC, 0, 0, RECEIVED, Message(b"", b'{}\n[]\n{"event.original":5}\nx'))

    assert read_rejects([junk]).height == 0
