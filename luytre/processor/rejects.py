"""What could not be read: shown as long as it cannot be read, and sent through once more."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl

from ingest.dead_letter import replay_messages
from ingest.reject_reader import RejectReader
from luytre.core.ecs import empty_rejects
from luytre.core.message import EVENTS_TOPIC
from luytre.processor import build, logs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from luytre.core.config import Config
    from luytre.core.message import Log

_GROUP = ("luytre.stream", "luytre.sequence")


def rejects(config: Config, reason: str = "") -> Iterator[pl.DataFrame]:
    """Yield what cannot be read now, oldest first, each once, in frames of bounded size.

    Only reasons that contain ``reason``.
    """
    with _opened(config) as (_, reader):
        for frame in reader.frames():
            yield frame.filter(_because(reason))


def newest(config: Config, reason: str, limit: int) -> tuple[pl.DataFrame, Counter[str]]:
    """Return the last ``limit`` rejects, newest first, and how many there are of each reason."""
    last, reasons = empty_rejects(), Counter[str]()
    for frame in rejects(config, reason):
        reasons.update(frame["error.message"].to_list())
        last = pl.concat([last, frame]).tail(limit)
    return last.reverse(), reasons


def replay(config: Config, reason: str = "", ids: Sequence[str] = ()) -> int:
    """Send rejects through the pipeline again, and return how many those are.

    Those whose reason contains ``reason`` and whose id begins with one of ``ids``, if there are
    any; and with each those of the same message, where it had no sequences of its own.
    """
    sent = 0
    with _opened(config) as (log, reader):
        producer = log.producer()
        for frame in reader.frames():
            wanted = frame.filter(_because(reason), _is_one_of(ids))
            chosen = frame.join(wanted.select(_GROUP).unique(), on=_GROUP, how="semi")
            for message in replay_messages(chosen):
                producer.send(EVENTS_TOPIC, message)
            sent += chosen.height
        producer.flush()
    return sent


@contextmanager
def _opened(config: Config) -> Iterator[tuple[Log, RejectReader]]:
    log, ledger = logs.open_log(config), build.ledger(config)
    try:
        yield log, RejectReader(log.topics(), ledger.rejected())
    finally:
        ledger.close()
        log.close()


def _because(reason: str) -> pl.Expr:
    return pl.col("error.message").str.contains(reason, literal=True)


def _is_one_of(ids: Sequence[str]) -> pl.Expr:
    if not ids:
        return pl.lit(value=True)
    return pl.any_horizontal(pl.col("event.id").str.starts_with(start) for start in ids)
