"""Looks at a rule that runs nowhere: what is wrong with its text, and what it says of events."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from luytre.core.errors import Refused
from luytre.processor import content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.config import Config
    from luytre.core.errors import Fault
    from luytre.processor.content import Explained

RULE, EVENTS = "rule.yml", "events.txt"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a rule's text with the faults that stand at it."""

    number: int
    text: str
    faults: tuple[Fault, ...]


def faults_of_text(config: Config, text: str) -> tuple[Fault, ...]:
    """Return what is wrong with a rule's text by itself, not among all that runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / RULE
        path.write_text(text, "utf-8")
        return content.check(config, [path]).faults


def explained(config: Config, text: str, events: str, hint: str, number: int) -> Explained:
    """Explain a rule's text on the ``number``th of the pasted events that it is about.

    Raises ``Refused`` if there is no such event, or the text is not one good rule.
    """
    with tempfile.TemporaryDirectory() as folder:
        rule, file = Path(folder) / RULE, Path(folder) / EVENTS
        rule.write_text(text, "utf-8")
        file.write_text(events, "utf-8")
        try:
            return content.explain_event(config, str(rule), file, hint, number)
        except Refused as error:
            raise Refused(str(error).replace(f"{folder}/", "")) from None


def lines_of(text: str, faults: Sequence[Fault]) -> list[Line]:
    """Return a text's lines, each with its faults; those beyond the end stand at the last."""
    lines = text.splitlines() or [""]
    at: dict[int, list[Fault]] = {}
    for fault in faults:
        at.setdefault(min(max(fault.line, 1), len(lines)), []).append(fault)
    return [Line(n, line, tuple(at.get(n, ()))) for n, line in enumerate(lines, 1)]
