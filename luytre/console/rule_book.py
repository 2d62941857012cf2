"""The rules that run, as the console shows them: read once, and again when a file changed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import detections
from detections.costs import estimate
from luytre.processor.content import plan_rules
from luytre.processor.source import FolderSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detections.costs import Grade
    from detections.plan import Plan, PlannedFilter
    from luytre.core.alert import RuleCard
    from luytre.core.clock import Clock
    from luytre.core.config import Config
    from luytre.core.errors import Fault

LOOKED_FOR_S = 30
"""So long nobody asks the files again whether they changed: 4,000 take 30 ms."""
OUR_RULES = Path(detections.__file__).parent / "rules"


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule that runs; ``source`` is its log source, or what its correlation rests on."""

    card: RuleCard
    source: str
    grade: Grade | None
    rests_on: tuple[str, ...] = ()
    filters: tuple[PlannedFilter, ...] = ()

    @property
    def techniques(self) -> tuple[str, ...]:
        """The ATT&CK techniques, as ``T1059.001``."""
        return tuple(
            tag[len("attack.") :].upper()
            for tag in map(str.lower, self.card.tags)
            if tag.startswith("attack.t") and tag[len("attack.t") :][:1].isdigit()
        )

    @property
    def file(self) -> str:
        """Where it stands: below Luytre's own rules, or the whole path."""
        path = Path(self.card.path)
        return str(path.relative_to(OUR_RULES)) if path.is_relative_to(OUR_RULES) else str(path)


@dataclass(frozen=True, slots=True)
class Content:
    """All rules that run by their id, and what is wrong with the others."""

    digest: str
    rules: Mapping[str, Entry]
    faults: tuple[Fault, ...]


class RuleBook:
    """Gives the content that a worker would run now; for many threads."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._source = FolderSource(config)
        self._lock = threading.Lock()
        self._read: tuple[float, Content] | None = None

    def content(self) -> Content:
        """Return what runs now, at most half a minute old.

        Raises ``Refused`` if no valid rule is left. The first reading after a change compiles the
        rules, unless a worker has done so already: plans are kept below the data folder.
        """
        with self._lock:
            now_s = self._clock.monotonic_s()
            if self._read and now_s - self._read[0] < LOOKED_FOR_S:
                return self._read[1]
            wanted = self._source.wanted()
            if self._read and self._read[1].digest == wanted.digest:
                found = self._read[1]
            else:
                loaded = plan_rules(self._config, wanted.rules)
                found = Content(wanted.digest, _entries(loaded.plan), loaded.faults)
            self._read = now_s, found
            return found


def _entries(plan: Plan) -> dict[str, Entry]:
    found = {
        rule.card.id: Entry(
            rule.card,
            str(rule.logsource),
            estimate(rule.card.id, plan.condition(number)).grade,
            filters=tuple(f for f in plan.filters if f.rules is None or number in f.rules),
        )
        for number, rule in enumerate(plan.rules)
    }
    for each in plan.correlations:
        found[each.card.id] = Entry(each.card, each.type, None, rests_on=each.rules)
    return found
