"""Reminds of steps that wait for people, and tells somebody else when it takes too long."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from luytre.core.actor import Actor
from luytre.core.log import get_logger
from playbooks.actions.action import ActionFailedError, ActionUnclearError, Order

if TYPE_CHECKING:
    from luytre.core.clock import Clock
    from luytre.core.config_playbooks import ApprovalsConfig
    from playbooks.actions import Actions
    from playbooks.run_rows import Step
    from playbooks.runs import Runs

ACTOR = Actor.loop("respond")
WAITS = ("approval", "unknown", "failed", "refused")

log = get_logger("reminders")


class Reminders:
    """Sends at most one message for each turn of a step; a message that fails is not repeated.

    A message says that something waits, and where to look: never who or what.
    """

    def __init__(
        self, runs: Runs, actions: Actions, clock: Clock, settings: ApprovalsConfig
    ) -> None:
        self._runs, self._actions, self._clock, self._settings = runs, actions, clock, settings

    def send(self) -> int:
        """Send what is due, and return how many messages went out."""
        if not self._settings.channel:
            return 0
        waiting = self._runs.rows.in_state(*WAITS)  # type: ignore[arg-type]
        return sum(self._remind(step) for step in waiting)

    def _remind(self, step: Step) -> bool:
        age = self._clock.now() - datetime.fromisoformat(step.changed_at)
        turn = timedelta(minutes=self._settings.remind_after_minutes)
        due = min(age // turn + 1, self._settings.reminders_max)
        if step.reminders >= due:
            return False
        late = age >= timedelta(minutes=self._settings.escalate_after_minutes)
        channel = (late and self._settings.escalation_channel) or self._settings.channel
        run = self._runs.rows.run(step.run, ACTOR.scope)
        # Counted before it is sent: a crash may lose a reminder, and never doubles one.
        with self._runs.cases.change(ACTOR, change_id=step.run) as change:
            self._runs.rows.set_step(step, reminders=due)
            change.record(
                "run.remind", f"run:{run.id}", organization=run.organization, step=step.key,
                number=due, channel=channel,
            )  # fmt: skip
        hours = int(age.total_seconds() // 3600)
        text = (
            f"Luytre: run {run.id[:10]} waits for a person ({hours} h): luytre playbooks waiting\n"
            f"Lượt chạy {run.id[:10]} đang chờ người duyệt ({hours} giờ)."
        )
        try:
            order = Order(f"{step.run}/{step.key}/remind/{due}")
            self._actions.perform("send-message", {"channel": channel, "text": text}, order)
        except (ActionFailedError, ActionUnclearError) as error:
            log.error("no reminder went out", channel=channel, reason=str(error))
        return True
