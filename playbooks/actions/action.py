"""What every action is: typed arguments, a plan that says what it would do, and the doing.

An action never decides whether it may run: ``perform`` in ``playbooks.actions`` is the one door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

from playbooks.actions.kinds import Arguments

Effect = Literal["reads", "tells", "changes"]
Given = TypeVar("Given", bound=Arguments)


class ActionFailedError(Exception):
    """It was surely not done."""


class ActionUnclearError(Exception):
    """It may have been done: the other side did not say. Only a person may decide to repeat it."""


@dataclass(frozen=True, slots=True)
class Touch:
    """Something that an action changes: an ``address``, an ``account``, or a ``host``."""

    kind: Literal["address", "account", "host"]
    value: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, in words, and what it would change."""

    en: str
    vi: str
    touches: tuple[Touch, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, in words, and values for variables."""

    text: str
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """For whom an action is done. ``key`` is the same whenever the same step is tried again."""

    key: str
    organization: str = ""
    incident: str = ""
    actor: str = ""


class Action(Generic[Given]):
    """One action.

    ``effect`` says what it does to the world; ``repeats`` whether doing it twice is as doing it
    once; ``approvals`` how many people must agree before; ``undo`` which action takes it back,
    with the arguments that ``undoing`` gives.
    """

    name: ClassVar[str]
    arguments: ClassVar[type[Arguments]]
    effect: ClassVar[Effect] = "tells"
    repeats: ClassVar[bool] = False
    approvals: ClassVar[int] = 0
    undo: ClassVar[str] = ""

    def plan(self, given: Given) -> Plan:
        """Say what would be done. Raises ``ActionFailedError`` if nothing is set up for it."""
        raise NotImplementedError

    def run(self, given: Given, order: Order) -> Outcome:
        """Do it. Raises ``ActionFailedError`` or ``ActionUnclearError``, and nothing else."""
        raise NotImplementedError

    def undoing(self, given: Given) -> dict[str, Any]:
        """Return the arguments of ``undo``."""
        return given.model_dump(exclude_defaults=True)
