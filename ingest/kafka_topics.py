"""Kafka's topics: made with settings that keep what was acknowledged, described, read by offset."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka import KafkaAdminClient, KafkaConsumer
from kafka import TopicPartition as KafkaPlace
from kafka.admin import ConfigResource
from kafka.errors import GroupIdNotFoundError, TopicAlreadyExistsError

from ingest.kafka_client import Answer, connection, kafka_errors, retried
from ingest.kafka_foreign import translation
from ingest.kafka_records import record_of
from luytre.core.batch import TopicPartition
from luytre.core.errors import NeighbourError, Refused
from luytre.core.message import CONFIG_TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from luytre.core.clock import Clock
    from luytre.core.config import LogConfig
    from luytre.core.config_kafka import KafkaConfig
    from luytre.core.message import Record

NAME = re.compile(r"[a-zA-Z0-9._-]{1,200}")
_DAY_MS = 86_400_000
_IN_SYNC_FROM = 3
_READ_S = 30.0
_POLL_MS = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting of a topic that is not what ours should be."""

    topic: str
    setting: str
    found: str
    wanted: str


class KafkaTopics:
    """Makes and describes topics. ``real`` names carry the configured prefix, others do not."""

    def __init__(self, settings: KafkaConfig, log: LogConfig, clock: Clock) -> None:
        self._settings, self._log, self._clock = settings, log, clock
        self._foreign = {source.topic: translation(source) for source in settings.topics}
        self._known: set[str] = set()
        self._admin: Any = None
        self._reader: Any = None
        # The shipper's inputs are threads, and each sends to the same topic first.
        self._lock = threading.RLock()

    def real(self, topic: str) -> str:
        """Return what a topic is called in Kafka."""
        return topic if topic in self._foreign else self._settings.prefix + topic

    def ours(self, real: str) -> str:
        """Return what we call a topic of Kafka."""
        return real if real in self._foreign else real.removeprefix(self._settings.prefix)

    def translation(self, topic: str) -> Callable[[Any], Record] | None:
        """Return what makes our records of a topic that others write; None for our own."""
        return self._foreign.get(topic)

    def ensure(self, topic: str) -> None:
        """Make a topic of ours if it is missing. Raises ``Refused`` for what is no name."""
        if topic in self._known:
            return
        if not NAME.fullmatch(topic):
            raise Refused(f"{topic!r} is no name of a topic")
        exists = self.real(topic) in self._described()
        if not exists and topic in self._foreign:
            raise Refused(f'Kafka has no topic "{topic}", which kafka.topics names')
        if not exists:
            self.create(topic, 1 if topic == CONFIG_TOPIC else self._log.partitions)
        self._known.add(topic)

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic, or let it grow. What exists already is not changed otherwise."""
        with self._lock, kafka_errors(self._settings, f"topic {topic} cannot be made"):
            found = self._described().get(self.real(topic))
            if found is None:
                self._make(topic, partitions)
            elif len(found) < partitions:
                self._client().create_partitions({self.real(topic): partitions})
        self._wait_for(topic, partitions)

    def names(self) -> Sequence[str]:
        found = self._described()
        prefix = self._settings.prefix
        return sorted(
            self.ours(name) for name in found if name in self._foreign or name.startswith(prefix)
        )

    def topic_id(self, topic: str) -> str:
        """Return Kafka's id of a topic: another one of the same name has another."""
        real = self.real(topic)
        (found,) = self._asked(topic, lambda: self._client().describe_topics([real]))
        return str(found["topic_id"])

    def ends(self, topic: str) -> Mapping[TopicPartition, int]:
        return self._offsets(topic, "end_offsets")

    def starts(self, topic: str) -> Mapping[TopicPartition, int]:
        return self._offsets(topic, "beginning_offsets")

    def committed(self, group: str, topic: str) -> Mapping[TopicPartition, int]:
        name = self._settings.prefix + group
        try:
            found = self._asked(group, lambda: self._client().list_group_offsets(name)[name])
        except NeighbourError as error:
            if isinstance(error.__cause__, GroupIdNotFoundError):
                return {}
            raise
        real = self.real(topic)
        return {
            TopicPartition(topic, place.partition): at.offset
            for place, at in found.items()
            if place.topic == real and at.offset >= 0
        }

    def read(
        self, place: TopicPartition, offset: int, *, bytes_max: int = 16 * 2**20
    ) -> Sequence[Record]:
        end = self.ends(place.topic)[place]
        if offset >= end:
            return []
        records: list[Record] = []
        with self._lock, kafka_errors(self._settings, f"topic {place.topic}"):
            for found in self._fetched(place, offset, end):
                bytes_max -= len(found.value or b"")
                if records and bytes_max < 0:
                    break
                records.append(record_of(found, place.topic))
        return records

    def differences(self, topics: Sequence[str]) -> list[Difference]:
        """Return where existing topics are set otherwise than ``create`` would set them."""
        with self._lock, kafka_errors(self._settings, "settings of topics cannot be read"):
            asked = [ConfigResource("topic", self.real(topic)) for topic in topics]
            found = self._client().describe_configs(asked, config_filter="all").get("topic", {})
        return [
            Difference(topic, name, str(found[self.real(topic)][name]["value"]), wanted)
            for topic in topics
            for name, wanted in self._wanted(topic).items()
            if str(found[self.real(topic)][name]["value"]) != wanted
        ]

    def mend(self, differences: Sequence[Difference]) -> None:
        """Set topics as ``create`` would."""
        changes: dict[str, dict[str, str]] = {}
        for each in differences:
            changes.setdefault(self.real(each.topic), {})[each.setting] = each.wanted
        with self._lock, kafka_errors(self._settings, "settings of topics cannot be changed"):
            asked = [ConfigResource("topic", name, wanted) for name, wanted in changes.items()]
            answers = self._client().alter_configs(asked).get("topic", {}) if asked else {}
        for name, answer in answers.items():
            if answer != "OK":
                raise NeighbourError(f"Kafka does not change the topic {name}: {answer}")

    def close(self) -> None:
        for client in (self._admin, self._reader):
            if client is not None:
                client.close()
        self._admin = self._reader = None

    def _make(self, topic: str, partitions: int) -> None:
        wanted = {
            "num_partitions": partitions,
            "replication_factor": self._settings.replication,
            "configs": self._wanted(topic),
        }
        try:
            self._client().create_topics({self.real(topic): wanted})
        except TopicAlreadyExistsError:
            return

    def _wanted(self, topic: str) -> dict[str, str]:
        found = {
            "compression.type": "producer",
            "max.message.bytes": str(self._settings.message_bytes_max),
            "message.timestamp.type": "LogAppendTime",
            "unclean.leader.election.enable": "false",
        }
        if self._settings.replication >= _IN_SYNC_FROM:
            found["min.insync.replicas"] = "2"
        if topic == CONFIG_TOPIC:
            return found | {"cleanup.policy": "compact"}
        # By age only: Kafka's limit by size would take what a group has not read yet.
        age = {
            "retention.ms": str(int(self._log.retention_days * _DAY_MS)),
            "retention.bytes": "-1",
        }
        return found | {"cleanup.policy": "delete"} | age

    def _wait_for(self, topic: str, partitions: int) -> None:
        until_s = self._clock.monotonic_s() + _READ_S
        while True:
            found = self._described().get(self.real(topic), [])
            # Without a leader nothing can be appended yet.
            if len(found) >= partitions and all(p["leader_id"] >= 0 for p in found):
                return
            if self._clock.monotonic_s() > until_s:
                raise NeighbourError(f"Kafka made the topic {topic}, but no broker leads it")
            self._clock.sleep(0.05)

    def _described(self) -> dict[str, list[Any]]:
        found = self._asked("topics", lambda: self._client().describe_topics())
        return {each["name"]: each["partitions"] for each in found}

    def _asked(self, about: str, ask: Callable[[], Answer]) -> Answer:
        with self._lock:
            return retried(self._settings, self._clock, about, ask)

    def _partitions(self, topic: str) -> list[int]:
        found = self._described().get(self.real(topic))
        if found is None:
            known = ", ".join(self.names()) or "none"
            raise Refused(f'there is no topic "{topic}"; there are: {known}')
        return sorted(each["partition_index"] for each in found)

    def _offsets(self, topic: str, which: str) -> dict[TopicPartition, int]:
        places = [KafkaPlace(self.real(topic), number) for number in self._partitions(topic)]
        found = self._asked(topic, lambda: getattr(self._consumer(), which)(places))
        return {TopicPartition(topic, place.partition): at for place, at in found.items()}

    def _fetched(self, place: TopicPartition, offset: int, end: int) -> list[Any]:
        reader, there = self._consumer(), KafkaPlace(self.real(place.topic), place.partition)
        reader.assign([there])
        reader.seek(there, offset)
        until_s = self._clock.monotonic_s() + _READ_S
        while self._clock.monotonic_s() < until_s:
            found: list[Any] = reader.poll(_POLL_MS).get(there, [])
            if found or reader.position(there) >= end:
                return found
        raise NeighbourError(
            f"Kafka gives nothing of {place.topic}/{place.partition} from {offset}"
        )

    def _client(self) -> Any:
        self._admin = self._admin or KafkaAdminClient(**connection(self._settings))
        return self._admin

    def _consumer(self) -> Any:
        if self._reader is None:
            self._reader = KafkaConsumer(
                **connection(self._settings),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                max_poll_records=20_000,
            )
        return self._reader
