"""Fields that a rule asks for and that no event of its log source can have here."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from detections.items import searches, written_items
from detections.load import LoadedRule
from detections.remarks import Remark, remark
from detections.tree import And, Leaf, Node, Not, Or

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from luytre.core.batch import LogSource, Part
    from luytre.core.yamlfile import Document, Place

COMMON_MIN = 3
"""A field that so many rules of a log source ask for is no slip."""
CLOSE = 0.9
AFFIX = 3
"""So many characters before or after a name make another name."""
NAMED_MAX = 3


class Readable(Protocol):
    """A part that this deployment can read: ``ingest.logsources.catalogue.Readable``."""

    @property
    def part(self) -> Part: ...

    @property
    def columns(self) -> frozenset[str] | None:
        """All columns that its events can have; None if the log decides."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule, its tree as it is mapped, and whether its events can be read at all."""

    rule: LoadedRule
    tree: Node


class Deployment:
    """What can be read here, and what the rules that run ask of it."""

    def __init__(
        self,
        readable: Sequence[Readable],
        added: frozenset[str],
        rules: Iterable[Subject],
        seen: frozenset[tuple[str, str]] | None = None,
    ) -> None:
        """Take what to compare with.

        ``added`` are columns that every event has or enrichment adds. ``seen`` are pairs of a
        part's name and a column that a sample of real events had; None if there was no sample.
        """
        self._readable, self._added, self._seen = readable, added, seen
        self._asked: dict[LogSource, Counter[str]] = defaultdict(Counter)
        for each in rules:
            self._asked[each.rule.logsource].update(fields(each.tree))

    def remarks(self, subject: Subject) -> Iterator[Remark]:
        """Yield what of a rule no event here can meet."""
        rule = subject.rule
        parts = [
            each
            for each in self._readable
            if any(rule.logsource.covers(source) for source in each.part.logsources)
        ]
        if not parts:
            problem = f"nothing that is read here is of log source {rule.logsource}"
            remedy = "the rule never fires; see docs/reference/log-sources.md"
            yield remark("log source", rule.document, ("logsource",), rule.card.id, problem, remedy)
            return
        for field in sorted(fields(subject.tree)):
            problem, remedy = self._problem(rule.logsource, field, parts)
            if problem:
                place = _place(rule.document, field)
                yield remark("field", rule.document, place, rule.card.id, problem, remedy)

    def _problem(self, source: LogSource, field: str, parts: Sequence[Readable]) -> tuple[str, str]:
        names = [each.part.name for each in parts]
        shown = ", ".join(sorted(names)[:NAMED_MAX]) + (", ..." if len(names) > NAMED_MAX else "")
        known = {name for each in parts for name in _names(each)}
        if all(each.columns is not None for each in parts):
            if any(self._has(each, field) for each in parts):
                return "", ""
            return f'no event of {shown} has a field "{field}"', _meant(field, known)
        if self._seen is not None:
            sampled = [each for each in parts if any(each.part.name == n for n, _ in self._seen)]
            if sampled and not any(self._met(each, field) for each in sampled):
                return f'no event of the sample has a field "{field}" ({shown})', ""
        common = {f for f, count in self._asked[source].items() if count >= COMMON_MIN}
        if field in known or self._asked[source][field] > 1 or field in self._added:
            return "", ""
        close = _meant(field, known | common)
        return (f'no other rule asks {source} for "{field}"', close) if close else ("", "")

    def _has(self, each: Readable, field: str) -> bool:
        column = each.part.column(field)
        there = {*(each.columns or ()), *each.part.constants}
        return column in there or column in self._added

    def _met(self, each: Readable, field: str) -> bool:
        column = each.part.column(field)
        met = self._seen is not None and (each.part.name, column) in self._seen
        return met or column in self._added or column in each.part.constants


def fields(node: Node) -> set[str]:
    """Return the fields that a tree reads."""
    match node:
        case And() | Or():
            return set().union(*map(fields, node.parts))
        case Not():
            return fields(node.part)
        case Leaf():
            other = {node.atom.pattern} if node.atom.operation == "fieldref" else set[str]()
            return other | ({node.atom.field} if node.atom.field is not None else set())
    return set()


def _names(each: Readable) -> set[str]:
    return {*each.part.columns, *each.part.columns.values(), *(each.columns or ())}


def _meant(field: str, known: set[str]) -> str:
    # OldUserName is no slip for UserName, but UserNames is.
    others = {
        name
        for name in known
        if abs(len(name) - len(field)) < AFFIX or (name not in field and field not in name)
    }
    close = difflib.get_close_matches(field, sorted(others), 1, CLOSE)
    return f'did you mean "{close[0]}"?' if close else ""


def _place(document: Document, field: str) -> Place:
    """Return where a rule first asks for a field; its detection if a mapping gave it the name."""
    for place, definition in searches(document.data["detection"]):
        for item in written_items(definition, place):
            if isinstance(item.key, str) and item.key.split("|")[0] == field:
                return item.place
    return ("detection",)
