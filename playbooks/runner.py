"""The loop that does what is ready: intent first, then the deed, then how it ended.

A step that was being done when the process died is done again only where that changes nothing;
otherwise it is *unknown*, and a person looks. So nothing that counts ever happens twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from luytre.audit.canonical import stamp
from luytre.core.actor import Actor
from luytre.core.errors import LuytreError
from luytre.core.health import HEALTH, Pulse
from luytre.core.log import get_logger
from playbooks.actions.action import ActionFailedError, ActionUnclearError, Order, Outcome
from playbooks.reminders import Reminders
from playbooks.run_rows import TIMED

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from luytre.core.clock import Clock
    from luytre.core.config_playbooks import ApprovalsConfig
    from playbooks.actions import Actions
    from playbooks.run_rows import Step
    from playbooks.runs import Runs

    Ended = tuple[Literal["done", "failed", "unknown"], str, dict[str, str]]

ACTOR = Actor.loop("respond")
IDLE_S = 1.0

log = get_logger("respond")


class Runner:
    """Does the steps of all runs. There is one in an installation, on the case host."""

    def __init__(
        self, runs: Runs, actions: Actions, clock: Clock, approvals: ApprovalsConfig
    ) -> None:
        self._runs, self._actions, self._clock = runs, actions, clock
        self._reminders = Reminders(runs, actions, clock, approvals)
        self._untold: dict[tuple[str, str], Ended] = {}
        self._pulse = Pulse(clock)
        HEALTH.ask("respond", self._pulse.problem)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Recover once, then do what is ready until stopped; what fails is tried again."""
        recovered = False
        while not stopped():
            try:
                if not recovered:
                    self.recover()
                    recovered = True
                busy = self.turn()
                self._pulse.turned()
            except LuytreError as error:
                # The signer or the disk: nothing was changed, and nothing is lost by waiting.
                log.error("playbooks wait", reason=str(error))
                self._pulse.held_up(str(error))
                busy = False
            if not busy:
                self._clock.sleep(IDLE_S)

    def recover(self) -> None:
        """Settle what was being done when the last process ended."""
        for step in self._runs.rows.in_state("intent", every=True):
            repeats = self._actions.get(step.action).repeats
            with self._runs.cases.change(ACTOR, change_id=step.run) as change:
                if repeats:
                    self._runs.set_state(change, step, "ready", "interrupted; done again")
                else:
                    why = "interrupted while it was being done: nobody knows whether it was"
                    self._runs.end(change, step, "unknown", why)

    def turn(self) -> bool:
        """Do everything that is ready now; tell whether there was anything."""
        rows = self._runs.rows
        told = [self._tell(*key) for key in list(self._untold)]
        now = stamp(self._clock.now())
        late = rows.overdue(now)
        for step in late:
            with self._runs.cases.change(ACTOR, change_id=step.run) as change:
                # A person may have ended it since it was read.
                if rows.step(step.run, step.key).state in TIMED:
                    self._runs.expire(change, step)
        over = [step for step in rows.in_state("waiting") if step.due_at <= now]
        for step in over:
            with self._runs.cases.change(ACTOR, change_id=step.run) as change:
                # A person may have skipped it since it was read.
                if rows.step(step.run, step.key).state == "waiting":
                    self._runs.wake(change, step)
        ready = rows.in_state("ready")
        for step in ready:
            self._do(step)
            self._pulse.turned()
        reminded = self._reminders.send()
        return bool(told or late or over or ready or reminded)

    def _do(self, step: Step) -> None:
        run = self._runs.rows.run(step.run, ACTOR.scope)
        order = Order(f"{step.run}/{step.key}", run.organization, run.incident, run.started_by)
        with self._runs.cases.change(ACTOR, change_id=step.run) as change:
            if self._runs.rows.step(step.run, step.key).state != "ready":
                return
            self._runs.set_state(change, step, "intent")
        ended: Ended
        try:
            outcome: Outcome = self._actions.perform(step.action, step.arguments, order)
            ended = ("done", outcome.text, {f"__{k}__": v for k, v in outcome.outputs.items()})
        except ActionFailedError as error:
            ended = ("failed", str(error), {})
        except ActionUnclearError as error:
            ended = ("unknown", str(error), {})
        except Exception as error:
            # The shell of a step: whatever an action did not foresee leaves it unknown, not lost.
            log.exception("an action broke", action=step.action, run=step.run, step=step.key)
            ended = ("unknown", f"{type(error).__name__}: {error}", {})
        self._untold[step.run, step.key] = ended
        self._tell(step.run, step.key)

    def _tell(self, run: str, key: str) -> bool:
        """Keep how a step ended; while that cannot be written it stays in memory."""
        state, result, outputs = self._untold[run, key]
        step = self._runs.rows.step(run, key)
        with self._runs.cases.change(ACTOR, change_id=run) as change:
            self._runs.end(change, step, state, result, outputs)
        del self._untold[run, key]
        return True
