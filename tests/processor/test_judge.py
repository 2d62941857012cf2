from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from detections.hiding import Hidden, Judged
from detections.plan import Plan
from luytre.core.alert import Alert
from luytre.core.batch import Batch, LogSource, Part
from luytre.core.ecs import ENVELOPE, empty_rejects
from luytre.processor.content import PlannedCorrelations
from luytre.processor.judge import Judge

PART = Part("test", (LogSource("test"),))


NONE = PlannedCorrelations(Plan((), ()))


class Fussy:
    """An engine that cannot bear one event."""

    def judged(self, batch: Batch) -> Judged:
        if b"poison" in batch.events["event.original"].to_list():
            raise ValueError("cannot bear it")
        return Judged([], [])

    def hidden(self, batch: Batch, hidden: Sequence[Hidden]) -> list[Alert]:
        return []

    def alerts(self, batch: Batch, hits: Sequence[tuple[int, int]]) -> list[Alert]:
        return []


def batch(*originals: bytes) -> Batch:
    count = len(originals)
    events = pl.DataFrame(
        {
            "event.id": [str(n) for n in range(count)],
            "event.original": list(originals),
            "event.ingested": [datetime(2026, 11, 23, tzinfo=UTC)] * count,
            "luytre.sequence": list(range(count)),
        }
    )
    missing = [pl.lit(None, kind).alias(n) for n, kind in ENVELOPE.items() if n not in events]
    frame = events.with_columns(missing).select(*ENVELOPE).cast(dict(ENVELOPE))  # type: ignore[arg-type]
    return Batch(PART, frame, empty_rejects(), {})


def test_a_poisoned_event_is_rejected_and_its_neighbours_go_on() -> None:
    originals = [b"a", b"b", b"poison", b"c", b"d"]

    judged = list(Judge([], Fussy(), NONE)(batch(*originals)))

    kept = [raw for piece in judged for raw in piece.events["event.original"]]
    rejects = pl.concat([piece.rejects for piece in judged])
    assert kept == [b"a", b"b", b"c", b"d"]
    assert rejects["event.original"].to_list() == [b"poison"]
    assert rejects["luytre.sequence"].to_list() == [2]
    assert rejects["error.message"][0] == "processing failed: ValueError: cannot bear it"


def test_a_batch_without_trouble_stays_in_one_piece() -> None:
    judged = list(Judge([], Fussy(), NONE, lambda e, _part: e.select("event.id"))(batch(b"a")))

    assert len(judged) == 1
    assert judged[0].archived is not None
    assert judged[0].archived.columns == ["event.id"]
