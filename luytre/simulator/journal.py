"""Gathers the lines of every log file, then writes them in the order of time with their truth."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luytre.simulator.truth import Attack, Evidence, Truth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TIMELINE_FILE = "timeline.json"


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    at_s: float
    order: int
    text: str
    attack: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """An attack before its lines have numbers."""

    id: str
    name_vi: str
    name_en: str
    summary: str


class Journal:
    """All lines of a simulation. ``at_s`` is the time since the start in seconds."""

    def __init__(self) -> None:
        self._entries: dict[str, list[_Entry]] = defaultdict(list)
        self._plots: dict[str, Plot] = {}
        self._silent: dict[str, list[tuple[str, float]]] = defaultdict(list)

    def add(self, file: str, at_s: float, line: str) -> None:
        """Note an everyday line."""
        self._note(file, at_s, line, "", ())

    def plot(self, plot: Plot) -> None:
        """Announce an attack."""
        self._plots[plot.id] = plot

    def incriminate(
        self, attack: str, file: str, at_s: float, line: str, rules: tuple[str, ...] = ()
    ) -> None:
        """Note a line of an attack and the rules that must find it."""
        self._note(file, at_s, line, attack, rules)

    def silence(self, file: str, marker: str, since_s: float) -> None:
        """Let everyday lines of a file that hold a marker stay away from a time on."""
        self._silent[file].append((marker, since_s))

    def _heard(self, file: str, entry: _Entry) -> bool:
        return bool(entry.attack) or not any(
            entry.at_s > since_s and marker in entry.text for marker, since_s in self._silent[file]
        )

    def _note(self, file: str, at_s: float, line: str, attack: str, rules: tuple[str, ...]) -> None:
        lines = self._entries[file]
        lines.append(_Entry(at_s, len(lines), line, attack, rules))

    def write(self, folder: Path) -> Truth:
        """Write the log files and the timeline below ``folder``; return what they hold."""
        evidence: dict[str, list[Evidence]] = defaultdict(list)
        timeline: dict[str, list[int]] = {}
        for file, entries in sorted(self._entries.items()):
            ordered = sorted(entry for entry in entries if self._heard(file, entry))
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes("".join(f"{entry.text}\n" for entry in ordered).encode())
            timeline[file] = [int(entry.at_s * 1000) for entry in ordered]
            for number, entry in enumerate(ordered, start=1):
                if entry.attack:
                    digest = hashlib.sha256(entry.text.encode()).hexdigest()
                    evidence[entry.attack].append(Evidence(file, number, digest, entry.rules))
        (folder / TIMELINE_FILE).write_text(json.dumps(timeline), encoding="utf-8")
        return Truth(self._attacks(evidence), {file: len(at) for file, at in timeline.items()})

    def _attacks(self, evidence: Mapping[str, list[Evidence]]) -> tuple[Attack, ...]:
        return tuple(
            Attack(plot.id, plot.name_vi, plot.name_en, plot.summary, tuple(evidence[plot.id]))
            for plot in self._plots.values()
        )


def read_timeline(folder: Path) -> dict[str, list[int]]:
    """Return the milliseconds since the start of every line of every file."""
    text = (folder / TIMELINE_FILE).read_text(encoding="utf-8")
    timeline: dict[str, list[int]] = json.loads(text)
    return timeline
