"""Our own rules: each valid, described in both languages, and proven by its examples."""

import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from detections.evidence import check_evidence, load_examples
from detections.load import BUILTIN, LoadedRule, load_rules
from detections.match import Engine
from detections.plan import build_plan
from detections.reference import needed_columns, reference_hits
from luytre.core.clock import SystemClock
from luytre.processor.content import example_decoder

OURS = load_rules([BUILTIN], builtin=False)
RULES = [pytest.param(rule, id=str(rule.path.relative_to(BUILTIN))) for rule in OURS.rules]


def test_all_are_read_without_a_fault() -> None:
    _, faults = build_plan(OURS.rules)

    assert [*OURS.faults, *faults] == []
    written = len(OURS.rules) + len(OURS.correlations)
    assert written == len(list(BUILTIN.rglob("*.yml"))) >= 30


@pytest.mark.parametrize("rule", RULES)
def test_each_example_behaves_as_it_says(rule: LoadedRule) -> None:
    plan, _ = build_plan([rule])
    engine = Engine(plan, SystemClock())

    findings = check_evidence([rule], example_decoder(engine.needed), engine)

    assert list(map(str, findings)) == []


@pytest.mark.parametrize("rule", RULES)
def test_each_example_reaches_the_rule(rule: LoadedRule) -> None:
    # An event of another log source would be a "no match" that proves nothing.
    decode = example_decoder(lambda _: frozenset())
    for example in load_examples(rule)[0]:
        (batch,) = decode(example)

        covered = any(rule.logsource.covers(source) for source in batch.part.logsources)
        assert covered, f"{example.file}:{example.line} is {batch.part.name}"


@pytest.mark.parametrize("rule", RULES)
def test_the_reference_agrees_on_the_examples(rule: LoadedRule) -> None:
    decode = example_decoder(lambda part: needed_columns([rule], part))
    for example in load_examples(rule)[0]:
        (decoded,) = decode(example)
        added = [pl.lit(value).alias(name) for name, value in example.enriched.items()]
        batch = decoded.with_events(decoded.events.with_columns(added))

        found = bool(reference_hits([rule], batch))
        assert found == (example.expect == "match"), f"{example.file}:{example.line}"


@pytest.mark.parametrize("rule", RULES)
def test_each_is_described_in_both_languages(rule: LoadedRule) -> None:
    data = rule.document.data
    vietnamese = data["custom"]

    assert set(vietnamese) == {"title_vi", "description_vi"}
    assert not (vietnamese["title_vi"] + vietnamese["description_vi"]).isascii()
    assert (data["title"] + data["description"]).isascii() or "`" in data["description"]
    assert data["license"] == "Apache-2.0"
    assert data["author"] == "Luytre"
    assert data["falsepositives"]
    assert any(tag.startswith("attack.t") for tag in data["tags"])
    assert uuid.UUID(data["id"]).version == 4


@pytest.mark.parametrize("rule", RULES)
def test_each_lies_where_its_log_source_says(rule: LoadedRule) -> None:
    product, place, _ = rule.path.relative_to(BUILTIN).parts
    source = rule.logsource

    assert product == (source.product or "web")
    assert place in {source.category, source.service} or source.service is None


def test_titles_are_unique() -> None:
    titles = Counter(rule.card.title for rule in OURS.rules)

    assert [title for title, count in titles.items() if count > 1] == []


def test_the_list_of_all_rules_is_true() -> None:
    text = (BUILTIN / "README.md").read_text(encoding="utf-8")

    for rule in OURS.rules:
        place = rule.path.relative_to(BUILTIN)
        assert f"| [`{rule.path.stem}`]({place}) | {rule.card.level} |" in text
        assert f"| {rule.card.title} · {rule.document.data['custom']['title_vi']} |" in text


def test_the_list_of_correlations_is_true() -> None:
    text = (BUILTIN / "README.md").read_text(encoding="utf-8")

    assert len(OURS.correlations) >= 3
    for rule in OURS.correlations:
        place = Path(rule.card.path).relative_to(BUILTIN)
        assert f"| [`{place.stem}`]({place}) | {rule.card.level} |" in text
        assert f"| {rule.card.title} · " in text


def test_sigma_cli_finds_no_issue() -> None:
    # The two excluded validators download their word lists from the Internet.
    sigma = Path(sys.executable).with_name("sigma")
    excluded = ["-x", "attacktag", "-x", "d3_fendtag"]
    command = [str(sigma), "check", *excluded, "--fail-on-issues", str(BUILTIN)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
