"""Opens an incident that no alert has opened: somebody began to work on something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luytre.cases.refresh import write_text

if TYPE_CHECKING:
    from luytre.core.response import Recording

_OPEN = """
    INSERT INTO incidents (organization, title, state, assignee, level, score, score_parts,
        first_at, last_at, received_at, opened_at, updated_at, backfill)
    VALUES (:organization, :title, 'in progress', :person, 0, 0, '[]',
        :now, :now, :now, :now, :now, 0)
    RETURNING id, version
"""


def open_incident(change: Recording, organization: str, title: str, now: str) -> int:
    """Open an incident of the change's actor, who has it from the beginning; return its number.

    Alerts about the same thing that come later are put into their own: merge them by hand.
    """
    values = {
        "organization": organization, "title": title, "person": change.actor.user, "now": now,
    }  # fmt: skip
    found: Any = change.connection.execute(_OPEN, values).fetchone()
    number = int(found[0])
    write_text(change.connection, number)
    after = {"title": title, "state": "in progress", "assignee": change.actor.user}
    change.record(
        "incident.open", f"incident:{number}", organization=organization, alerts=[], after=after,
        version=int(found[1]),
    )  # fmt: skip
    return number
