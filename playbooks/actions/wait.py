"""`wait`: let time pass. Whoever runs the playbook watches the time; nothing sleeps here."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from playbooks.actions.action import Action, Effect, Order, Outcome, Plan
from playbooks.actions.kinds import Arguments


class WaitArguments(Arguments):
    """How long."""

    minutes: int = Field(ge=1, le=60 * 24 * 90)


class Wait(Action[WaitArguments]):
    """Lets some minutes pass."""

    name = "wait"
    arguments = WaitArguments
    effect: ClassVar[Effect] = "reads"
    repeats = True

    def plan(self, given: WaitArguments) -> Plan:
        return Plan(f"wait {given.minutes} minutes", f"chờ {given.minutes} phút")

    def run(self, given: WaitArguments, order: Order) -> Outcome:
        del order
        return Outcome(f"waited {given.minutes} minutes")
