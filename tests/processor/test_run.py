"""The loop waits for a store that takes nothing, and loses nothing meanwhile."""

from collections.abc import Mapping, Sequence

from ingest.memory import MemoryLog
from luytre.core.batch import TopicPartition
from luytre.core.clock import ManualClock
from luytre.core.errors import NeighbourError
from luytre.core.message import Message, Record
from luytre.processor.run import Loop

PLACE = TopicPartition("events", 0)


class FullDisk:
    """A sink whose store is full for a while; it counts what it was given."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.written, self.asked = refusals, 0, 0

    def write(self, records: Sequence[Record]) -> None:
        self.written += len(records)

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:
        self.asked += 1
        if self.asked <= self.refusals:
            raise NeighbourError("no space left")
        return {PLACE: self.written}

    def forget(self, places: frozenset[TopicPartition]) -> None:
        return


def test_a_full_disk_is_waited_for_and_no_record_is_taken_twice() -> None:
    log, clock, sink = MemoryLog(), ManualClock(), FullDisk(refusals=5)
    for n in range(3):
        log.send("events", Message(b"k", b"%d" % n))
    log.flush()
    loop = Loop("detect", sink, clock)

    loop.run(log, lambda: bool(log.committed("memory", "events")))

    assert sink.written == 3
    assert log.committed("memory", "events") == {PLACE: 3}
    assert clock.monotonic_s() >= 1 + 2 + 4 + 8 + 16
