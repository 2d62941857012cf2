"""The index loop: alerts from the log into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from luytre.core.alert import Alert, decode_alert
from luytre.core.batch import TopicPartition
from luytre.core.log import get_logger
from luytre.core.metrics import ALERTS_STORED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from luytre.core.alert import AlertStore
    from luytre.core.message import Record

log = get_logger("index")


class IndexSink:
    """Keeps every alert of the topic, each once: the store knows them by their ids."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store
        self._reached: dict[TopicPartition, int] = {}

    def write(self, records: Sequence[Record]) -> None:
        """Store the alerts of one poll in one transaction."""
        new = self._store.add(list(_alerts(records)))
        ALERTS_STORED.inc(new)
        for record in records:
            self._reached[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def settle(self, *, drain: bool = False) -> Mapping[TopicPartition, int]:  # noqa: ARG002
        """Return the offsets of what ``write`` has stored."""
        reached, self._reached = self._reached, {}
        return reached

    def forget(self, places: frozenset[TopicPartition]) -> None:
        """Nothing is remembered between polls."""


def _alerts(records: Sequence[Record]) -> Iterator[Alert]:
    for record in records:
        for line in record.message.value.splitlines():
            try:
                yield decode_alert(line)
            except msgspec.MsgspecError as error:
                # Only our own detect loop writes this topic: this is damage or a newer version.
                # It stays in the topic, and the log says where, so nothing is lost silently.
                log.error(
                    "alert cannot be read",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    reason=str(error),
                )
