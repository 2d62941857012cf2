"""What is said about a rule that can run: where it stands, what it is about, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from luytre.core.yamlfile import Document, Place

Kind = Literal["schema", "log source", "field", "cost", "overlap"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that may be wrong with a rule though it runs."""

    kind: Kind
    path: Path
    line: int
    rule: str
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.path}:{self.line}: {self.kind}: {self.problem}{remedy}"


def remark(
    kind: Kind, document: Document, place: Place, rule: str, problem: str, remedy: str = ""
) -> Remark:
    """Return a remark about a place of a document."""
    return Remark(kind, document.path, document.line(place), rule, problem, remedy)
