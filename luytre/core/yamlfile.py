"""YAML that people write, read safely and with the line of every value.

Aliases, anchors, tags, and oversized or deep documents are refused while parsing, before any
object is built, so a bomb costs nothing. All of SigmaHQ's rules stay far inside the limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from luytre.core.errors import Fault

BYTES_MAX = 1024 * 1024
DEPTH_MAX = 16
NODES_MAX = 50_000

LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Place = tuple[str | int, ...]
"""Where a value stands: keys and indexes from the root, ("detection", "selection", 0)."""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its plain data and the line (from 1) of every key and list item."""

    path: Path
    data: Any
    lines: Mapping[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """Return the line of ``place``, or of the nearest thing around it."""
        for end in range(len(place), -1, -1):
            if place[:end] in self.lines:
                return self.lines[place[:end]]
        return 1

    def fault(self, place: Place, problem: str, remedy: str = "") -> Fault:
        """Return a fault at ``place`` of this document."""
        return Fault(self.path, self.line(place), problem, remedy)


def read_yaml(
    path: Path, content: bytes | None = None, *, nodes_max: int = NODES_MAX
) -> tuple[list[Document], list[Fault]]:
    """Return the documents of a file (or of ``content``), and its faults."""
    try:
        data = path.read_bytes() if content is None else content
    except OSError as error:
        return [], [Fault(path, 1, f"cannot be read: {error.strerror}")]
    if len(data) > BYTES_MAX:
        return [], [Fault(path, 1, f"is larger than {BYTES_MAX} bytes", "split the file")]
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return [], [Fault(path, line, "is not UTF-8", "save the file as UTF-8")]
    return _parse(path, text, nodes_max)


def _parse(path: Path, text: str, nodes_max: int) -> tuple[list[Document], list[Fault]]:
    documents: list[Document] = []
    try:
        refused = _refuse(path, text, nodes_max)
        if refused is not None:
            return [], [refused]
        for node in yaml.compose_all(text, Loader=LOADER):
            lines: dict[Place, int] = {(): node.start_mark.line + 1}
            documents.append(Document(path, _build(node, (), lines), lines))
    except _KeyError as error:
        return documents, [Fault(path, error.line, error.problem)]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return documents, [Fault(path, line, f"is not YAML: {error.problem or error.context}")]
    except (yaml.YAMLError, ValueError) as error:
        return documents, [Fault(path, 1, f"is not YAML: {error}")]
    return documents, []


def _refuse(path: Path, text: str, nodes_max: int) -> Fault | None:
    """Return the first thing that a hand-written file has no need of."""
    depth = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=LOADER)):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            return Fault(path, line, "YAML anchors and aliases are not allowed", "write it out")
        tag = getattr(event, "tag", None)
        if isinstance(event, yaml.NodeEvent) and tag:
            return Fault(path, line, f"the YAML tag {tag} is not allowed", "remove the tag")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_MAX or nodes > nodes_max:
            return Fault(path, line, f"is deeper than {DEPTH_MAX} or has over {nodes_max} nodes")
    return None


class _KeyError(Exception):
    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


_CONSTRUCTOR = yaml.SafeLoader("")


def _build(node: yaml.Node, place: Place, lines: dict[Place, int]) -> Any:
    """Return plain data for a node, and note the line of everything inside it."""
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _CONSTRUCTOR.construct_object(key_node)
            line = key_node.start_mark.line + 1
            if isinstance(key_node, yaml.CollectionNode):
                raise _KeyError("a key is a list or a map", line)
            if key in result:
                raise _KeyError(f"the key {str(key_node.value)[:80]!r} is there twice", line)
            inner = (*place, key if isinstance(key, str | int) else str(key))
            lines[inner] = line
            result[key] = _build(value_node, inner, lines)
        return result
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            lines[(*place, index)] = item.start_mark.line + 1
            items.append(_build(item, (*place, index), lines))
        return items
    return _CONSTRUCTOR.construct_object(node)
