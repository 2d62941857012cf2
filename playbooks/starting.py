"""Whether a playbook may be started now, and what else its run takes along."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from playbooks.model import PlaybookAction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbooks.load import Loaded


def invalid(loaded: Loaded, now: datetime) -> str:
    """Return why a playbook may not be started now (CACAO section 3.1); empty if it may."""
    playbook = loaded.playbook
    if playbook.revoked:
        return "is revoked"
    if playbook.valid_from and now < datetime.fromisoformat(playbook.valid_from):
        return f"is valid from {playbook.valid_from} on only"
    if playbook.valid_until and now > datetime.fromisoformat(playbook.valid_until):
        return f"was valid until {playbook.valid_until}: import a newer version"
    return ""


def called(playbooks: Mapping[str, Loaded], first: str) -> dict[str, Loaded]:
    """Return a playbook and all that it may call."""
    found: dict[str, Loaded] = {}
    todo = [first]
    while todo:
        name = todo.pop()
        if name in found or name not in playbooks:
            continue
        found[name] = playbooks[name]
        steps = found[name].playbook.workflow.values()
        todo += [step.playbook_id for step in steps if isinstance(step, PlaybookAction)]
    return found
