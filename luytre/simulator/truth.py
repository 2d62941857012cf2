"""What really happened in a simulated folder: the attacks, their lines, and what must be found."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from luytre.core.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

TRUTH_FILE = "truth.ndjson"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One line of an attack: ``number`` counts from 1, ``sha256`` is of the line without its end.

    ``rules`` are the ids of those of our rules that must match it; a line that only leads up to
    the attack has none.
    """

    file: str
    number: int
    sha256: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack as it was played, in Vietnamese and English."""

    id: str
    name_vi: str
    name_en: str
    summary: str
    evidence: tuple[Evidence, ...]

    @property
    def rules(self) -> frozenset[str]:
        """The ids of the rules that must find this attack."""
        return frozenset(rule for line in self.evidence for rule in line.rules)

    def missed(self, found: Collection[tuple[str, str]]) -> frozenset[str]:
        """Return the rules that did not fire on one of their lines.

        ``found`` are the alerts, each as rule id and SHA-256 of the event's original bytes.
        """
        return frozenset(
            rule
            for line in self.evidence
            for rule in line.rules
            if (rule, line.sha256) not in found
        )


@dataclass(frozen=True, slots=True)
class Truth:
    """The attacks, and how many events each file has (relative path with slashes)."""

    attacks: tuple[Attack, ...]
    events: Mapping[str, int]

    def false_alarms(self, found: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return those of ``found`` whose event belongs to no attack."""
        guilty = {line.sha256 for attack in self.attacks for line in attack.evidence}
        return sorted(alert for alert in found if alert[1] not in guilty)


def write_truth(folder: Path, truth: Truth) -> None:
    """Write ``truth.ndjson``: the counts in the first line, then one attack a line."""
    rows = [{"events": dict(truth.events)}, *map(asdict, truth.attacks)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / TRUTH_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_truth(folder: Path) -> Truth:
    """Read what ``write_truth`` wrote. Raises ``Refused`` if the folder is no simulated one."""
    try:
        text = (folder / TRUTH_FILE).read_text(encoding="utf-8")
        header, *attacks = map(json.loads, text.splitlines())
        return Truth(tuple(map(_attack, attacks)), header["events"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{folder / TRUTH_FILE} cannot be read: {error}") from error


def _attack(row: dict[str, Any]) -> Attack:
    evidence = (
        Evidence(line["file"], line["number"], line["sha256"], tuple(line["rules"]))
        for line in row["evidence"]
    )
    return Attack(row["id"], row["name_vi"], row["name_en"], row["summary"], tuple(evidence))
