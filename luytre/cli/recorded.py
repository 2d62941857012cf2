"""The entry of a command that changes the installation itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luytre.cli.person import person
from luytre.processor import case_host, operations
from luytre.processor.places import Places

if TYPE_CHECKING:
    from luytre.core.config import Config


def recorded(config: Config, action: str, subject: str, **detail: Any) -> None:
    """Write down that somebody is about to change the installation; without it, it is not done.

    The history is on the case host. Of a machine of a cluster that is none, what it does to the
    cluster is for the cluster's own logs to tell.

    Raises:
        Forbidden: the person may not.
        NeighbourError: it could not be written.
    """
    actor = person(config)
    actor.require(operations.ROOM.actions[action], "")
    if config.kafka.bootstrap and not Places(config.data_dir).cases.exists():
        return
    with case_host.case_database(config) as cases:
        operations.record(cases, actor, action, subject, **detail)
