"""Bundles on the topic ``config``: published by rule admins, followed by every worker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import msgspec

from luytre.core.batch import TopicPartition
from luytre.core.clock import SystemClock
from luytre.core.errors import Fault, Refused
from luytre.core.log import get_logger
from luytre.core.message import CONFIG_TOPIC, Message
from luytre.processor import bundle, case_host
from luytre.processor.bundle import ACTIVE_KEY, BUNDLE_KEY, Active
from luytre.processor.content import adaptation_of, check
from luytre.processor.logs import open_log
from luytre.processor.places import Places
from luytre.processor.publications import SHOWN, Offer, Publications
from luytre.processor.source import Wanted, settings

if TYPE_CHECKING:
    from luytre.audit.database import CaseDatabase
    from luytre.core.actor import Actor
    from luytre.core.config import Config, RulesConfig
    from luytre.core.message import Log


State = Literal["as before", "proposed", "published"]


@dataclass(frozen=True, slots=True)
class Published:
    """A bundle: how many files, bytes on the wire, and what came of it."""

    digest: str
    files: int
    bytes: int
    state: State
    faults: tuple[Fault, ...]


KEPT = 5
"""Bundles that stay on the topic: to go back to one is to publish it again."""

log = get_logger("content")


class ConfigTopic:
    """What the topic ``config`` says now, read on from where the last look ended."""

    def __init__(self, opened: Log) -> None:
        self._topics = opened.topics()
        self._topics.create(CONFIG_TOPIC, 1)
        self._place = TopicPartition(CONFIG_TOPIC, 0)
        self._offset = 0
        self._values: dict[bytes, bytes] = {}

    def read(self) -> None:
        """Read what is new."""
        start = self._topics.starts(CONFIG_TOPIC)[self._place]
        self._offset = max(self._offset, start)
        while records := self._topics.read(self._place, self._offset):
            for record in records:
                # Newer last: what was published last is kept when there are too many.
                self._values.pop(record.message.key, None)
                if record.message.value:
                    self._values[record.message.key] = record.message.value
            self._offset = records[-1].offset + 1

    @property
    def active(self) -> Active | None:
        """What should run; None if nothing was published yet."""
        value = self._values.get(ACTIVE_KEY)
        return bundle.decode_active(value) if value is not None else None

    def value(self, digest: str) -> bytes | None:
        """Return the bytes of a bundle."""
        return self._values.get(BUNDLE_KEY + digest.encode())

    def bundles(self) -> list[str]:
        """Return the digests of all bundles, the newest last."""
        return [
            key.removeprefix(BUNDLE_KEY).decode(errors="replace")
            for key in self._values
            if key.startswith(BUNDLE_KEY)
        ]


class BundleSource:
    """The content that the topic ``config`` names: unpacked below the data folder, checked whole.

    It is a ``ContentSource``: a bundle that is damaged or missing raises, and what runs goes on.
    """

    def __init__(self, config: Config, opened: Log) -> None:
        self._folder = Places(config.data_dir).bundles
        self._topic = ConfigTopic(opened)
        self._wanted: Wanted | None = None

    def wanted(self) -> Wanted:
        """Return what should run. Raises ``Refused`` if the topic does not say."""
        self._topic.read()
        active = self._topic.active
        if active is None:
            raise Refused("no rules are published yet: `luytre kafka publish`")
        if self._wanted is None or self._wanted.digest != active.digest:
            self._wanted = Wanted(active.digest, self._unpacked(active.digest))
            log.info("a bundle should run", bundle=active.digest[:12], by=active.by)
        return self._wanted

    def _unpacked(self, digest: str) -> RulesConfig:
        value = self._topic.value(digest)
        if value is None:
            raise Refused(f"the topic config names the bundle {digest[:12]} but does not hold it")
        return bundle.unpack(bundle.decode(digest, value), self._folder / digest)


def publish(
    config: Config, actor: Actor, *, agree: str = "", with_faults: bool = False
) -> Published:
    """Publish the rules that this machine's folders hold, and say that they should run.

    It is recorded in the history before anything leaves, and once the brokers have it. Where a
    second person must agree (``kafka.second_person``, and ``people`` are named), a first call only
    proposes; another person gives ``agree``, the beginning of what was proposed.

    Raises:
        Refused: a rule is not good and not ``with_faults`` (then workers quarantine it, and refuse
            the whole bundle if a rule that runs would fall out), or the folders do not hold what
            is agreed to.
        Forbidden: the actor has no role for it.
        NeighbourError: the signer or the brokers fail.
    """
    if not config.kafka.bootstrap:
        raise Refused("kafka.bootstrap names no broker: workers read the folders of this machine")
    faults = check(config, []).faults
    if faults and not with_faults:
        raise Refused("\n".join(map(str, faults)))
    rules = settings(config)
    packed = bundle.pack(rules, dict(adaptation_of(rules).placeholders))
    digest, value = bundle.encode(packed)
    if agree and not digest.startswith(agree):
        raise Refused(f"the folders hold {digest[:SHOWN]} now, not {agree}: propose it anew")
    opened = open_log(config)
    try:
        with case_host.case_database(config) as cases:
            made = Published(digest, len(packed.files), len(value), "as before", tuple(faults))
            state = _publish(config, opened, cases, actor, made, value, agree=bool(agree))
            return replace(made, state=state)
    finally:
        opened.close()


def _publish(
    config: Config, opened: Log, cases: CaseDatabase, actor: Actor, made: Published,
    value: bytes, *, agree: bool,
) -> State:  # fmt: skip
    topic, kept = ConfigTopic(opened), Publications(cases, SystemClock())
    topic.read()
    active = topic.active
    before = active.digest if active else ""
    known = kept.of(made.digest)
    offer = Offer(made.digest, before, made.files, len(made.faults))
    if before == made.digest:
        if known and known.state == "sending":
            kept.finish(actor, offer)  # it was killed after the brokers had it
        return "as before"
    alone = not (config.kafka.second_person and config.people)
    if not alone and not agree and not (known and known.state == "sending"):
        if not (known and known.state == "proposed"):
            kept.propose(actor, offer)
        return "proposed"
    kept.begin(actor, offer, alone=alone)
    _send(opened, topic, actor, made.digest, value)
    kept.finish(actor, offer)
    return "published"


def _send(opened: Log, topic: ConfigTopic, actor: Actor, digest: str, value: bytes) -> None:
    producer = opened.producer()
    # The bundle first: who reads which one should run must find it.
    producer.send(CONFIG_TOPIC, Message(BUNDLE_KEY + digest.encode(), value))
    producer.flush()
    active = Active(digest, SystemClock().now().isoformat(), actor.user)
    producer.send(CONFIG_TOPIC, Message(ACTIVE_KEY, msgspec.json.encode(active)))
    for old in [each for each in topic.bundles() if each != digest][: -(KEPT - 1)]:
        producer.send(CONFIG_TOPIC, Message(BUNDLE_KEY + old.encode(), b""))
    producer.flush()
