"""Playbook files in, CACAO playbooks out: every fault at once, each with file:line and remedy.

YAML and JSON hold the same properties, so a playbook goes from one to the other and back without
loss. A *fault* refuses the playbook. A *remark* is a departure from the specification that harms
nobody: published examples have many, and what Luytre itself brings has none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import ValidationError

from luytre.core.errors import Fault
from luytre.core.yamlfile import Document, Place, read_yaml
from playbooks import commands, graph, notices
from playbooks.jsonfile import read_json
from playbooks.model import EXTENSION, Playbook, PlaybookNotes, StepNotes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Notes = TypeVar("Notes", PlaybookNotes, StepNotes)
SUFFIXES = (".yml", ".yaml", ".json")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A playbook that may run, with the document it came from and what is ours of it."""

    document: Document
    playbook: Playbook
    notes: PlaybookNotes
    step_notes: Mapping[str, StepNotes]
    remarks: tuple[Fault, ...] = ()

    def words(self, language: str, step: str = "") -> tuple[str, str]:
        """Return name and description of the playbook, or of a step, in ``vi`` or ``en``."""
        model: Any = self.playbook.workflow[step] if step else self.playbook
        own = self.step_notes[step].vi if step else self.notes.vi
        if language == "vi":
            return own.name or model.name, own.description or model.description
        return model.name, model.description

    def who(self, language: str, step: str) -> str:
        """Return who does a step; in ``vi`` the agent's description, where a playbook has both."""
        agent = getattr(self.playbook.workflow[step], "agent", "")
        found = self.playbook.agent_definitions.get(agent)
        if found is None:
            return ""
        return (language == "vi" and self.notes.vi.name and found.description) or found.name


def load_playbook(path: Path, content: bytes | None = None) -> tuple[Loaded | None, list[Fault]]:
    """Return the playbook of a YAML or JSON file, or all its faults."""
    if path.suffix == ".json":
        document, faults = read_json(path, content)
    else:
        documents, faults = read_yaml(path, content)
        if len(documents) > 1:
            faults.append(Fault(path, documents[1].line(()), "is a second playbook", "part them"))
        document = documents[0] if documents else None
    if faults or document is None:
        return None, faults or [Fault(path, 1, "is empty")]
    faults = list(_not_json(document, document.data, ()))
    if faults:
        return None, faults
    return read_playbook(document)


def load_folder(folder: Path) -> tuple[list[Loaded], list[Fault]]:
    """Return every playbook below a folder, or in one file; no two may have one id."""
    files = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    found: dict[str, Loaded] = {}
    faults: list[Fault] = []
    for path in files:
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        loaded, wrong = load_playbook(path)
        faults += wrong
        if loaded is None:
            continue
        twin = found.setdefault(loaded.playbook.id, loaded)
        if twin is not loaded:
            problem = f"has the id of {twin.document.path}"
            faults.append(loaded.document.fault(("id",), problem, "give it one of its own"))
    return list(found.values()), faults


def read_playbook(document: Document) -> tuple[Loaded | None, list[Fault]]:
    """Return the playbook that a document describes, or all its faults."""
    if not isinstance(document.data, dict):
        return None, [document.fault((), "is no playbook: not a mapping")]
    try:
        playbook = Playbook.model_validate(document.data)
    except ValidationError as error:
        return None, _sorted(_faults(document, error, ()))
    faults: list[Fault] = []
    notes = _extension(PlaybookNotes, document, ("playbook_extensions",), faults)
    step_notes = {
        step: _extension(StepNotes, document, ("workflow", step, "step_extensions"), faults)
        for step in playbook.workflow
    }
    loaded = Loaded(document, playbook, notes, step_notes)
    faults += graph.faults(playbook, document)
    faults += notices.faults(loaded)
    faults += commands.faults(loaded)
    if faults:
        return None, _sorted(faults)
    return replace(loaded, remarks=tuple(notices.remarks(playbook, document))), []


def to_json(document: Document) -> str:
    """Return a playbook as CACAO's JSON."""
    return json.dumps(document.data, ensure_ascii=False, indent=2) + "\n"


def to_yaml(document: Document) -> str:
    """Return a playbook as YAML, every property where it was."""
    return yaml.dump(document.data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _sorted(faults: Any) -> list[Fault]:
    return sorted(faults, key=lambda fault: (fault.line, fault.problem))


def _extension(model: type[Notes], document: Document, place: Place, faults: list[Fault]) -> Notes:
    data = document.data
    for key in (*place, EXTENSION):
        data = data.get(key, {}) if isinstance(data, dict) else {}
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults.extend(_faults(document, error, (*place, EXTENSION)))
        return model()


def _faults(document: Document, error: ValidationError, around: Place) -> Iterator[Fault]:
    for item in error.errors(include_url=False):
        place = tuple(item["loc"])
        if place[:1] == ("workflow",) and len(place) > 2:  # noqa: PLR2004
            # Between a step's id and its property stands the kind of step that was tried.
            place = (*place[:2], *place[3:])
        name = ".".join(map(str, (p for p in place if p != "[key]"))) or "the playbook"
        message = item["msg"].removeprefix("Value error, ")
        yield document.fault((*around, *place), f"{name}: {message}")


def _not_json(document: Document, value: Any, place: Place) -> Iterator[Fault]:
    """Yield what YAML can say and JSON cannot."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, dict) and not isinstance(key, str):
                yield document.fault((*place, key), f"the key {key!r} is no text", "quote it")
            yield from _not_json(document, inner, (*place, key))
    elif isinstance(value, date):
        yield document.fault(place, f"{place[-1]} is a date to YAML", "quote the time")
    elif value is not None and not isinstance(value, str | int | float | bool):
        yield document.fault(place, f"{type(value).__name__} is nothing that JSON has", "quote it")
    elif isinstance(value, float) and not math.isfinite(value):
        yield document.fault(place, "is no JSON number", "quote it")


class _Dumper(yaml.SafeDumper):
    """Quotes what another reader of YAML would take for a line's end."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    odd = any(end in value for end in "\r\x85\u2028\u2029")
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if odd else None)


_Dumper.add_representer(str, _text)
