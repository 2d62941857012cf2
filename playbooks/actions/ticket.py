"""`open-ticket`: a ticket in another system, through its webhook.

``POST {"title", "text", "priority", "id"}``; the ``id`` is the same however often it is tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from playbooks.actions.action import Action, ActionFailedError, Effect, Order, Outcome, Plan
from playbooks.actions.door import Door, Resolve, expect, system_resolve
from playbooks.actions.kinds import Arguments, Line, Text, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.config_playbooks import TicketConfig


class TicketArguments(Arguments):
    """What the ticket says, and in which system."""

    system: Word
    title: Line
    text: Text
    priority: Literal["low", "normal", "high", "urgent"] = "normal"


class OpenTicket(Action[TicketArguments]):
    """Opens one ticket."""

    name = "open-ticket"
    arguments = TicketArguments
    effect: ClassVar[Effect] = "tells"

    def __init__(self, systems: Sequence[TicketConfig], resolve: Resolve = system_resolve) -> None:
        self._systems = {each.name: each for each in systems}
        self._resolve = resolve

    def plan(self, given: TicketArguments) -> Plan:
        self._system(given)
        return Plan(
            f"open a ticket in {given.system}: {given.title}",
            f"mở phiếu trên {given.system}: {given.title}",
        )

    def run(self, given: TicketArguments, order: Order) -> Outcome:
        system = self._system(given)
        body = {**given.model_dump(exclude={"system"}), "id": order.key}
        door = Door([system], self._resolve)
        answer = door.send("POST", system.url, body, {"Idempotency-Key": order.key})
        answer = expect(answer, system.name)
        said = answer.body[:200].decode(errors="backslashreplace")
        return Outcome(f"a ticket is open in {given.system}", {"ticket": said})

    def _system(self, given: TicketArguments) -> TicketConfig:
        system = self._systems.get(given.system)
        if system is None:
            raise ActionFailedError(f"no system is named {given.system} (playbooks.tickets)")
        return system
