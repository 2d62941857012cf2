"""The triage loop: each alert in one incident, whatever is replayed or killed."""

from pathlib import Path

import pytest

from luytre.core.alert import Alert
from luytre.core.batch import TopicPartition
from luytre.core.errors import NeighbourError
from luytre.core.message import ALERTS_TOPIC, Message, Record
from luytre.processor.alert_messages import alert_messages
from luytre.processor.triage import TriageSink
from tests.cases.conftest import NOW, Desk, made

PLACE = TopicPartition(ALERTS_TOPIC, 0)


def record(offset: int, *alerts: Alert) -> Record:
    (message,) = alert_messages(alerts, b"key")
    return Record(ALERTS_TOPIC, 0, offset, NOW, message)


def test_a_poll_becomes_one_change_and_its_offset(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    sink = TriageSink(desk.triage)
    sink.write([record(7, made(1), made(2)), record(8, made(3))])

    assert sink.settle() == {PLACE: 9}
    assert sink.settle() == {}
    assert desk.triage.reached() == {(ALERTS_TOPIC, 0): 9}
    assert set(desk.homes()) == {"alert-1", "alert-2", "alert-3"}


def test_what_was_taken_before_a_crash_is_not_taken_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    sink = TriageSink(desk.triage)
    sink.write([record(7, made(1))])
    sink.settle()
    size = desk.cases.book.size()

    again = TriageSink(desk.triage)
    again.write([record(7, made(1))])
    assert again.settle() == {}
    again.write([record(8, made(2))])
    assert again.settle() == {PLACE: 9}
    assert desk.cases.book.size() > size


def test_while_the_signer_is_dead_nothing_is_forgotten(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    sink = TriageSink(desk.triage)
    sink.write([record(7, made(1))])
    state = desk.signer._state
    desk.signer._state = type(state)(state.origin, state.key, 99, b"x" * 32, "note")
    with pytest.raises(NeighbourError):
        sink.settle()
    desk.signer._state = state

    assert desk.homes() == {}
    assert sink.settle() == {PLACE: 8}
    assert set(desk.homes()) == {"alert-1"}


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    sink = TriageSink(desk.triage)
    sink.write([Record(ALERTS_TOPIC, 0, 7, NOW, Message(b"", b"no alert", {}))])

    assert sink.settle() == {PLACE: 8}
    assert desk.homes() == {}


def test_a_partition_that_is_taken_away_is_dropped(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    sink = TriageSink(desk.triage)
    sink.write([record(7, made(1))])
    sink.forget(frozenset({PLACE}))

    assert sink.settle() == {}
    assert desk.homes() == {}
