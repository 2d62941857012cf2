"""Examples beside rules: read with faults, and held against what a matcher says."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from detections import evidence
from detections.evidence import Example, check_evidence, load_examples
from detections.load import LoadedRule
from detections.reference import reference_hits
from luytre.core.alert import Alert, alert_id
from luytre.core.batch import Batch, LogSource, Part
from luytre.core.cells import cell
from luytre.core.ecs import ENVELOPE, REJECTS, empty_rejects
from tests.detections.conftest import WriteRule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PART = Part("linux/app", (LogSource("linux", None, "app"),))


class ReferenceMatcher:
    """Alerts of one rule by the reference."""

    def __init__(self, rule: LoadedRule) -> None:
        self._rule = rule

    def __call__(self, batch: Batch) -> list[Alert]:
        card = self._rule.card
        return [
            Alert(alert_id(card.id, event), card, event, "", None, NOW, NOW, "", (), {}, b"", {})
            for _, event in reference_hits([self._rule], batch)
        ]

    def needed(self, part: object) -> frozenset[str]:
        return frozenset(str(part)[:0])


def decode(example: Example) -> list[Batch]:
    if example.raw == b"unreadable":
        rejects = pl.DataFrame([{"error.message": "no JSON"}], REJECTS)
        return [Batch(PART, pl.DataFrame(schema=ENVELOPE), rejects, {})]
    events = [json.loads(line) for line in example.raw.splitlines()]
    cells = [{k: cell(v) for k, v in event.items()} for event in events]
    frame = pl.DataFrame(
        [
            {"event.id": str(n), "event.original": example.raw, "event.ingested": NOW, **c}
            for n, c in enumerate(cells)
        ]
    )
    return [Batch(PART, frame, empty_rejects(), {})] if events else []


def lines(*examples: Mapping[str, Any]) -> str:
    return "".join(json.dumps(example) + "\n" for example in examples)


HIT = {"expect": "match", "why": "hit", "hint": "json", "raw": {"F": "x"}}
MISS = {"expect": "no match", "why": "miss", "raw": '{"F": "y"}'}


@pytest.fixture
def findings(load_rule: WriteRule) -> Callable[[str], list[tuple[int, str]]]:
    def check(examples: str) -> list[tuple[int, str]]:
        rule = load_rule()
        rule.path.with_suffix(".ndjson").write_text(examples)
        found = check_evidence([rule], decode, ReferenceMatcher(rule))
        return [(finding.line, finding.problem) for finding in found]

    return check


def test_examples_are_read_with_all_they_say(load_rule: WriteRule) -> None:
    rule = load_rule()
    file = rule.path.with_suffix(".ndjson")
    more = {"organization": "o", "host": "h", "path": "p", "enriched": {"a": 1}}
    file.write_text(lines(HIT, {**MISS, **more}))

    examples, faults = load_examples(rule)

    assert faults == []
    assert examples == [
        Example(file, 1, "match", "hit", "json", b'{"F":"x"}'),
        Example(file, 2, "no match", "miss", "auto", b'{"F": "y"}', "o", "h", "p", {"a": 1}),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("\n{\n", 2, id="no JSON"),
        pytest.param(lines(HIT, {**HIT, "expect": "maybe"}), 2, id="another expectation"),
        pytest.param(lines({"expect": "match"}), 1, id="nothing to decode"),
        pytest.param(lines({**HIT, "hnt": "json"}), 1, id="misspelt key"),
        pytest.param(lines({**HIT, "raw": 5}), 1, id="raw is a number"),
    ],
)
def test_a_line_that_is_no_example_is_a_fault(load_rule: WriteRule, text: str, line: int) -> None:
    rule = load_rule()
    rule.path.with_suffix(".ndjson").write_text(text)

    _, faults = load_examples(rule)

    assert [(fault.path.suffix, fault.line) for fault in faults] == [(".ndjson", line)]


def test_examples_that_behave_as_they_say_are_no_findings(
    findings: Callable[[str], list[tuple[int, str]]],
) -> None:
    assert findings(lines(HIT, MISS)) == []


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        pytest.param({**MISS, "expect": "match"}, '"A rule" does not match', id="no match"),
        pytest.param({**HIT, "expect": "no match"}, '"A rule" matches', id="a match"),
        pytest.param({**HIT, "raw": "unreadable"}, "cannot be decoded: no JSON", id="a reject"),
        pytest.param({**HIT, "raw": ""}, "decodes to no event", id="nothing"),
        pytest.param({**MISS, "enriched": {"F": "x"}}, '"A rule" matches', id="an added column"),
        pytest.param({"raw": "x"}, "is no example", id="no example"),
    ],
)
def test_a_finding_says_what_is_wrong_at_its_line(
    findings: Callable[[str], list[tuple[int, str]]], example: dict[str, Any], problem: str
) -> None:
    [(line, found)] = findings(lines(HIT, example))

    assert line == 2
    assert problem in found


def test_a_builtin_rule_needs_both_kinds_of_examples(
    load_rule: WriteRule,
    findings: Callable[[str], list[tuple[int, str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evidence, "BUILTIN", tmp_path)

    assert findings(lines(HIT, MISS)) == []
    assert findings(lines(HIT)) == [(1, '"A rule" has no example that expects "no match"')]
    assert len(findings("")) == 2


@pytest.mark.parametrize(
    ("example", "why"),
    [
        pytest.param({**HIT, "raw": {"F": "y"}}, ": selection: F is 'y', equals 'x' does not hold", id="no"),
        pytest.param({**HIT, "raw": {"G": "x"}}, ": selection: F is missing, equals 'x' does not hold", id="missing"),
        pytest.param({**MISS, "raw": {"F": "x"}}, ": selection: F is 'x', equals 'x' holds", id="yes"),
    ],
)  # fmt: skip
def test_a_finding_says_on_which_value_the_verdict_rests(
    findings: Callable[[str], list[tuple[int, str]]], example: dict[str, Any], why: str
) -> None:
    ((line, problem),) = findings(lines(example))

    assert line == 1
    assert problem.endswith(why)
