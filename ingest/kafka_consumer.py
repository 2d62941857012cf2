"""The log's consumer on Kafka: a group's share of some topics, handed over without a gap.

Rule 1: partitions are handed over one by one (cooperative rebalancing): what stays goes on.
Rule 2: nothing is committed but what this member holds: Kafka itself would take it from anyone.
Rule 3: before a partition goes, ``on_revoke`` settles, in a thread: kafka-python's own thread must
go on with the heartbeats meanwhile.
Rule 4: a commit that Kafka cannot take now, while the group settles or no broker answers, is kept
and goes with the next poll; who dies before repeats records, which is what the log promises.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from kafka import (
    AsyncConsumerRebalanceListener,
    KafkaConsumer,
    OffsetAndMetadata,
)
from kafka import TopicPartition as KafkaPlace
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError

from ingest.kafka_client import connection, fenced, kafka_errors, told
from ingest.kafka_records import record_of
from luytre.core.batch import TopicPartition
from luytre.core.errors import NeighbourError, Refused
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ingest.kafka_topics import KafkaTopics
    from luytre.core.clock import Clock
    from luytre.core.config_kafka import KafkaConfig
    from luytre.core.message import Record

FETCH_BYTES_MAX = 32 * 2**20
PARTITION_FETCH_BYTES_MAX = 8 * 2**20
RECORDS_MAX = 20_000
COMMIT_MS, CLOSE_MS = 5_000, 5_000
_HEARTBEAT_MS_MAX = 1_000
_LOOK_S, _SETTLE_S = 0.01, 0.1

log = get_logger("kafka")


class LogConsumer:
    """Reads topics as a member of one group; for one thread.

    A partition starts at its committed offset, or at the lowest that is left if nothing was
    committed, or retention took it, or the topic was made anew.
    """

    def __init__(
        self,
        settings: KafkaConfig,
        topics: KafkaTopics,
        clock: Clock,
        *,
        group: str,
        names: Sequence[str],
        session_timeout_s: float,
        on_revoke: Callable[[frozenset[TopicPartition]], None] | None = None,
    ) -> None:
        self._settings, self._topics, self._clock = settings, topics, clock
        self._name = ", ".join(names)
        self._on_revoke = on_revoke
        self._held: frozenset[TopicPartition] = frozenset()
        self._buffer: deque[Record] = deque()
        self._pending: dict[TopicPartition, int] = {}
        self._pending_since_s = 0.0
        self._lost = False
        self._closing = False
        self._error: Exception | None = None
        session_ms = int(session_timeout_s * 1000)
        with kafka_errors(settings, f"group {group}"):
            self._kafka: Any = KafkaConsumer(
                **connection(settings),
                group_id=settings.prefix + group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                partition_assignment_strategy=(CooperativeStickyAssignor,),
                session_timeout_ms=session_ms,
                heartbeat_interval_ms=min(_HEARTBEAT_MS_MAX, session_ms // 10),
                max_poll_interval_ms=session_ms,
                max_poll_records=RECORDS_MAX,
                fetch_max_bytes=FETCH_BYTES_MAX,
                max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
            )
            real = [topics.real(name) for name in names]
            self._kafka.subscribe(real, listener=_Listener(self))
            # kafka-python may lead a group before it knows the topics, and then shares out nothing.
            for name in real:
                self._kafka.partitions_for_topic(name)

    def poll(self, timeout_s: float, *, bytes_max: int = 16 * 2**20) -> Sequence[Record]:
        """Return the next records; see ``luytre.core.message.Consumer``."""
        self._check_member()
        self._commit_pending()
        deadline_s = self._clock.monotonic_s() + timeout_s
        # What is left of the last fetch comes first; the group still hears of us.
        self._fetch(0.0 if self._buffer else timeout_s)
        # A group that settles waits for its slowest member: not for us.
        while self._settles() and (left_s := deadline_s - self._clock.monotonic_s()) > 0:
            self._fetch(min(left_s, _SETTLE_S))
        return self._taken(bytes_max)

    def _fetch(self, timeout_s: float) -> None:
        most = 1 if self._buffer else RECORDS_MAX
        with kafka_errors(self._settings, f"nothing can be read of {self._name}"):
            found = self._kafka.poll(int(timeout_s * 1000), max_records=most)
        self._keep_join()
        self._raise_what_listeners_met()
        for place, records in found.items():
            self._keep(place, records)

    def _keep_join(self) -> None:
        """Let the next poll take up the join that this one has begun, even if it is over by then.

        kafka-python 3.0.12 sends another JoinGroup instead (``join_group_async``), whereupon all
        members must join again: as we work between polls, a group might not settle for long.
        """
        coordinator = self._kafka._coordinator  # noqa: SLF001 - there is no public way
        join = coordinator._join_task  # noqa: SLF001
        if join is not None and not isinstance(join, _Join):
            coordinator._join_task = _Join(join)  # noqa: SLF001

    def _settles(self) -> bool:
        return bool(self._kafka._coordinator.need_rejoin())  # noqa: SLF001 - there is no public way

    def keep_alive(self) -> None:
        self._check_member()
        # There is no public way to say "I work" but a poll, which may take partitions away.
        self._kafka._coordinator.poll_heartbeat()  # noqa: SLF001

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the next offsets; see rule 4 for when. Raises ``Fenced`` for what is not ours."""
        foreign = sorted(place for place in offsets if place not in self._held)
        if foreign:
            raise fenced(foreign[0].topic, f"{foreign[0].partition} is read by another member")
        if not self._pending:
            self._pending_since_s = self._clock.monotonic_s()
        self._pending.update(offsets)
        self._commit_pending()

    def assignment(self) -> frozenset[TopicPartition]:
        return self._held

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Read ``place`` from ``offset`` on. Raises ``Refused`` if it is not assigned."""
        if place not in self._held:
            raise Refused(f"{place.topic}/{place.partition} is not assigned to this consumer")
        self._kafka.seek(self._real(place), offset)
        self._drop_buffered(frozenset([place]))

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._held = frozenset()
        self._buffer.clear()
        try:
            self._kafka.close(autocommit=False, timeout_ms=CLOSE_MS)
        except KafkaError as error:
            # Our session ends by itself then; whoever waits for the partitions waits longer.
            log.warning("cannot leave the group", topics=self._name, reason=told(error))

    def gained(self, places: frozenset[TopicPartition]) -> None:
        """Take partitions: called by the group's listener, inside ``poll``."""
        self._held |= places

    def lost(self, places: frozenset[TopicPartition]) -> None:
        """Drop partitions that others have already: called by the group's listener."""
        self._lost = self._lost or bool(self._held)
        self._drop(places)

    def give_up(self, places: frozenset[TopicPartition]) -> None:
        """Settle, commit and drop partitions: called in a thread, ``poll`` waits for it."""
        try:
            if self._on_revoke is not None and not self._closing:
                self._on_revoke(places)
            if not self._closing:
                self._commit_pending()
        except (NeighbourError, Refused) as error:
            self._error = error
        finally:
            self._drop(places)

    def ours(self, places: set[KafkaPlace]) -> frozenset[TopicPartition]:
        """Return partitions of Kafka under the names of ours."""
        return frozenset(TopicPartition(self._topics.ours(p.topic), p.partition) for p in places)

    def pause(self) -> Any:
        """Return what a listener awaits for a moment."""
        return self._kafka._net.sleep(_LOOK_S)  # noqa: SLF001

    def _keep(self, place: KafkaPlace, records: Sequence[Any]) -> None:
        name = self._topics.ours(place.topic)
        translate = self._topics.translation(name)
        if TopicPartition(name, place.partition) in self._held:
            self._buffer.extend(
                record_of(found, name) if translate is None else translate(found)
                for found in records
            )

    def _taken(self, bytes_max: int) -> list[Record]:
        records: list[Record] = []
        while self._buffer:
            bytes_max -= len(self._buffer[0].message.value)
            if records and bytes_max < 0:
                break
            records.append(self._buffer.popleft())
        return records

    def _commit_pending(self) -> None:
        if not self._pending:
            return
        offsets = {
            self._real(place): OffsetAndMetadata(next_, "", -1)
            for place, next_ in self._pending.items()
        }
        try:
            self._kafka.commit(offsets, timeout_ms=COMMIT_MS)
        except CommitFailedError as error:
            if error.args and isinstance(error.args[0], RebalanceInProgressError):
                return
            self._pending.clear()
            raise fenced(self._name, "this member did not poll in time") from error
        except RebalanceInProgressError:
            return
        except KafkaError as error:
            self._put_off(error)
        else:
            self._pending.clear()

    def _put_off(self, error: KafkaError) -> None:
        waited_s = self._clock.monotonic_s() - self._pending_since_s
        where = ", ".join(self._settings.bootstrap)
        if waited_s > self._settings.wait_s:
            raise NeighbourError(f"Kafka at {where}: no commit: {told(error)}") from error
        log.warning("commit put off", topics=self._name, reason=told(error), waited_s=waited_s)

    def _check_member(self) -> None:
        if self._held and self._kafka.group_metadata().generation_id < 0:
            self._drop(self._held)
            raise fenced(self._name, "this member did not poll in time and lost its partitions")

    def _raise_what_listeners_met(self) -> None:
        error, self._error = self._error, None
        lost, self._lost = self._lost, False
        if lost:
            raise fenced(self._name, "this member did not poll in time and lost its partitions")
        if error is not None:
            raise error

    def _drop(self, places: frozenset[TopicPartition]) -> None:
        self._held -= places
        for place in places:
            self._pending.pop(place, None)
        self._drop_buffered(places)

    def _drop_buffered(self, places: frozenset[TopicPartition]) -> None:
        left = (r for r in self._buffer if TopicPartition(r.topic, r.partition) not in places)
        self._buffer = deque(left)

    def _real(self, place: TopicPartition) -> KafkaPlace:
        return KafkaPlace(self._topics.real(place.topic), place.partition)


class _Join:
    """A future of kafka-python that says what came of it when asked, but never that it is over."""

    is_done = False

    def __init__(self, future: Any) -> None:
        self._future = future

    def add_callback(self, call: Callable[[Any], None]) -> None:
        """Call with the result, at once if it is there."""
        self._future.add_callback(call)

    def add_errback(self, call: Callable[[Any], None]) -> None:
        """Call with the error, at once if there was one."""
        self._future.add_errback(call)


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Hears of the group's changes on kafka-python's thread, which it must not hold up."""

    def __init__(self, consumer: LogConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[KafkaPlace]) -> None:
        consumer = self._consumer
        places = consumer.ours(revoked)
        if not places:
            return
        work = threading.Thread(target=consumer.give_up, args=[places], daemon=True)
        work.start()
        while work.is_alive():
            await consumer.pause()

    async def on_partitions_assigned(self, assigned: set[KafkaPlace]) -> None:
        self._consumer.gained(self._consumer.ours(assigned))

    async def on_partitions_lost(self, lost: set[KafkaPlace]) -> None:
        self._consumer.lost(self._consumer.ours(lost))
