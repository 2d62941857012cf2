"""A log, a ledger and an archive for tests of rejects, with messages that cannot be read."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import zstandard

from ingest.dead_letter import reject_messages, replay_messages
from ingest.intake import Intake
from ingest.ledger import Ledger, SeenSequences, StreamRow
from ingest.memory import MemoryLog
from ingest.reject_reader import RejectReader
from luytre.core.batch import Batch, TopicPartition
from luytre.core.clock import ManualClock
from luytre.core.ecs import empty_rejects
from luytre.core.message import EVENTS_TOPIC, REJECTS_TOPIC, Message
from luytre.processor.detect import DetectRooms, DetectSink
from luytre.processor.judge import Judged

STREAM = "ship/a"
WHOLE = ("sha256", "zstd", "cut", "count", "refused", "framing")
MENDED = {"sha256", "refused"}
"""What a replay can read, because it leaves out the headers that say not to."""
ACCESS = b'203.0.113.1 - - [23/Nov/2026:06:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "t"'


class PowerCut(Exception):  # noqa: N818 - named for what happened
    """Stands for the end of the process: nothing after it runs."""


def line(number: int) -> bytes:
    return b"no JSON %d" % number if number % 5 == 3 else b'{"n":%d}' % number


def message(first: int, count: int, problem: str = "", stream: str = STREAM) -> Message:
    payload = b"".join(line(first + index) + b"\n" for index in range(count))
    headers = {
        "stream": stream, "first_seq": str(first), "count": str(count), "origin": stream,
        "position": "seq", "organization": "org", "hint": "json", "host": "h", "path": "",
        "encoding": "zstd", "framing": "lines", "sha256": hashlib.sha256(payload).hexdigest(),
    }  # fmt: skip
    value = zstandard.compress(payload)
    match problem:
        case "sha256":
            headers["sha256"] = "0" * 64
        case "zstd":
            value = value[:4] + b"\xff" + value[5:]
        case "cut":
            value = value[: len(value) // 2]
        case "count":
            value = zstandard.compress(payload + b"{}\n")
            del headers["sha256"]
        case "refused":
            headers["reject"] = "the shipper could not read it"
        case "framing":
            headers["framing"] = "parcels"
    return Message(stream.encode(), value, headers)


@dataclass
class Tables:
    fuse: Callable[[str], None]

    def checkpoint(self) -> None:
        self.fuse("checkpoint")


class Archived:
    """Keeps what is archived once: a batch at or below what was reached is not appended again."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._reached: dict[TopicPartition, int] = {}

    def append(self, events: pl.DataFrame, reach: Mapping[TopicPartition, int]) -> None:
        for place, reached in reach.items():
            here = events.filter(
                pl.col("log.partition") == place.partition,
                pl.col("log.offset") >= self._reached.get(place, 0),
            )
            self.ids += here["event.id"].to_list()
            self._reached[place] = max(reached, self._reached.get(place, 0))


class House:
    """A log, a ledger and an archive; each ``detect`` is a process of its own."""

    def __init__(self, folder: Path, partitions: int = 1) -> None:
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.log = MemoryLog(EVENTS_TOPIC, partitions=partitions)
        self.log.create(EVENTS_TOPIC, partitions)
        self.log.create(REJECTS_TOPIC, 1)
        self.archive = Archived()

    def send(self, messages: Sequence[Message]) -> None:
        for each in messages:
            self.log.send(EVENTS_TOPIC, each)
        self.log.flush()

    def detect(self, fuse: Callable[[str], None] = lambda _step: None, poll: int = 3) -> None:
        """Process what is not committed, ``poll`` records at a time; a blown fuse ends it."""
        seen = SeenSequences(self.ledger)
        sink = DetectSink(self._rooms(seen, fuse), ManualClock(), flush_bytes=0, flush_s=0)
        try:
            for place, end in self.log.ends(EVENTS_TOPIC).items():
                done = self.log.committed("memory", EVENTS_TOPIC).get(place, 0)
                records = self.log.read(place, done)
                assert done + len(records) == end
                for start in range(0, len(records), poll):
                    sink.write(records[start : start + poll])
                    fuse("write")
                    offsets = sink.settle(drain=True)
                    fuse("settle")
                    self.log.commit(offsets)
        except PowerCut:
            # What was sent and not flushed is gone with the process.
            self.log._waiting.clear()

    def _rooms(self, seen: SeenSequences, fuse: Callable[[str], None]) -> DetectRooms:
        def messages(rejects: pl.DataFrame) -> list[Message]:
            fuse("rejects")
            return reject_messages(rejects)

        def judge(batch: Batch) -> Iterator[Judged]:
            yield Judged(batch.events, [], batch.events, empty_rejects())

        return DetectRooms(
            intake=Intake(lambda _part: frozenset(), seen.admit),
            judge=judge,
            producer=self.log,
            reject_messages=messages,
            progress=seen,
            archive=self.archive,
            tables=Tables(fuse),
        )

    def rejects(self) -> pl.DataFrame:
        reader = RejectReader(self.log, self.ledger.rejected())
        return pl.concat([empty_rejects(), *reader.frames()])

    def replay(self) -> None:
        self.send(list(replay_messages(self.rejects())))

    def row(self, stream: str = STREAM) -> StreamRow:
        return next(row for row in self.ledger.rows() if row.stream == stream)

    def account(self) -> tuple[int, int, int, int]:
        row = self.row()
        return row.end, row.events, row.rejects, row.missing


def fuse(step: str, left: int) -> Callable[[str], None]:
    """Return what cuts the power at the nth time that a step is reached."""
    reached: Counter[str] = Counter()

    def burn(name: str) -> None:
        reached[name] += 1
        if name == step and reached[name] == left:
            raise PowerCut(step)

    return burn
