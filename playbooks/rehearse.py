"""A playbook walked dry: what it would do, ask, and wait for, in order. Nothing is touched."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from playbooks.actions import check
from playbooks.actions.action import ActionFailedError, Touch
from playbooks.actions.wait import Wait
from playbooks.binding import given_by
from playbooks.commands import OURS, arguments
from playbooks.load import Loaded
from playbooks.machine import Machine
from playbooks.variables import filled, references

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from luytre.core.alert import Alert
    from playbooks.actions import Actions
    from playbooks.machine import Due


@dataclass(frozen=True, slots=True)
class Line:
    """One command of a rehearsal.

    ``missing`` are variables that nobody has given a value yet, ``approvals`` how many people would
    have been asked, ``touches`` what would have been changed, and ``conflict`` why it would not.
    """

    step: str
    phase: str
    name: str
    by: str
    kind: str
    what: str
    missing: tuple[str, ...] = ()
    approvals: int = 0
    touches: tuple[Touch, ...] = ()
    conflict: str = ""
    waits_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Everything a run would have done; ``problem`` says why it could not end."""

    playbook: Loaded
    lines: tuple[Line, ...]
    problem: str = ""

    @property
    def approvals(self) -> int:
        """Return how many agreements would have been asked for."""
        return sum(line.approvals for line in self.lines)

    @property
    def waits_minutes(self) -> int:
        """Return how long it would have waited, beside the time that people take."""
        return sum(line.waits_minutes for line in self.lines)


@dataclass(slots=True)
class Record:
    """What a playbook would have done over many past alerts."""

    alerts: int = 0
    asked: int = 0
    approvals: int = 0
    touched: Counter[Touch] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)


def rehearse(
    playbooks: Mapping[str, Loaded],
    playbook: str,
    given: Mapping[str, str],
    language: str = "en",
    actions: Actions | None = None,
) -> Rehearsal:
    """Walk a playbook with every command taken as done.

    A condition on what nobody has answered yet is taken to hold: the way that does most. With
    ``actions``, each says what it would do here, and what the never-touch list forbids.
    """
    machine = Machine(playbooks, assume=True)
    state = machine.begin(playbook, given)
    lines: list[Line] = []
    while not state.ended and not state.problem:
        for due in machine.due(state):
            lines.append(_line(due, language, actions))
            machine.finish(state, due)
    return Rehearsal(playbooks[playbook], tuple(lines), state.problem)


def look_back(
    playbooks: Mapping[str, Loaded], playbook: str, alerts: Sequence[Alert], actions: Actions
) -> Record:
    """Rehearse a playbook on past alerts; those it is not for have been left out by the caller."""
    record = Record()
    # A rehearsal takes 2 ms; callers give a thousand alerts at most.
    for alert in alerts:
        outcome = rehearse(
            playbooks, playbook, given_by(playbooks[playbook], alert), actions=actions
        )
        record.alerts += 1
        record.asked += sum(line.kind != OURS for line in outcome.lines)
        record.approvals += outcome.approvals
        for line in outcome.lines:
            if line.conflict:
                record.conflicts[line.conflict] += 1
            else:
                record.touched.update(line.touches)
    return record


def _line(due: Due, language: str, actions: Actions | None) -> Line:
    notes = due.playbook.step_notes[due.step]
    name, description = due.playbook.words(language, due.step)
    own = notes.vi.command if language == "vi" else ""
    text = own or due.command.command or due.command.description or description
    used = references(due.command.arguments if due.command.type == OURS else text)
    line = Line(
        due.step,
        notes.phase or "",
        name or description,
        due.playbook.who(language, due.step),
        due.command.type,
        str(filled(text, {n: f"({n})" if v is None else v for n, v in due.values.items()})),
        tuple(dict.fromkeys(n for n in used if due.values.get(n) is None)),
        approvals=notes.approvals,
    )
    return (
        line
        if due.command.type != OURS or actions is None
        else _planned(line, due, language, actions)
    )


def _planned(line: Line, due: Due, language: str, actions: Actions) -> Line:
    name, raw = due.command.command or "", arguments(due.command, due.values)
    action = actions.get(name)
    line = replace(line, approvals=max(line.approvals, action.approvals))
    try:
        plan = actions.plan(name, raw)
    except ActionFailedError as error:
        return replace(line, conflict=str(error))
    waits = check(action, raw).model_dump()["minutes"] if isinstance(action, Wait) else 0
    what = plan.vi if language == "vi" else plan.en
    return replace(line, what=what, touches=plan.touches, waits_minutes=waits)
