"""`assign`, `comment`, `start-clock` and `stop-clock`: what is done at the desk of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from playbooks.actions.action import Action, ActionFailedError, Effect, Order, Outcome, Plan
from playbooks.actions.kinds import Account, Arguments, Text

if TYPE_CHECKING:
    from luytre.core.response import Desk

Clock = Literal["notice-24h", "report-72h", "data-breach-72h"]
"""Decree 331/2026 article 31(2)(d): 24 h and 72 h; law 91/2025 article 23: 72 h."""

CLOCK_NAMES: dict[str, tuple[str, str]] = {
    "notice-24h": ("initial notice of a serious incident (24 h)",
                   "thông báo ban đầu sự cố nghiêm trọng (24 giờ)"),
    "report-72h": ("incident report (72 h)", "báo cáo sự cố (72 giờ)"),
    "data-breach-72h": ("personal-data breach notice (72 h)",
                        "thông báo vi phạm dữ liệu cá nhân (72 giờ)"),
}  # fmt: skip


class AssignArguments(Arguments):
    """Who is to work on the incident."""

    person: Account


class CommentArguments(Arguments):
    """What is written to the incident."""

    text: Text


class ClockArguments(Arguments):
    """Which legal clock."""

    clock: Clock


class _AtDesk:
    def __init__(self, desk: Desk | None) -> None:
        self._desk = desk

    def _at(self, order: Order) -> Desk:
        if self._desk is None or not order.incident:
            raise ActionFailedError("this run belongs to no incident")
        return self._desk


class Assign(_AtDesk, Action[AssignArguments]):
    """Gives the incident to a person."""

    name = "assign"
    arguments = AssignArguments
    effect: ClassVar[Effect] = "tells"
    repeats = True

    def plan(self, given: AssignArguments) -> Plan:
        return Plan(f"assign the incident to {given.person}", f"giao sự cố cho {given.person}")

    def run(self, given: AssignArguments, order: Order) -> Outcome:
        self._at(order).assign(order.incident, given.person, order.actor)
        return Outcome(f"assigned to {given.person}")


class Comment(_AtDesk, Action[CommentArguments]):
    """Writes a comment to the incident."""

    name = "comment"
    arguments = CommentArguments
    effect: ClassVar[Effect] = "tells"

    def plan(self, given: CommentArguments) -> Plan:
        return Plan(f"comment: {given.text}", f"ghi chú: {given.text}")

    def run(self, given: CommentArguments, order: Order) -> Outcome:
        self._at(order).comment(order.incident, given.text, order.actor)
        return Outcome("commented")


class StartClock(_AtDesk, Action[ClockArguments]):
    """Starts a legal clock; one that runs runs on."""

    name = "start-clock"
    arguments = ClockArguments
    effect: ClassVar[Effect] = "tells"
    repeats = True

    def plan(self, given: ClockArguments) -> Plan:
        en, vi = CLOCK_NAMES[given.clock]
        return Plan(f"start the clock: {en}", f"bắt đầu đếm giờ: {vi}")

    def run(self, given: ClockArguments, order: Order) -> Outcome:
        self._at(order).start_clock(order.incident, given.clock, order.actor)
        return Outcome(f"{given.clock} runs")


class StopClock(_AtDesk, Action[ClockArguments]):
    """Stops a legal clock: what it asks for is done."""

    name = "stop-clock"
    arguments = ClockArguments
    effect: ClassVar[Effect] = "tells"
    repeats = True

    def plan(self, given: ClockArguments) -> Plan:
        en, vi = CLOCK_NAMES[given.clock]
        return Plan(f"stop the clock: {en}", f"dừng đếm giờ: {vi}")

    def run(self, given: ClockArguments, order: Order) -> Outcome:
        self._at(order).stop_clock(order.incident, given.clock, order.actor)
        return Outcome(f"{given.clock} is stopped")
