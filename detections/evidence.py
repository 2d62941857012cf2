"""The examples beside a rule: events that it must match, and events that it must not.

``<name>.ndjson`` beside ``<name>.yml`` holds one example a line::

    {"expect": "match", "why": "the whole point", "hint": "nginx", "raw": "10.0.0.1 - - [...]"}

``raw`` is a line of the log, or an object that becomes one. ``organization``, ``host``, and
``path`` are what the shipper would say; ``enriched`` holds columns that enrichment would add.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import polars as pl

from detections.explain import explain
from detections.load import BUILTIN
from luytre.core.batch import Batch
from luytre.core.cells import cell
from luytre.core.errors import Fault

if TYPE_CHECKING:
    from detections.explain import Finding as Decided
    from detections.load import LoadedRule
    from luytre.core.alert import Matcher

SHOWN_MAX, VALUE_MAX = 3, 80
_BYTES_MAX = 16 * 2**20
_EXPECTATIONS = ("match", "no match")


@dataclass(frozen=True, slots=True)
class Example:
    """One event, and what the rule must say about it; ``raw`` is without a line end."""

    file: Path
    line: int
    expect: Literal["match", "no match"]
    why: str
    hint: str
    raw: bytes
    organization: str = ""
    host: str = ""
    path: str = ""
    enriched: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the evidence for a rule."""

    file: Path
    line: int
    rule_id: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


Decode = Callable[[Example], list[Batch]]


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    expect: Literal["match", "no match"]
    raw: str | dict[str, Any]
    why: str = ""
    hint: str = "auto"
    organization: str = ""
    host: str = ""
    path: str = ""
    enriched: dict[str, Any] = {}


def load_examples(rule: LoadedRule) -> tuple[list[Example], list[Fault]]:
    """Return a rule's examples and what is wrong in their file; neither if there is no file."""
    return examples_beside(rule.path)


def examples_beside(path: Path) -> tuple[list[Example], list[Fault]]:
    """Return the examples beside a rule's file; its path is all that must be known of the rule."""
    file = path.with_suffix(".ndjson")
    if not file.is_file():
        return [], []
    with file.open("rb") as stream:
        content = stream.read(_BYTES_MAX + 1)
    if len(content) > _BYTES_MAX:
        return [], [Fault(file, 1, f"is larger than {_BYTES_MAX} bytes", "use fewer examples")]
    examples: list[Example] = []
    faults: list[Fault] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            examples.append(_example(file, number, msgspec.json.decode(line, type=_Line)))
        except (msgspec.DecodeError, UnicodeError) as error:
            remedy = 'an example is {"expect": "match", "why": ..., "hint": ..., "raw": ...}'
            faults.append(Fault(file, number, f"is no example: {error}", remedy))
    return examples, faults


def check_evidence(
    rules: Sequence[LoadedRule], decode: Decode, matcher: Matcher
) -> Iterator[Finding]:
    """Yield every example that behaves otherwise than it says, and every builtin rule without.

    A builtin rule needs an example that matches and one that does not; other rules need none.
    """
    for rule in rules:
        examples, faults = load_examples(rule)
        for fault in faults:
            yield Finding(fault.path, fault.line, rule.card.id, f"{fault.problem}; {fault.remedy}")
        for example in examples:
            problem = _problem(rule, example, decode(example), matcher)
            if problem:
                yield Finding(example.file, example.line, rule.card.id, problem)
        if rule.path.is_relative_to(BUILTIN):
            yield from _unproven(rule, examples)


def _unproven(rule: LoadedRule, examples: Sequence[Example]) -> Iterator[Finding]:
    for expect in _EXPECTATIONS:
        if not any(example.expect == expect for example in examples):
            problem = f'"{rule.card.title}" has no example that expects "{expect}"'
            yield Finding(rule.path, 1, rule.card.id, problem)


def _example(file: Path, number: int, line: _Line) -> Example:
    raw = line.raw.encode() if isinstance(line.raw, str) else msgspec.json.encode(line.raw)
    return Example(
        file,
        number,
        line.expect,
        line.why,
        line.hint,
        raw,
        organization=line.organization,
        host=line.host,
        path=line.path,
        enriched=line.enriched,
    )


def _problem(rule: LoadedRule, example: Example, batches: Sequence[Batch], matcher: Matcher) -> str:
    for batch in batches:
        if batch.rejects.height:
            return f"the example cannot be decoded: {batch.rejects['error.message'][0]}"
    if not any(batch.events.height for batch in batches):
        return "the example decodes to no event"
    batches = [_enriched(batch, example.enriched) for batch in batches]
    alerts = [alert for batch in batches for alert in matcher(batch)]
    matched = any(alert.rule.id == rule.card.id for alert in alerts)
    if matched == (example.expect == "match"):
        return ""
    parts = ", ".join(sorted({batch.part.name for batch in batches}))
    did = "matches" if matched else "does not match"
    return f'"{rule.card.title}" {did} the {parts} event "{example.why}"{_why(rule, batches)}'


def _why(rule: LoadedRule, batches: Sequence[Batch]) -> str:
    """Say what the verdict rests on, if the rule is about the event at all."""
    for batch in batches:
        about = any(rule.logsource.covers(source) for source in batch.part.logsources)
        if about and batch.events.height:
            findings = [f for f in explain(rule, batch, 0).findings if f.decides]
            shown = "; ".join(map(_shown, findings[:SHOWN_MAX]))
            return f": {shown}{'; ...' if len(findings) > SHOWN_MAX else ''}"
    return f": the rule is about {rule.logsource} only"


def _shown(finding: Decided) -> str:
    met = "is missing" if finding.value is None else f"is {finding.value[:VALUE_MAX]!r}"
    asked = f"{finding.operation} {finding.pattern[:VALUE_MAX]!r}"
    holds = "holds" if finding.held else "does not hold"
    return f"{finding.selection}: {finding.field or 'the event'} {met}, {asked} {holds}"


def _enriched(batch: Batch, enriched: Mapping[str, Any]) -> Batch:
    added = [pl.lit(cell(value), pl.String).alias(name) for name, value in enriched.items()]
    return batch.with_events(batch.events.with_columns(added))
