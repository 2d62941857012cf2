"""The index loop goes on at once while the store takes alerts slowly, and says that it lives."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from luytre.core.alert import Alert
from luytre.core.batch import TopicPartition
from luytre.core.clock import ManualClock
from luytre.core.errors import Unfinished
from luytre.core.message import ALERTS_TOPIC, Record
from luytre.processor.alert_messages import alert_messages
from luytre.processor.index import IndexSink
from tests.contracts.alert_store import alert

PLACE = TopicPartition(ALERTS_TOPIC, 0)


class SlowStore:
    """Takes two seconds for each addition."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.added = clock, list[Alert]()

    def add(self, alerts: Sequence[Alert]) -> int:
        self.clock.advance(2)
        self.added += alerts
        return len(alerts)


def records(number: int, alerts_each: int) -> list[Record]:
    found = []
    for offset in range(number):
        batch = [alert(f"{offset} {n}") for n in range(alerts_each)]
        [message] = alert_messages(batch, b"k")
        found.append(Record(ALERTS_TOPIC, 0, offset, datetime.now(UTC), message))
    return found


def test_a_slow_store_is_gone_on_with_and_nothing_is_added_twice() -> None:
    clock = ManualClock()
    store = SlowStore(clock)
    sink = IndexSink(store, clock)  # type: ignore[arg-type]
    sink.write(records(5, 400))

    with pytest.raises(Unfinished):
        sink.settle()
    with pytest.raises(Unfinished):
        sink.settle()

    assert sink.settle() == {PLACE: 5}
    assert len(store.added) == len({a.id for a in store.added}) == 2000


def test_alerts_of_a_partition_that_went_elsewhere_are_dropped() -> None:
    clock = ManualClock()
    store = SlowStore(clock)
    sink = IndexSink(store, clock)  # type: ignore[arg-type]
    sink.write(records(2, 3))

    sink.forget(frozenset({PLACE}))

    assert sink.settle(drain=True) == {}
    assert store.added == []
