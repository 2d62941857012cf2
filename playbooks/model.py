"""CACAO 2.0's playbook in types: what a file may hold, and what Luytre's extension adds.

Every model keeps properties it does not know (CACAO section 9 lets others add some): a playbook
that came from elsewhere leaves as it came. Sections in comments are CACAO's.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

EXTENSION = "extension-definition--6f1c9d2e-4a0b-5c7e-9d33-1b5e0a7c2f48"
"""Under this key of ``playbook_extensions`` and ``step_extensions`` stands what is ours."""

Phase = Literal["detect", "protect", "contain", "classify", "recover", "trace"]
"""The phases of decree 333/2026, article 9(2), in its order."""

_ID = re.compile(
    r"[a-z][a-z0-9-]{0,249}--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}")
VARIABLE = re.compile(r"__[A-Za-z][A-Za-z0-9_-]{0,244}?__")


def _identifier(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError(f'"{value[:80]}" is no identifier (type--uuid)')
    return value


def _time(value: str) -> str:
    if not _TIME.fullmatch(value) or not _is_time(value):
        raise ValueError(f'"{value[:40]}" is no time (2026-01-31T08:00:00.000Z)')
    return value


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise ValueError("is no e-mail address")
    return value


Identifier = Annotated[str, AfterValidator(_identifier)]
Time = Annotated[str, AfterValidator(_time)]
Email = Annotated[str, AfterValidator(_email)]
Text = Annotated[str, StringConstraints(max_length=65_536)]
Score = Annotated[int, Field(ge=0, le=100)]
VariableName = Annotated[str, StringConstraints(pattern=rf"^{VARIABLE.pattern}$")]
Arguments = dict[str, Any]


class _Open(BaseModel):
    """A part of CACAO: strict types, unknown properties kept."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class _Closed(BaseModel):
    """A part that is ours: an unknown property is a slip of the pen."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Words(_Closed):
    """Texts in one language; what is missing is read in CACAO's own properties (English)."""

    name: Text = ""
    description: Text = ""
    command: Text = ""


class Applies(_Closed):
    """Which alerts a playbook is for: ``playbooks.binding`` says how the lists are weighed."""

    rules: list[str] = Field(default=[])
    tags: list[str] = Field(default=[])
    techniques: list[str] = Field(default=[])
    organizations: list[str] = Field(default=[])


class PlaybookNotes(_Closed):
    """Luytre's extension of a playbook.

    ``fill`` says which column of an alert's event an external variable takes its value from;
    ``families`` are ids as the province's list of detections has them (LG, WP, ...).
    """

    vi: Words = Words()
    families: list[str] = Field(default=[])
    applies: Applies = Applies()
    fill: dict[VariableName, str] = Field(default={})


class StepNotes(_Closed):
    """Luytre's extension of a step. ``approvals`` can only add to what an action itself asks."""

    vi: Words = Words()
    phase: Phase | None = None
    approvals: int = Field(0, ge=0, le=5)


class Variable(_Open):
    """Section 10.18. A value is text, or nothing."""

    type: str
    description: Text = ""
    value: Text | dict[str, Any] | None = None
    constant: bool = False
    external: bool = False


class Command(_Open):
    """Section 5. ``luytre`` commands name one of our actions, with typed ``arguments``."""

    type: str
    command: Text | None = None
    command_b64: Text | None = None
    description: Text = ""
    arguments: Arguments = {}

    @model_validator(mode="after")
    def _says_what(self) -> Command:
        if self.type == "luytre" and not self.command:
            raise ValueError("a luytre command names its action in `command`")
        return self


class Contact(_Open):
    """Section 10.5."""

    email: dict[str, Email] = Field(default={})


class Entity(_Open):
    """Section 7: an agent, who does a step, or a target, which it is done to."""

    type: str
    name: Text
    description: Text = ""
    contact: Contact | None = None


class Reference(_Open):
    """Section 10.9."""

    name: Text
    description: Text = ""
    url: Text = ""


class _Step(_Open):
    name: Text = ""
    description: Text = ""
    delay: int = Field(0, ge=0)
    timeout: int = Field(0, ge=0)
    step_variables: dict[VariableName, Variable] = Field(default={})
    on_completion: Identifier | None = None
    on_success: Identifier | None = None
    on_failure: Identifier | None = None
    step_extensions: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _one_way_on(self) -> _Step:
        # Section 4.1: on_completion excludes the other two.
        if self.on_completion and (self.on_success or self.on_failure):
            raise ValueError("on_completion excludes on_success and on_failure")
        return self

    def branches(self) -> tuple[str, ...]:
        """Return the steps that this one starts and waits for."""
        return ()

    def onward(self) -> tuple[str, ...]:
        """Return the steps that may come after this one."""
        ways = (self.on_completion, self.on_success, self.on_failure)
        return tuple(way for way in ways if way)


class Start(_Step):
    """Section 4.3."""

    type: Literal["start"]


class End(_Step):
    """Section 4.4."""

    type: Literal["end"]


class Action(_Step):
    """Section 4.5: commands, by an agent, on targets."""

    type: Literal["action"]
    commands: list[Command] = Field(min_length=1, max_length=50)
    agent: Identifier
    targets: list[Identifier] = Field(default=[])
    in_args: list[str] = Field(default=[])
    out_args: list[str] = Field(default=[])


class PlaybookAction(_Step):
    """Section 4.6: another playbook, run as one step."""

    type: Literal["playbook-action"]
    playbook_id: Identifier
    playbook_version: str | None = None
    in_args: list[str] = Field(default=[])
    out_args: list[str] = Field(default=[])


class Parallel(_Step):
    """Section 4.7."""

    type: Literal["parallel"]
    next_steps: list[Identifier] = Field(min_length=1, max_length=50)

    def branches(self) -> tuple[str, ...]:
        return tuple(self.next_steps)


class If(_Step):
    """Section 4.8."""

    type: Literal["if-condition"]
    condition: Text
    on_true: Identifier
    on_false: Identifier | None = None

    def branches(self) -> tuple[str, ...]:
        return tuple(way for way in (self.on_true, self.on_false) if way)


class While(_Step):
    """Section 4.9."""

    type: Literal["while-condition"]
    condition: Text
    on_true: Identifier

    def branches(self) -> tuple[str, ...]:
        return (self.on_true,)


class Switch(_Step):
    """Section 4.10."""

    type: Literal["switch-condition"]
    switch: Text
    cases: dict[str, Identifier] = Field(min_length=1, max_length=100)

    def branches(self) -> tuple[str, ...]:
        return tuple(self.cases.values())


Step = Annotated[
    Start | End | Action | PlaybookAction | Parallel | If | While | Switch,
    Field(discriminator="type"),
]


class Playbook(_Open):
    """Section 3.1."""

    type: Literal["playbook"]
    spec_version: Literal["cacao-2.0"]
    id: Identifier
    name: Annotated[Text, Field(min_length=1)]
    description: Text = ""
    playbook_types: list[str] = Field(default=[])
    playbook_activities: list[str] = Field(default=[])
    created_by: Identifier
    created: Time
    modified: Time
    revoked: bool = False
    valid_from: Time | None = None
    valid_until: Time | None = None
    derived_from: list[Identifier] = Field(default=[])
    related_to: list[Identifier] = Field(default=[])
    priority: Score = 0
    severity: Score = 0
    impact: Score = 0
    labels: list[str] = Field(default=[])
    external_references: list[Reference] = Field(default=[])
    playbook_variables: dict[VariableName, Variable] = Field(default={})
    workflow_start: Identifier
    workflow_exception: Identifier | None = None
    workflow: dict[Identifier, Step] = Field(min_length=1, max_length=500)
    playbook_extensions: dict[str, Any] = Field(default={})
    authentication_info_definitions: dict[str, Any] = Field(default={})
    agent_definitions: dict[Identifier, Entity] = Field(default={})
    target_definitions: dict[Identifier, Entity] = Field(default={})
