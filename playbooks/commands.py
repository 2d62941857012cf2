"""The commands of playbooks that name our actions: checked before, and filled when they are due."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from playbooks.actions import ACTIONS
from playbooks.model import Action
from playbooks.variables import filled, references

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from luytre.core.errors import Fault
    from luytre.core.yamlfile import Place
    from playbooks.load import Loaded
    from playbooks.model import Command

OURS = "luytre"


def faults(loaded: Loaded) -> Iterator[Fault]:
    """Yield what is wrong with the actions that a playbook names, and with their arguments."""
    for step, model in loaded.playbook.workflow.items():
        if not isinstance(model, Action):
            continue
        for index, command in enumerate(model.commands):
            if command.type == OURS:
                place = ("workflow", step, "commands", index)
                yield from _faults(loaded, place, command)


def _faults(loaded: Loaded, place: Place, command: Command) -> Iterator[Fault]:
    name = command.command or ""
    if name not in ACTIONS:
        near = difflib.get_close_matches(name, ACTIONS, 1)
        remedy = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(ACTIONS)}"
        yield loaded.document.fault((*place, "command"), f'no action is named "{name}"', remedy)
        return
    try:
        ACTIONS[name].arguments.model_validate(command.arguments)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            where = item["loc"]
            given = command.arguments.get(str(where[0])) if where else None
            if item["type"] != "extra_forbidden" and [*references(given)]:
                # Known only when the variable is; it is checked then, as everything is.
                continue
            message = item["msg"].removeprefix("Value error, ")
            problem = f"{name}: {'.'.join(map(str, where))}: {message}"
            yield loaded.document.fault((*place, "arguments", *where), problem)


def arguments(command: Command, values: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the arguments of a command with its variables filled in.

    Where an action wants a whole number, a text of digits becomes one: CACAO's variables are text.
    """
    given: dict[str, Any] = filled(command.arguments, values)
    for key, value in given.items():
        was = command.arguments[key]
        if value != was and isinstance(value, str) and value.isascii() and value.isdigit():
            field = ACTIONS[command.command or ""].arguments.model_fields.get(key)
            if field is not None and field.annotation is int:
                given[key] = int(value[:18])
    return given
