"""What is done to the installation itself, in the history: content, retention, backups, mending.

What a room decides is recorded in the transaction that changes it. These calls change files and
other programs, which no transaction covers: so the entry comes first, and without it nothing is
done. An entry that is there says that it was begun, by whom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luytre.audit.database import Room

if TYPE_CHECKING:
    from luytre.audit.database import CaseDatabase
    from luytre.core.actor import Actor

ROOM = Room(
    "operations",
    [],
    {
        "content.install": "content.propose",
        "playbooks.import": "content.propose",
        "rejects.replay": "operate",
        "archive.mend": "operate",
        "backup.write": "operate",
        "backup.restore": "operate",
        "kafka.setup": "operate",
        "elastic.setup": "operate",
        "archive.expire": "expire",
        "alerts.expire": "expire",
    },
)


def record(cases: CaseDatabase, actor: Actor, action: str, subject: str, **detail: Any) -> int:
    """Write the entry of what is about to be done, and return its number.

    Raises:
        Forbidden: the actor may not; nothing must be done then.
        NeighbourError: the signer or the disk fails; nothing must be done then.
    """
    with cases.change(actor) as change:
        return change.record(action, subject, organization="", **detail)
