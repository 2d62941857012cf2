"""What `luytre kafka setup` does: topics made, grown, and set as they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.core.clock import SystemClock
from luytre.core.errors import Refused
from luytre.core.message import CONFIG_TOPIC, OUR_TOPICS

if TYPE_CHECKING:
    from luytre.core.config import Config


def setup(config: Config, *, change: bool) -> list[str]:
    """Return what was done, or (without ``change``) what would be, a sentence for each.

    Raises:
        Refused: the configuration names no cluster.
        NeighbourError: Kafka does not answer, or does not let us.
    """
    if not config.kafka.bootstrap:
        raise Refused("kafka.bootstrap names no broker: the log is the embedded one")
    from ingest.kafka import KafkaLog  # noqa: PLC0415 - as in luytre.processor.logs

    log = KafkaLog(config.kafka, config.log, SystemClock())
    topics = log.topics()
    done: list[str] = []
    found = {name: len(topics.ends(name)) for name in topics.names() if name in OUR_TOPICS}
    for name in OUR_TOPICS:
        wanted = 1 if name == CONFIG_TOPIC else config.log.partitions
        if found.get(name, 0) >= wanted:
            continue
        what = "grow" if name in found else "make"
        done.append(f"{what} the topic {topics.real(name)}, {wanted} partitions")
        if change:
            topics.create(name, wanted)
    known = OUR_TOPICS if change else tuple(found)
    differences = topics.differences(known)
    done += [
        f"set {each.setting} of {topics.real(each.topic)} to {each.wanted}, was {each.found}"
        for each in differences
    ]
    if change:
        topics.mend(differences)
    log.close()
    return done
