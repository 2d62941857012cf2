"""What a playbook says of people, machines and variables: faults that refuse it, and remarks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from playbooks import graph
from playbooks.conditions import ConditionError, read_condition
from playbooks.model import (
    VARIABLE,
    Action,
    Command,
    Entity,
    If,
    Playbook,
    Reference,
    Switch,
    Variable,
    While,
)
from playbooks.variables import misfit, references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.core.errors import Fault
    from luytre.core.yamlfile import Document, Place
    from playbooks.load import Loaded

_MILLISECONDS = re.compile(r".*\.\d{3}Z")
_TIMES = ("created", "modified", "valid_from", "valid_until")
_LOOKS_LIKE = re.compile(rf"({VARIABLE.pattern})(?!:value)")
_SECRETS = re.compile(r"password|private_key|token|secret|passphrase")
_CACAO = frozenset({
    "playbook_processing_summary", "industry_sectors", "markings", "extension_definitions",
    "data_marking_definitions", "signatures", "owner", "playbook_activity", "version", "address",
    "authentication_info", "category", "location", "port", "external_references", "headers",
    "content", "content_b64", "source", "external_id", "reference_id", "name",
    "step_extension", "phone", "contact_details", "sector", "logo", "username",
})  # fmt: skip
"""Properties of the specification that our models leave alone."""


def faults(loaded: Loaded) -> list[Fault]:
    """Return what makes a playbook unfit to run though its shape is right."""
    playbook, document = loaded.playbook, loaded.document
    found = [*_entities(playbook, document), *_variables(playbook, document)]
    for step, model in playbook.workflow.items():
        place = ("workflow", step)
        known = {*playbook.playbook_variables, *model.step_variables}
        found += _undeclared(document, place, known)
        if isinstance(model, If | While):
            try:
                read_condition(model.condition)
            except ConditionError as error:
                found.append(document.fault((*place, "condition"), f"the condition {error}"))
        if isinstance(model, Switch) and not [*references(model.switch)]:
            found.append(document.fault((*place, "switch"), "switch names no variable"))
        if isinstance(model, Action) and model.agent not in playbook.agent_definitions:
            problem = f"no agent is named {model.agent}"
            found.append(document.fault((*place, "agent"), problem, "define it"))
    for variable in loaded.notes.fill:
        declared = playbook.playbook_variables.get(variable)
        if declared is None or not declared.external:
            problem = f"{variable} is filled but is no external variable"
            found.append(document.fault(("playbook_extensions",), problem, "declare it"))
    return found


def remarks(playbook: Playbook, document: Document) -> Iterator[Fault]:
    """Yield departures from CACAO 2.0 that do not keep the playbook from running."""
    if playbook.workflow[playbook.workflow_start].type != "start":
        yield document.fault(("workflow_start",), "the first step is no start step")
    exception = playbook.workflow_exception
    if exception and exception not in playbook.workflow:
        yield document.fault(("workflow_exception",), f"no step is named {exception}")
    for name in _TIMES:
        value = getattr(playbook, name)
        if value and not _MILLISECONDS.fullmatch(value):
            yield document.fault((name,), f"{name} should have three digits of a second")
    for step in graph.unreached(playbook):
        yield document.fault(("workflow", step), f"no way leads to {step}")
    for step, model in playbook.workflow.items():
        yield from _targets(playbook, document, step, model)
        yield from _times_of_control(document, step, model)
        for found in dict.fromkeys(_loose(document.data["workflow"][step])):
            problem = f"{found} is only text: a variable is written {found}:value"
            yield document.fault(("workflow", step), problem)
    yield from _unknown(document, playbook, ())
    yield from _open_secrets(document)


def _times_of_control(document: Document, step: str, model: Any) -> Iterator[Fault]:
    for name in ("delay", "timeout"):
        if getattr(model, name) and not isinstance(model, Action):
            problem = f"the {name} of a step of type {model.type} is kept, and does nothing"
            yield document.fault(("workflow", step, name), problem, "give it to its actions")


def _targets(playbook: Playbook, document: Document, step: str, model: Any) -> Iterator[Fault]:
    for index, target in enumerate(getattr(model, "targets", ())):
        if target not in playbook.target_definitions:
            place = ("workflow", step, "targets", index)
            yield document.fault(place, f"no target is named {target}: a person does this step")


def _entities(playbook: Playbook, document: Document) -> Iterator[Fault]:
    for name in ("agent_definitions", "target_definitions"):
        for key, entity in getattr(playbook, name).items():
            if key.split("--")[0] != entity.type:
                problem = f"{key} is of type {entity.type}"
                yield document.fault((name, key, "type"), problem, "let id and type agree")


def _variables(playbook: Playbook, document: Document) -> Iterator[Fault]:
    dictionaries: list[tuple[Place, dict[str, Variable]]] = [
        (("playbook_variables",), playbook.playbook_variables)
    ]
    dictionaries += [
        (("workflow", step, "step_variables"), model.step_variables)
        for step, model in playbook.workflow.items()
    ]
    for place, variables in dictionaries:
        for name, variable in variables.items():
            wrong = misfit(variable.type, variable.value)
            if wrong:
                yield document.fault((*place, name, "value"), f"the value of {name} {wrong}")


def _undeclared(document: Document, place: Place, known: set[str]) -> Iterator[Fault]:
    """Yield every use of a variable that nobody declares, at the property that uses it."""
    step = document.data["workflow"][place[-1]]
    used: list[tuple[Place, str]] = []
    for key, value in step.items():
        if key == "step_variables":
            continue
        named = key in {"in_args", "out_args"}
        parts = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, part in parts:
            where = (*place, key) if index is None else (*place, key, index)
            used += [(where, name) for name in ([part] if named else references(part))]
    for where, name in dict.fromkeys(used):
        if name not in known:
            yield document.fault(where, f"no variable is named {name}", "declare it")


def _loose(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        for found in _LOOKS_LIKE.finditer(value):
            if found[1] != value:
                yield found[1]
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _loose(inner)


def _unknown(document: Document, model: Any, place: Place) -> Iterator[Fault]:
    """Yield the properties that neither CACAO nor Luytre has; they are kept, and do nothing."""
    for key in model.model_extra or {}:
        if key not in _CACAO:
            yield document.fault((*place, key), f"nobody knows the property {key}: it is kept")
    for name in type(model).model_fields:
        value = getattr(model, name)
        inside: Any = value.items() if isinstance(value, dict) else enumerate(value) \
            if isinstance(value, list) else [(None, value)]  # fmt: skip
        for key, inner in inside:
            where = (*place, name) if key is None else (*place, name, key)
            if isinstance(inner, _MODELS):
                yield from _unknown(document, inner, where)


_MODELS = (Command, Entity, Reference, Variable, Action, If, While, Switch)


def _open_secrets(document: Document) -> Iterator[Fault]:
    definitions = document.data.get("authentication_info_definitions", {})
    for key, definition in definitions.items():
        for name in definition if isinstance(definition, dict) else ():
            if _SECRETS.search(name):
                place = ("authentication_info_definitions", key, name)
                problem = f"{name} stands in the open; Luytre takes no credentials from playbooks"
                yield document.fault(place, problem)
