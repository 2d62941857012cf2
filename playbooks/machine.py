"""Where a run stands in its playbook, and where it goes next: pure, so a crash can lose nothing.

A run is a tree of branches. A branch stands at a step; at a control step (if, while, parallel,
switch, playbook-action) it starts others and waits until they have reached their end. What is due
to be done is handed out as ``Due``; whoever does it says how it ended with ``finish``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from playbooks.conditions import read_condition
from playbooks.graph import EXECUTIONS_MAX
from playbooks.load import Loaded
from playbooks.model import Action, Command, If, Parallel, PlaybookAction, Switch, While
from playbooks.variables import misfit, references

if TYPE_CHECKING:
    from playbooks.model import Playbook

LOOPS_MAX = 1_000
DEPTH_MAX = 8


class Branch(msgspec.Struct):
    """One way through the workflow. ``scope`` names the playbook execution it belongs to."""

    id: str
    parent: str
    scope: str
    step: str
    arrived: int = 0
    command: int = 0
    children: int = 0
    open: int = 0


class ScopeState(msgspec.Struct):
    """One execution of a playbook: its own variables; ``caller`` is the branch that waits."""

    playbook: str
    values: dict[str, str | None]
    caller: str = ""
    depth: int = 0


class State(msgspec.Struct):
    """Everything a run needs to go on, after a restart too."""

    branches: dict[str, Branch]
    scopes: dict[str, ScopeState]
    taken: int = 0
    loops: dict[str, int] = {}
    problem: str = ""

    @property
    def ended(self) -> bool:
        """Whether every branch has reached its end."""
        return not self.branches


@dataclass(frozen=True, slots=True)
class Due:
    """A command that is to be done now. ``key`` names it once and for all within its run."""

    branch: str
    step: str
    playbook: Loaded
    command: Command
    key: str
    values: Mapping[str, str | None]


class Machine:
    """Moves the state of one run.

    ``assume``, for rehearsals, is what a condition is taken to be when a variable that it reads
    has no value yet; such a loop turns once.
    """

    def __init__(self, playbooks: Mapping[str, Loaded], *, assume: bool | None = None) -> None:
        self._playbooks = playbooks
        self._assume = assume

    def begin(self, playbook: str, given: Mapping[str, str]) -> State:
        """Return the state of a run that has not begun; ``given`` fills external variables.

        Raises:
            ValueError: a given variable is unknown, not external, or of another type.
        """
        loaded = self._playbooks[playbook]
        values = _initial(loaded.playbook)
        for name, value in given.items():
            variable = loaded.playbook.playbook_variables.get(name)
            if variable is None or not variable.external:
                raise ValueError(f"{name} is no external variable of {loaded.playbook.name}")
            wrong = misfit(variable.type, value)
            if wrong:
                raise ValueError(f"{name} {wrong}")
            values[name] = value
        root = Branch("0", "", "0", loaded.playbook.workflow_start)
        return State({"0": root}, {"0": ScopeState(playbook, values)})

    def due(self, state: State) -> list[Due]:
        """Move every branch as far as it goes by itself, and return what is to be done."""
        moved = True
        while moved and not state.problem:
            # All of them, not just up to the first that moves: branches keep step with each other.
            moved = sum(self._move(state, branch) for branch in [*state.branches.values()]) > 0
        found = [self._due(state, branch) for branch in state.branches.values()]
        return [due for due in found if due is not None]

    def finish(
        self,
        state: State,
        due: Due,
        *,
        failed: bool = False,
        outputs: Mapping[str, str | None] | None = None,
    ) -> None:
        """Say how a command ended. A failed one goes on only where the step says on_failure."""
        branch = state.branches[due.branch]
        step: Any = self._step(state, branch)
        scope = state.scopes[branch.scope]
        for name, value in (outputs or {}).items():
            if name in step.out_args and name in scope.values:
                scope.values[name] = value
        branch.command += 1
        if failed:
            self._go(state, branch, step.on_failure or self._exception(scope))
        elif branch.command >= len(step.commands):
            self._go(state, branch, step.on_completion or step.on_success)

    def may_fail(self, state: State, due: Due) -> bool:
        """Say whether the playbook itself has a way on from the failure of a command."""
        branch = state.branches[due.branch]
        way = self._step(state, branch).on_failure
        return bool(way or self._exception(state.scopes[branch.scope]))

    def _exception(self, scope: ScopeState) -> str:
        playbook = self._playbooks[scope.playbook].playbook
        way = playbook.workflow_exception or ""
        return way if way in playbook.workflow else ""

    def _step(self, state: State, branch: Branch) -> Any:
        return self._playbooks[state.scopes[branch.scope].playbook].playbook.workflow[branch.step]

    def _due(self, state: State, branch: Branch) -> Due | None:
        step = self._step(state, branch)
        if not isinstance(step, Action):
            return None
        scope = state.scopes[branch.scope]
        local = {name: variable.value for name, variable in step.step_variables.items()}
        return Due(
            branch.id,
            branch.step,
            self._playbooks[scope.playbook],
            step.commands[branch.command],
            f"{branch.id}/{branch.arrived}/{branch.step}/{branch.command}",
            {**scope.values, **_texts(local)},
        )

    def _move(self, state: State, branch: Branch) -> bool:
        """Take one step with a branch that needs nobody for it; say whether it moved."""
        step = self._step(state, branch)
        if isinstance(step, Action) or branch.open:
            return False
        if step.type in {"start", "end"}:
            self._go(state, branch, step.on_completion or step.on_success)
        elif isinstance(step, PlaybookAction):
            self._call(state, branch, step)
        elif branch.children and not isinstance(step, While):
            self._go(state, branch, step.on_completion or step.on_success)
        else:
            self._part(state, branch, step)
        return True

    def _part(self, state: State, branch: Branch, step: Any) -> None:
        """Start the branches of a control step, or go on if there are none to start."""
        ways = self._ways(state, branch, step)
        if not ways:
            self._go(state, branch, step.on_completion or step.on_success)
            return
        for way in ways:
            self._start(state, branch, branch.scope, way)

    def _ways(self, state: State, branch: Branch, step: Any) -> tuple[str, ...]:
        values = state.scopes[branch.scope].values
        match step:
            case Parallel():
                return tuple(step.next_steps)
            case If():
                way = step.on_true if self._holds(step.condition, values) else step.on_false
                return (way,) if way else ()
            case While():
                return self._turn(state, branch, step)
            case Switch():
                name = next(references(step.switch))
                chosen = step.cases.get(str(values.get(name)), step.cases.get("default"))
                return (chosen,) if chosen else ()
        raise TypeError(type(step).__name__)

    def _turn(self, state: State, branch: Branch, step: While) -> tuple[str, ...]:
        key = f"{branch.id}/{branch.arrived}"
        turns = state.loops[key] = state.loops.get(key, 0) + 1
        if turns > LOOPS_MAX:
            state.problem = f"the loop {step.name or branch.step} turned {LOOPS_MAX} times"
            return ()
        if self._assume is not None and turns > 1:
            return ()
        holds = self._holds(step.condition, state.scopes[branch.scope].values)
        return (step.on_true,) if holds else ()

    def _holds(self, condition: str, values: Mapping[str, str | None]) -> bool:
        if self._assume is not None and any(values.get(n) is None for n in references(condition)):
            return self._assume
        return read_condition(condition)(values)

    def _call(self, state: State, branch: Branch, step: PlaybookAction) -> None:
        """Run another playbook as one step; coming back, take its results along."""
        scope = state.scopes[branch.scope]
        inner_name = f"{branch.id}/{branch.arrived}"
        if branch.children:
            inner = state.scopes.pop(inner_name)
            for name in step.out_args:
                if name in scope.values and name in inner.values:
                    scope.values[name] = inner.values[name]
            self._go(state, branch, step.on_completion or step.on_success)
            return
        called = self._playbooks.get(step.playbook_id)
        if called is None or scope.depth >= DEPTH_MAX:
            why = "nobody has it" if called is None else f"deeper than {DEPTH_MAX} playbooks"
            state.problem = f"cannot run playbook {step.playbook_id}: {why}"
            return
        values = _initial(called.playbook)
        for name in step.in_args:
            if name in values and called.playbook.playbook_variables[name].external:
                values[name] = scope.values.get(name)
        state.scopes[inner_name] = ScopeState(step.playbook_id, values, branch.id, scope.depth + 1)
        self._start(state, branch, inner_name, called.playbook.workflow_start)

    def _start(self, state: State, parent: Branch, scope: str, step: str) -> None:
        name = f"{parent.id}.{parent.children}"
        parent.children += 1
        parent.open += 1
        state.branches[name] = Branch(name, parent.id, scope, step)
        self._count(state, state.branches[name])

    def _go(self, state: State, branch: Branch, way: str | None) -> None:
        if not way:
            del state.branches[branch.id]
            if branch.parent:
                state.branches[branch.parent].open -= 1
            return
        branch.step, branch.command, branch.children = way, 0, 0
        self._count(state, branch)

    def _count(self, state: State, branch: Branch) -> None:
        state.taken += 1
        branch.arrived = state.taken
        if state.taken > EXECUTIONS_MAX:
            state.problem = f"took more than {EXECUTIONS_MAX} steps"


def _initial(playbook: Playbook) -> dict[str, str | None]:
    return _texts({name: variable.value for name, variable in playbook.playbook_variables.items()})


def _texts(values: Mapping[str, Any]) -> dict[str, str | None]:
    """Return values as text; a dictionary becomes its JSON."""
    return {
        name: msgspec.json.encode(value).decode() if isinstance(value, dict) else value
        for name, value in values.items()
    }
