"""Adds who sent an event: the unit's name, kind, province and path in the tree of that day.

The tree changes: Vietnam had tinh, huyen and xa until 30 June 2025 and has two tiers since, so
each line holds for a time and an event from 2021 sees the unit of 2021.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from enrich.files import CsvRow, Notes, TableFile, UnusableError, csv_rows
from enrich.lookup import Answer, column, known, look_up
from enrich.validity import Periods, Validity, validity
from luytre.core.yamlfile import Document, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import polars as pl

COLUMNS = (
    "organization.name",
    "luytre.organization.path",
    "luytre.organization.kind",
    "luytre.organization.province",
)
FIELDS = ("id", "name_vi", "name_en", "kind", "parent", "valid_from", "valid_to")
SUFFIXES_YAML = {".yml", ".yaml"}
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DEPTH_MAX = 16


@dataclass(frozen=True, slots=True)
class Unit:
    """An organisation as it was for a time."""

    id: str
    name: str
    kind: str
    parent: str
    validity: Validity
    line: int


class Organizations:
    """Adds the organisation columns, valid at the event's time."""

    needed = frozenset({"organization.id"})
    columns = COLUMNS

    def __init__(self, units: Iterable[Unit]) -> None:
        self._units: dict[str, list[Unit]] = defaultdict(list)
        for unit in units:
            self._units[unit.id].append(unit)
        for versions in self._units.values():
            # Of two that overlap, the one that began later speaks, then the later line.
            versions.sort(key=lambda unit: (unit.validity.start, unit.line), reverse=True)
        self._periods = Periods(u.validity for us in self._units.values() for u in us)
        self.moments = self._periods.starts

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """Add the columns; an organisation unknown at that time has nulls."""
        keys = {"id": column(events, "organization.id"), "at": self._periods.of(events)}
        return look_up(events, keys, self._answer, COLUMNS)

    def _answer(self, identity: str | None, at: int) -> Answer | None:
        unit = self.at(identity or "", at)
        if unit is None:
            return None
        line = list(self.ancestry(unit, at))
        province = next((up.id for up in line if up.kind == "province"), "")
        path = "/".join(up.id for up in reversed(line))
        return known(unit.name), path, known(unit.kind), known(province)

    def at(self, identity: str, at: int) -> Unit | None:
        """Return the unit of this id as it was then."""
        return next((u for u in self._units.get(identity, ()) if u.validity.holds(at)), None)

    def ancestry(self, unit: Unit, at: int) -> Iterator[Unit]:
        """Yield the unit and those above it, up to the root; a cycle ends where it closes."""
        seen: set[str] = set()
        current: Unit | None = unit
        while current is not None and current.id not in seen and len(seen) < _DEPTH_MAX:
            seen.add(current.id)
            yield current
            current = self.at(current.parent, at) if current.parent else None


def parse(file: TableFile) -> tuple[list[Unit], list[str]]:
    """Return the units of a CSV or YAML file and what is wrong with them."""
    notes = Notes(file.path)
    units = []
    for row in _yaml_rows(file, notes) if _is_yaml(file) else csv_rows(file, ("id", "kind"), notes):
        try:
            units.append(_unit(row))
        except ValueError as error:
            notes.add(row.line, str(error))
    if not units:
        raise UnusableError(f"{file.path}: has no usable organisation")
    return units, [*notes.all(), *_troubles(units, file)]


def assemble(parsed: Sequence[list[Unit]]) -> Organizations:
    """Return the table of all files."""
    return Organizations(unit for units in parsed for unit in units)


def _is_yaml(file: TableFile) -> bool:
    return file.path.suffix.lower() in SUFFIXES_YAML


def _unit(row: CsvRow) -> Unit:
    identity, parent = row.get("id"), row.get("parent")
    for name in (identity, parent) if parent else (identity,):
        if not _ID.fullmatch(name):
            raise ValueError(f"{name!r} is no organisation id")
    name = row.get("name_vi") or row.get("name_en")
    if not name:
        raise ValueError(f"{identity} has no name")
    holds = validity(row.get("valid_from"), row.get("valid_to"))
    return Unit(identity, name, row.get("kind").lower(), parent, holds, row.line)


def _yaml_rows(file: TableFile, notes: Notes) -> Iterator[CsvRow]:
    documents, faults = read_yaml(file.path, file.data)
    if faults or not documents:
        raise UnusableError(str(faults[0]) if faults else f"{file.path}: is empty")
    document = documents[0]
    data, place = document.data, ()
    if isinstance(data, dict):
        data, place = data.get("organizations"), ("organizations",)  # type: ignore[assignment]
    if not isinstance(data, list):
        raise UnusableError(str(document.fault((), "must have a list of organizations")))
    for index, item in enumerate(data):
        yield from _yaml_row(document, (*place, index), item, notes)


def _yaml_row(
    document: Document, place: tuple[str | int, ...], item: Any, notes: Notes
) -> Iterator[CsvRow]:
    line = document.line(place)
    if not isinstance(item, dict):
        notes.add(line, "is no organisation")
        return
    unknown = [str(key) for key in item if key not in FIELDS]
    if unknown:
        notes.add(line, f"unknown key {', '.join(unknown)}")
        return
    yield CsvRow(line, {str(key): _text(value) for key, value in item.items()})


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date | datetime) else str(value).strip()


def _troubles(units: Sequence[Unit], file: TableFile) -> list[str]:
    """Return what does not fit together: overlaps, unknown or absent parents, cycles."""
    notes = Notes(file.path)
    tree = Organizations(units)
    versions: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        for other in versions[unit.id]:
            if unit.validity.overlaps(other.validity):
                notes.add(unit.line, f"{unit.id} overlaps with line {other.line}")
        versions[unit.id].append(unit)
    for unit in units:
        _check_parent(unit, versions, tree, notes)
    return notes.all()


def _check_parent(
    unit: Unit, versions: dict[str, list[Unit]], tree: Organizations, notes: Notes
) -> None:
    if not unit.parent:
        return
    above = versions.get(unit.parent)
    if not above:
        notes.add(unit.line, f"{unit.id} has the unknown parent {unit.parent}")
        return
    inside = [at for at in tree.moments if unit.validity.holds(at)]
    if any(tree.at(unit.parent, at) is None for at in inside):
        notes.add(unit.line, f"{unit.id} outlives or precedes its parent {unit.parent}")
    for at in inside:
        line = list(tree.ancestry(unit, at))
        if line[-1].parent in {up.id for up in line}:
            notes.add(unit.line, f"{unit.id} lies in a cycle through {line[-1].id}")
            return
