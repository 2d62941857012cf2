"""The embedded log: the contract of ``luytre.core.message`` on SQLite files, no server needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.embedded_consumer import EmbeddedConsumer
from ingest.embedded_groups import Membership, committed, groups_file
from ingest.embedded_retention import Retention
from ingest.embedded_topic import TopicFile, pending, topic_names, topic_path
from luytre.core.batch import TopicPartition
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ingest.disk import DiskFile
    from ingest.embedded_topic import Pending
    from luytre.core.clock import Clock
    from luytre.core.config import LogConfig
    from luytre.core.message import Consumer, Message, Producer, Record, Topics

BUFFER_BYTES_MAX = 8 * 2**20
_RECORDS_MAX = 20_000


class EmbeddedLog:
    """A folder with one file per topic, so that their writers do not wait for each other.

    Any number of processes of one machine may open the folder; it must be on a local disk. Each
    opens its own ``EmbeddedLog``: nothing of it may cross a fork. A producer or consumer belongs to
    one thread. A topic that is written or read first is made with ``settings.partitions``.

    Errors of the disk are retried for some seconds; then every method raises ``NeighbourError``.
    """

    def __init__(self, folder: Path, settings: LogConfig, clock: Clock) -> None:
        self._folder, self._settings, self._clock = folder, settings, clock
        self._files = _Files(folder, settings.partitions, clock)
        self._groups = groups_file(folder, clock)
        self._opened: list[Producer | Consumer] = []

    def producer(self) -> Producer:
        """Return a producer with connections of its own."""
        files = _Files(self._folder, self._settings.partitions, self._clock)
        producer = EmbeddedProducer(files)
        self._opened.append(producer)
        return producer

    def consumer(
        self,
        group: str,
        topic: str,
        *,
        on_revoke: Callable[[frozenset[TopicPartition]], None] | None = None,
    ) -> Consumer:
        """Return a consumer that joins ``group`` at its first poll.

        ``on_revoke`` is called inside ``poll`` with partitions about to be given up; it may still
        commit them.
        """
        file = TopicFile(self._folder, topic, self._clock)
        file.grow(self._settings.partitions)
        groups = groups_file(self._folder, self._clock)
        timeout_s = self._settings.session_timeout_s
        membership = Membership(groups, self._clock, group=group, topic=topic, timeout_s=timeout_s)
        consumer = EmbeddedConsumer(file, membership, self._clock, on_revoke)
        self._opened.append(consumer)
        return consumer

    def topics(self) -> Topics:
        return EmbeddedTopics(self._folder, self._files, self._groups)

    def topic_id(self, topic: str) -> str:
        """Return what tells a topic from one of the same name that was deleted before."""
        return self._files.get(topic).identity()

    def expire(self) -> int:
        """Apply the retention to every topic and return how many messages were deleted.

        What may go is written at ``Retention``. To be called now and then by one process.
        """
        retention = Retention(self._groups, self._settings, self._clock)
        return sum(retention.apply(self._files.get(topic)) for topic in topic_names(self._folder))

    def close(self) -> None:
        """Flush and close every producer, and leave every group."""
        while self._opened:
            self._opened.pop().close()
        self._files.close()
        self._groups.close()


class EmbeddedProducer:
    """Gathers messages and appends them in one transaction per topic.

    No more than ``BUFFER_BYTES_MAX`` (or one larger message) waits in memory: ``send`` flushes
    before. What a failed ``flush`` could not append stays and goes with the next one.
    """

    def __init__(self, files: _Files) -> None:
        self._files = files
        self._pending: dict[str, list[Pending]] = {}
        self._bytes = 0

    def send(self, topic: str, message: Message) -> None:
        """Queue a message. Raises ``Refused`` for a name that is not a topic's."""
        topic_path(self._files.folder, topic)
        queued = pending(message)
        if self._bytes + queued.size > BUFFER_BYTES_MAX:
            self.flush()
        self._pending.setdefault(topic, []).append(queued)
        self._bytes += queued.size

    def flush(self) -> None:
        """Return once everything sent so far is on the disk; see ``luytre.core.message``."""
        for topic, messages in list(self._pending.items()):
            self._files.get(topic).append(messages)
            del self._pending[topic]
            self._bytes -= sum(message.size for message in messages)

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._files.close()


class EmbeddedTopics:
    """Makes and describes the topics of a folder."""

    def __init__(self, folder: Path, files: _Files, groups: DiskFile) -> None:
        self._folder, self._files, self._groups = folder, files, groups

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic, or let it grow.

        Growing moves keys to other partitions, so their order is kept from then on only.
        """
        self._files.get(topic, partitions)

    def names(self) -> Sequence[str]:
        return topic_names(self._folder)

    def ends(self, topic: str) -> Mapping[TopicPartition, int]:
        limits = self._existing(topic).limits()
        return {TopicPartition(topic, number): each.next for number, each in limits.items()}

    def starts(self, topic: str) -> Mapping[TopicPartition, int]:
        limits = self._existing(topic).limits()
        return {TopicPartition(topic, number): each.start for number, each in limits.items()}

    def read(
        self, place: TopicPartition, offset: int, *, bytes_max: int = 16 * 2**20
    ) -> Sequence[Record]:
        file = self._existing(place.topic)
        return file.read(place.partition, offset, bytes_max=bytes_max, records_max=_RECORDS_MAX)

    def committed(self, group: str, topic: str) -> Mapping[TopicPartition, int]:
        reached = committed(self._groups, group, topic)
        return {TopicPartition(topic, number): offset for number, offset in reached.items()}

    def _existing(self, topic: str) -> TopicFile:
        if not topic_path(self._folder, topic).exists():
            known = ", ".join(self.names()) or "none"
            raise Refused(f'there is no topic "{topic}"; there are: {known}')
        return self._files.get(topic)


class _Files:
    """The topics that one user of the log has open."""

    def __init__(self, folder: Path, partitions: int, clock: Clock) -> None:
        self.folder = folder
        self._partitions, self._clock = partitions, clock
        self._open: dict[str, TopicFile] = {}

    def get(self, topic: str, partitions: int | None = None) -> TopicFile:
        """Return the file of a topic; made if it is missing, with ``partitions`` at least."""
        file = self._open.get(topic)
        if file is None:
            file = self._open[topic] = TopicFile(self.folder, topic, self._clock)
            if not file.limits():
                file.grow(partitions or self._partitions)
        if partitions is not None:
            file.grow(partitions)
        return file

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
