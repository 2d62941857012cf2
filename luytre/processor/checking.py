"""`luytre rules check`: what is refused, and what of the rest may be wrong, costs, and overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import enrich
from detections import schema
from detections.costs import Cost, estimate
from detections.fields import Deployment, Subject, fields
from detections.overlap import Overlap, identical, overlaps
from detections.overlap import Subject as Overlapping
from detections.parse import parse_rule
from detections.remarks import Remark, remark
from detections.tree import UnsupportedRuleError
from ingest.intake import Intake
from ingest.logsources.catalogue import readable
from ingest.shippers.files import read_file
from luytre.core.clock import SystemClock
from luytre.core.ecs import ENVELOPE
from luytre.core.errors import Fault
from luytre.core.message import Record
from luytre.core.yamlfile import read_yaml
from luytre.processor import content
from luytre.processor.portions import portions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from detections.load import LoadedRule, RuleSet
    from luytre.core.batch import Part
    from luytre.core.config import Config

OVERLAPS_MAX = 40
"""So many rules are compared with all others, 80 ms each; of more only the same are found."""
SAMPLED_MAX = 200_000
"""Events of a sample that are looked at."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything that a check says. ``faults`` are refused; ``remarks`` are about rules that run.

    ``sampled`` is how many events of real logs were looked at for their fields.
    """

    rules: int
    correlations: int
    filters: int
    faults: tuple[Fault, ...]
    remarks: tuple[Remark, ...]
    costs: tuple[Cost, ...]
    titles: dict[str, str]
    sampled: int


def check_rules(config: Config, given: Sequence[Path], samples: Sequence[Path] = ()) -> Checked:
    """Check the given paths, or all that is configured, against everything that runs here.

    ``samples`` are files with events of this deployment: a field that none of them has is told.

    Raises:
        Refused: a path or a sample does not exist.
    """
    content.exist([*given, *samples])
    everything = content.check(config, [])
    loaded = content.check(config, given) if given else everything
    subjects = list(_subjects(loaded.rules))
    others = list(_subjects(everything.rules)) if given else subjects
    seen, sampled = _sampled(config, subjects, samples)
    deployment = Deployment(readable(), enrich.RESERVED | set(ENVELOPE), [*others, *subjects], seen)
    remarks = [
        *_schema(loaded),
        *(found for each in subjects for found in deployment.remarks(each)),
        *_overlaps(subjects, others),
    ]
    return Checked(
        rules=len(loaded.rules),
        correlations=len(loaded.correlations),
        filters=len(loaded.filters),
        faults=loaded.faults,
        remarks=tuple(sorted(remarks, key=lambda each: (str(each.path), each.line, each.problem))),
        costs=tuple(estimate(each.rule.card.id, each.tree) for each in subjects),
        titles={rule.card.id: rule.card.title for rule in loaded.rules},
        sampled=sampled,
    )


def _subjects(rules: Iterable[LoadedRule]) -> Iterator[Subject]:
    for rule in rules:
        try:
            yield Subject(rule, parse_rule(rule.sigma))
        except UnsupportedRuleError:
            continue  # a fault says so


def _schema(loaded: RuleSet) -> Iterator[Remark]:
    for rule in loaded.rules:
        yield from schema.remarks(rule.document, rule.card.id)
    for each in loaded.filters:
        yield from schema.remarks(each.document, each.id)
    paths = {correlation.card.path for correlation in loaded.correlations}
    ids = {(c.card.path, c.card.title): c.card.id for c in loaded.correlations}
    for path in sorted(paths):
        for document in read_yaml(Path(path))[0]:
            if isinstance(document.data, dict) and "correlation" in document.data:
                key = (path, str(document.data.get("title")))
                yield from schema.remarks(document, ids.get(key, ""))


def _overlaps(subjects: Sequence[Subject], others: Sequence[Subject]) -> Iterator[Remark]:
    known = {each.rule.card.id: each.rule for each in (*others, *subjects)}
    mine = {each.rule.card.id for each in subjects}
    compared = list(map(_overlapping, subjects))
    if len(subjects) <= OVERLAPS_MAX:
        everything = {each.rule.card.id: _overlapping(each) for each in (*others, *subjects)}
        found: Iterable[Overlap] = overlaps(compared, everything.values())
    else:
        found = identical(compared)
    for overlap in dict.fromkeys(found):
        rule, wider = known[overlap.rule], known[overlap.wider]
        about, other = (rule, wider) if overlap.rule in mine else (wider, rule)
        if overlap.same:
            problem, remedy = f"says the same as {_named(other)}", "keep one of them"
        elif about is rule:
            problem = f"every event that it finds is found by {_named(other)} too"
            remedy = "keep it if its level or text is worth a second alert"
        else:
            problem, remedy = f"finds every event that {_named(other)} finds", ""
        yield remark("overlap", about.document, ("detection",), about.card.id, problem, remedy)


def _overlapping(subject: Subject) -> Overlapping:
    return Overlapping(subject.rule.card.id, subject.rule.logsource, subject.tree)


def _named(rule: LoadedRule) -> str:
    return f'"{rule.card.title}" ({rule.card.id})'


def _sampled(
    config: Config, subjects: Sequence[Subject], samples: Sequence[Path]
) -> tuple[frozenset[tuple[str, str]] | None, int]:
    """Return which (part, column) events of the samples have, and how many events there were."""
    if not samples:
        return None, 0
    asked = frozenset().union(*(fields(each.tree) for each in subjects))

    def needed(part: Part) -> frozenset[str]:
        return frozenset(map(part.column, asked)).difference(ENVELOPE)

    intake, now = Intake(needed), SystemClock().now()
    seen: set[tuple[str, str]] = set()
    events = 0
    messages = (
        message
        for path in samples
        for message in read_file(
            path, config.ship, organization=config.organization, shipper="check"
        )
    )
    records = (Record("check", 0, n, now, message) for n, message in enumerate(messages))
    for portion in portions(records):
        for batch in intake(portion):
            frame = batch.events
            events += frame.height
            there = {name for name in frame.columns if frame[name].null_count() < frame.height}
            seen.update((batch.part.name, name) for name in there)
        if events >= SAMPLED_MAX:
            break
    return frozenset(seen), events
