"""Forms of reports as data: what each asks for, in which order, under which law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from luytre.core.errors import ConfigurationError, Refused
from luytre.core.yamlfile import read_yaml

FORMS = Path(__file__).parent / "forms"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns with their names in a language, and rows of text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: a table, or lines to be filled in by hand."""

    heading: str
    table: Table | None = None
    blanks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report, ready to be written in any format."""

    title: str
    basis: str
    language: str
    sections: Sequence[Section]


def names() -> list[str]:
    """Return the names of the forms."""
    return sorted(path.stem for path in FORMS.glob("*.yml"))


def fill(form: str, tables: Mapping[str, Table], language: str) -> Report:
    """Return a form's report; raises ``Refused`` for an unknown form or language."""
    path = FORMS / f"{form}.yml"
    if form not in names() or language not in {"vi", "en"}:
        raise Refused(f"{form}: forms are {', '.join(names())}; languages are vi and en")
    documents, faults = read_yaml(path)
    if faults:
        raise ConfigurationError(faults)
    data = documents[0].data
    sections = [
        Section(
            part[language],
            tables.get(part["table"]) if "table" in part else None,
            [blank[language] for blank in part.get("blanks", ())],
        )
        for part in data["sections"]
    ]
    return Report(data["title"][language], data["basis"][language], language, sections)
