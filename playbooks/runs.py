"""Runs of playbooks as people see them: start, answer, agree, decide, take back.

Each call is one change of the case database with its audit entries, under the person's name. What
the loop must do is left as ``ready``; it never happens here (``playbooks.runner``).
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from luytre.audit.canonical import stamp
from luytre.core.errors import Refused
from luytre.core.yamlfile import Document
from playbooks.actions import check
from playbooks.actions.action import ActionFailedError
from playbooks.actions.wait import Wait
from playbooks.commands import OURS
from playbooks.load import read_playbook
from playbooks.machine import Machine, State
from playbooks.run_rows import OPEN, Approval, Rows, Run, Step
from playbooks.run_steps import StepMaker
from playbooks.starting import called, invalid
from playbooks.variables import misfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from luytre.audit.database import CaseDatabase, Change
    from luytre.core.actor import Actor
    from luytre.core.clock import Clock
    from luytre.core.response import IncidentBook
    from playbooks.actions import Actions
    from playbooks.actions.action import Plan
    from playbooks.load import Loaded

Decision = Literal["happened", "again", "skip", "stop"]
ALLOWED: dict[Decision, frozenset[str]] = {
    "happened": frozenset({"unknown"}),
    "again": frozenset({"unknown", "failed", "refused"}),
    "skip": frozenset({"unknown", "failed", "refused", "asked", "approval", "waiting"}),
    "stop": frozenset(OPEN),
}
"""Which decision may be taken about a step in which state."""

TEXT_MAX = 4_096


class Runs:
    """Every run of an installation."""

    def __init__(
        self, cases: CaseDatabase, clock: Clock, actions: Actions, incidents: IncidentBook
    ) -> None:
        self.cases, self._clock, self._actions = cases, clock, actions
        self._incidents = incidents
        self.rows = Rows(cases.connection)
        self._maker = StepMaker(actions, clock)
        self._machines: dict[str, tuple[Machine, Mapping[str, Loaded]]] = {}

    def start(
        self,
        actor: Actor,
        playbooks: Mapping[str, Loaded],
        playbook: str,
        given: Mapping[str, str],
        *,
        organization: str,
        incident: str = "",
        alert: str = "",
    ) -> str:
        """Start a playbook and return the run's id.

        It belongs to the incident that is named, or the alert's; if there is none, to a new one.

        Raises:
            Refused: the playbook is revoked or not valid now, a value does not fit, or no such
                incident exists.
            Forbidden: the actor may not run playbooks for this organisation.
        """
        loaded = playbooks[playbook]
        why = invalid(loaded, self._clock.now())
        if why:
            raise Refused(f"{loaded.playbook.name} {why}")
        used = called(playbooks, playbook)
        try:
            state = Machine(used).begin(playbook, given)
        except ValueError as error:
            raise Refused(str(error)) from None
        identity = secrets.token_hex(8)
        content = {name: p.document.data for name, p in used.items()}
        with self.cases.change(actor, change_id=identity) as change:
            home = self._incidents.home(
                change, incident=incident, alert=alert, organization=organization,
                title=loaded.playbook.name,
            )  # fmt: skip
            run = Run(
                identity, playbook, loaded.playbook.name, organization, home, alert, actor.user,
                self._now(), "", "running", "", msgspec.json.encode(content),
                msgspec.json.encode(state),
            )  # fmt: skip
            self.rows.add_run(run)
            change.record(
                "run.start", f"run:{identity}", organization=organization, playbook=playbook,
                version=loaded.playbook.modified, incident=run.incident, alert=alert,
                given=dict(given),
            )  # fmt: skip
            self._forward(change, run, state)
        return identity

    def answer(
        self,
        actor: Actor,
        run: Run,
        key: str,
        outputs: Mapping[str, str],
        *,
        note: str = "",
        failed: bool = False,
    ) -> None:
        """Say that a person has done a step, or could not, and what came of it.

        Raises:
            Refused: the step asks no person, or an answer is missing or does not fit.
        """
        with self.cases.change(actor, change_id=run.id) as change:
            step = self._in(run, key, {"asked"})
            if not failed:
                self._check_outputs(run, step, outputs)
            result = note[:TEXT_MAX] or ("could not be done" if failed else "done")
            change.record(
                "run.answer", f"run:{run.id}", organization=run.organization, step=key,
                outputs=dict(outputs), note=note[:TEXT_MAX], failed="yes" if failed else "no",
            )  # fmt: skip
            self.end(change, step, "failed" if failed else "done", result, outputs)

    def approve(self, actor: Actor, run: Run, key: str, *, agree: bool, note: str = "") -> None:
        """Say yes or no to a step that waits for it; each person counts once.

        Raises:
            Refused: the step waits for nobody, or this person has answered already.
        """
        with self.cases.change(actor, change_id=run.id) as change:
            step = self._in(run, key, {"approval"})
            number = self._round(step)
            said = "yes" if agree else "no"
            approval = Approval(number, actor.user, said, note[:TEXT_MAX], self._now())
            self.rows.add_approval(step, approval)
            change.record(
                "run.approve", f"run:{run.id}", organization=run.organization, step=key,
                does=step.action, arguments=step.arguments, answer=said, note=note[:TEXT_MAX],
            )  # fmt: skip
            answers = [a.answer for a in self.rows.approvals(step) if a.round == number]
            if not agree:
                self.end(change, step, "refused", f"{actor.user} said no: {note}"[:TEXT_MAX])
            elif answers.count("yes") >= step.wanted:
                self._set(change, step, "ready")

    def decide(self, actor: Actor, run: Run, key: str, decision: Decision, note: str = "") -> None:
        """Decide about a step that does not go on by itself.

        ``happened``: an unknown step was done after all. ``again``: do it (once more; who must
        agree is asked again). ``skip``: go on without it. ``stop``: end the whole run here.

        Raises:
            Refused: the decision is none for a step in its state.
        """
        with self.cases.change(actor, change_id=run.id) as change:
            step = self._in(run, key, ALLOWED[decision])
            change.record(
                "run.decide", f"run:{run.id}", organization=run.organization, step=key,
                before=step.state, decision=decision, note=note[:TEXT_MAX],
            )  # fmt: skip
            result = f"{actor.user} decided: {decision}. {note}"[:TEXT_MAX].strip()
            match decision:
                case "happened":
                    self.end(change, step, "done", result)
                case "again":
                    self._again(change, step, result)
                case "skip":
                    self.end(change, step, "skipped", result)
                case "stop":
                    self._stop(run)

    def undo(self, actor: Actor, run: Run, key: str = "") -> list[str]:
        """Ask for changes of a run to be taken back, newest first; return the new steps' keys.

        All that were done and have not been taken back yet, or the one that ``key`` names.

        Raises:
            Refused: there is nothing to take back.
        """
        with self.cases.change(actor, change_id=run.id) as change:
            keys = [
                self._undo(change, run, step)
                for step in reversed(self.undoable(run))
                if key in {"", step.key}
            ]
            if not keys:
                raise Refused(f"run {run.id[:10]} has no change to take back")
        return keys

    def undoable(self, run: Run) -> list[Step]:
        """Return the changes of a run that were, or may have been, done and not taken back."""
        steps = self.rows.steps(run.id)
        taken_back = {step.undoes for step in steps if step.state not in {"failed", "refused"}}
        return [
            step
            for step in steps
            if step.state in {"done", "unknown"}
            and step.kind == OURS
            and not step.undoes
            and step.key not in taken_back
            and self._actions.get(step.action).undo
        ]

    def end(
        self,
        change: Change,
        step: Step,
        state: Literal["done", "failed", "refused", "unknown", "skipped"],
        result: str,
        outputs: Mapping[str, str] | None = None,
    ) -> None:
        """End a step within a change, and bring its run forward where it can go on."""
        self._set(change, step, state, result[:TEXT_MAX])
        if step.undoes or state == "unknown":
            return
        run = self.rows.run(step.run, change.actor.scope)
        machine, _ = self._machine(run)
        progress = msgspec.json.decode(run.state, type=State)
        due = next((d for d in machine.due(progress) if d.key == step.key), None)
        if due is None or run.status != "running":
            return
        failed = state in {"failed", "refused"}
        if failed and not machine.may_fail(progress, due):
            # It stands here until a person decides; what was done can be taken back.
            return
        machine.finish(progress, due, failed=failed, outputs=outputs)
        self._forward(change, run, progress)

    def _forward(self, change: Change, run: Run, state: State) -> None:
        """Make a step of all that is due, and end the run if nothing is left."""
        machine, _ = self._machine(run)
        known = {step.key for step in self.rows.steps(run.id)}
        moved = True
        while moved:
            moved = False
            for due in machine.due(state):
                if due.key in known:
                    continue
                known.add(due.key)
                step = self._of_one_time(self._maker.due(run, due))
                self.rows.add_step(step)
                self._record(change, step, "")
                if step.state == "failed" and machine.may_fail(state, due):
                    machine.finish(state, due, failed=True)
                    moved = True
        values: dict[str, str | bytes] = {"state": msgspec.json.encode(state)}
        if state.ended or state.problem:
            values["status"] = "failed" if state.problem else "done"
            values["problem"], values["ended_at"] = state.problem, self._now()
            change.record(
                "run.step", f"run:{run.id}", organization=run.organization,
                after=values["status"], problem=state.problem,
            )  # fmt: skip
        self.rows.set_run(run.id, **values)

    def _of_one_time(self, step: Step) -> Step:
        """Return a command with the time that its step has: all of its commands share it."""
        first = f"{step.key.rpartition('/')[0]}/0"
        if not step.fails_at or step.key == first:
            return step
        return replace(step, fails_at=self.rows.step(step.run, first).fails_at)

    def _undo(self, change: Change, run: Run, step: Step) -> str:
        action = self._actions.get(step.action)
        number = sum(other.undoes == step.key for other in self.rows.steps(run.id))
        key = f"undo/{number}/{step.key}"
        raw = action.undoing(check(action, step.arguments))
        undoing = self._maker.undoing(step, key, action.undo, raw)
        self.rows.add_step(undoing)
        change.record(
            "run.undo", f"run:{run.id}", organization=run.organization, step=step.key,
            does=action.undo, arguments=raw, after=undoing.state,
        )  # fmt: skip
        return key

    def _again(self, change: Change, step: Step, result: str) -> None:
        run = self.rows.run(step.run, change.actor.scope)
        timeout_ms = self.machine(run)[step.playbook].playbook.workflow[step.step].timeout
        if timeout_ms:
            self.rows.set_step(step, fails_at=self._maker.fails_at(timeout_ms))
        if step.kind != OURS:
            self._set(change, step, "asked", result)
            return
        try:
            self._actions.plan(step.action, step.arguments)
        except ActionFailedError as error:
            raise Refused(f"it would fail again: {error}") from None
        self._set(change, step, "approval" if step.wanted else "ready", result)

    def _stop(self, run: Run) -> None:
        for step in self.rows.steps(run.id, *OPEN):
            if not step.undoes and step.state not in {"intent", "unknown", "failed", "refused"}:
                self.rows.set_step(step, state="skipped", changed_at=self._now())
        self.rows.set_run(run.id, status="stopped", ended_at=self._now())

    def _round(self, step: Step) -> int:
        """Return which time a step is asked: a no, or a new try, begins another round."""
        rounds = self.rows.approvals(step)
        last = max((a.round for a in rounds), default=0)
        closed = any(a.round == last and a.answer == "no" for a in rounds)
        full = sum(a.round == last and a.answer == "yes" for a in rounds) >= step.wanted
        return last + 1 if closed or full else last

    def _check_outputs(self, run: Run, step: Step, outputs: Mapping[str, str]) -> None:
        _, used = self._machine(run)
        playbook = used[step.playbook].playbook
        wanted = getattr(playbook.workflow[step.step], "out_args", [])
        missing = [name for name in wanted if name not in outputs]
        unknown = [name for name in outputs if name not in wanted]
        if missing or unknown:
            raise Refused(f"the step asks for {', '.join(wanted) or 'no answer'}")
        for name, value in outputs.items():
            declared = playbook.playbook_variables.get(name)
            wrong = misfit(declared.type, value) if declared else ""
            if wrong:
                raise Refused(f"{name} {wrong}")

    def _in(self, run: Run, key: str, states: Any) -> Step:
        step = self.rows.step(run.id, key)
        if step.state not in states:
            raise Refused(f"step {key} is {step.state}: this cannot be done now")
        return step

    def _set(self, change: Change, step: Step, state: str, result: str = "") -> None:
        self.rows.set_step(step, state=state, result=result, changed_at=self._now())
        self._record(change, replace(step, state=state, result=result), step.state)  # type: ignore[arg-type]

    def _record(self, change: Change, step: Step, before: str) -> None:
        run = self.rows.run(step.run, change.actor.scope)
        change.record(
            "run.step", f"run:{step.run}", organization=run.organization, step=step.key,
            what=step.what, does=step.action, arguments=step.arguments, before=before,
            after=step.state, result=step.result,
        )  # fmt: skip

    def wake(self, change: Change, step: Step) -> None:
        """End a wait whose time has come, or begin the step that was delayed until now."""
        if step.action == Wait.name:
            self.end(change, step, "done", "the time has passed")
        elif step.action:
            self._set(change, step, "approval" if step.wanted else "ready")
        else:
            self._set(change, step, "asked")

    def expire(self, change: Change, step: Step) -> None:
        """End a step that was not over in its time as failed (CACAO section 4.1).

        One that is being done ends as it ends: what was done late was done.
        """
        self.end(change, step, "failed", f"ACTION_TIMEOUT: {step.step} was not over in its time")

    def set_state(self, change: Change, step: Step, state: str, result: str = "") -> None:
        """Change the state of a step that does not end with it."""
        self._set(change, step, state, result)

    def plan(self, step: Step) -> Plan:
        """Say what a step of ours would do, in both languages; raises ``ActionFailedError``."""
        return self._actions.plan(step.action, step.arguments)

    def machine(self, run: Run) -> Mapping[str, Loaded]:
        """Return the playbooks of a run as they were when it began."""
        return self._machine(run)[1]

    def _machine(self, run: Run) -> tuple[Machine, Mapping[str, Loaded]]:
        if run.id not in self._machines:
            used = {}
            for name, data in msgspec.json.decode(run.content).items():
                loaded, faults = read_playbook(Document(Path(name), data))
                if loaded is None:
                    raise Refused(f"the playbook of run {run.id[:10]} is damaged: {faults[0]}")
                used[name] = loaded
            self._machines[run.id] = (Machine(used), used)
        return self._machines[run.id]

    def _now(self) -> str:
        return stamp(self._clock.now())
