"""A command that is due, as the step of a run: what it is, and whom or what it waits for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from luytre.audit.canonical import stamp
from playbooks.actions import check
from playbooks.actions.action import ActionFailedError
from playbooks.actions.wait import Wait
from playbooks.commands import OURS, arguments
from playbooks.run_rows import Step
from playbooks.variables import filled

if TYPE_CHECKING:
    from luytre.core.clock import Clock
    from playbooks.actions import Actions
    from playbooks.machine import Due
    from playbooks.run_rows import Run


class StepMaker:
    """Makes steps: one that no action would do begins as failed, with the reason."""

    def __init__(self, actions: Actions, clock: Clock) -> None:
        self._actions, self._clock = actions, clock

    def due(self, run: Run, due: Due) -> Step:
        """Return the step of a command that is due, in the state it begins in."""
        now = stamp(self._clock.now())
        step = Step(
            run.id, due.key, due.step, due.playbook.playbook.id, due.command.type, "", {},
            str(filled(due.command.command or due.command.description, due.values)),
            "asked", 0, "", "", now, now, "", 0,
        )  # fmt: skip
        if due.command.type == OURS:
            raw = arguments(due.command, due.values)
            step = self._ours(step, due.command.command or "", raw, due)
        model = due.playbook.playbook.workflow[due.step]
        first = due.key.endswith("/0")
        delay_ms = model.delay if first else 0
        if model.timeout:
            step = replace(step, fails_at=self.fails_at(model.timeout, delay_ms))
        if not delay_ms or step.state not in {"asked", "approval", "ready"}:
            return step
        # CACAO section 4.1: so long before the step, not before each of its commands.
        until = self._clock.now() + timedelta(milliseconds=delay_ms)
        return replace(step, state="waiting", due_at=stamp(until))

    def fails_at(self, timeout_ms: int, delay_ms: int = 0) -> str:
        """Return when a step that begins now, or after a delay, has failed (CACAO section 4.1)."""
        return stamp(self._clock.now() + timedelta(milliseconds=delay_ms + timeout_ms))

    def _ours(self, step: Step, name: str, raw: dict[str, Any], due: Due | None) -> Step:
        """Return a step of one of our actions, in the state it begins in."""
        step = replace(step, kind=OURS, action=name, arguments=raw)
        try:
            action, plan = self._actions.get(name), self._actions.plan(name, raw)
        except ActionFailedError as error:
            return replace(step, state="failed", result=str(error))
        asked = due.playbook.step_notes[due.step].approvals if due is not None else 0
        wanted = max(action.approvals, asked)
        step = replace(step, what=plan.en, wanted=wanted)
        if isinstance(action, Wait):
            minutes = check(action, raw).model_dump()["minutes"]
            until = self._clock.now() + timedelta(minutes=minutes)
            return replace(step, state="waiting", due_at=stamp(until))
        return replace(step, state="approval" if wanted else "ready")

    def undoing(self, step: Step, key: str, action: str, raw: dict[str, Any]) -> Step:
        """Return the step that takes another one back."""
        now = stamp(self._clock.now())
        undoing = Step(
            step.run, key, step.step, step.playbook, OURS, action, raw, "", "ready", 0, "",
            step.key, now, now, "", 0,
        )  # fmt: skip
        return self._ours(undoing, action, raw, None)
