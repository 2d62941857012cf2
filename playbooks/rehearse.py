"""A playbook walked dry: what it would do, ask, and wait for, in order. Nothing is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from playbooks.load import Loaded
from playbooks.machine import Machine
from playbooks.variables import filled, references

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playbooks.machine import Due


@dataclass(frozen=True, slots=True)
class Line:
    """One command of a rehearsal. ``missing`` are variables that nobody has given a value."""

    step: str
    phase: str
    name: str
    by: str
    kind: str
    what: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Everything a run would have done; ``problem`` says why it could not end."""

    playbook: Loaded
    lines: tuple[Line, ...]
    problem: str = ""


def rehearse(
    playbooks: Mapping[str, Loaded],
    playbook: str,
    given: Mapping[str, str],
    language: str = "en",
) -> Rehearsal:
    """Walk a playbook with every command taken as done.

    A condition on what nobody has answered yet is taken to hold: the way that does most.
    """
    machine = Machine(playbooks, assume=True)
    state = machine.begin(playbook, given)
    lines: list[Line] = []
    while not state.ended and not state.problem:
        for due in machine.due(state):
            lines.append(_line(due, language))
            machine.finish(state, due)
    return Rehearsal(playbooks[playbook], tuple(lines), state.problem)


def _line(due: Due, language: str) -> Line:
    step = due.playbook.playbook.workflow[due.step]
    notes = due.playbook.step_notes[due.step]
    agent = due.playbook.playbook.agent_definitions[step.agent]  # type: ignore[union-attr]
    name, description = due.playbook.words(language, due.step)
    own = notes.vi.command if language == "vi" else ""
    text = own or due.command.command or due.command.description or description
    return Line(
        due.step,
        notes.phase or "",
        name or description,
        agent.name,
        due.command.type,
        str(filled(text, due.values)),
        tuple(dict.fromkeys(n for n in references(text) if due.values.get(n) is None)),
    )
