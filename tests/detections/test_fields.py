"""A field that no event can have, a log source that is not read, a slip: all are told."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from detections.fields import Deployment, Subject
from detections.load import load_rules
from detections.parse import parse_rule
from luytre.core.batch import LogSource, Part

RULE = """
title: {title}
id: 6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a{number:02}
status: test
logsource: {{product: {product}}}
detection:
    s:
        {field}: x
    condition: s
"""


@dataclass(frozen=True)
class Read:
    part: Part
    columns: frozenset[str] | None


CLOSED = Read(
    Part("web", (LogSource("web"),), {"c-ip": "source.ip"}, {"kind": "access"}),
    frozenset({"source.ip", "url.path"}),
)
OPEN = Read(Part("win/1", (LogSource("win"),), {"CommandLine": "process.command_line"}), None)


def told(
    tmp_path: Path,
    product: str,
    field: str,
    others: tuple[str, ...] = (),
    seen: frozenset[tuple[str, str]] | None = None,
) -> list[tuple[str, int, str, str]]:
    for number, name in enumerate((field, *others)):
        text = RULE.format(title=f"r{number}", number=number, product=product, field=name)
        (tmp_path / f"{number}.yml").write_text(text)
    rules = load_rules([tmp_path], builtin=False).rules
    subjects = [Subject(rule, parse_rule(rule.sigma)) for rule in rules]
    deployment = Deployment([CLOSED, OPEN], frozenset({"host.asset.kind"}), subjects, seen)
    found = deployment.remarks(subjects[0])
    return [(each.kind, each.line, each.problem, each.remedy) for each in found]


@pytest.mark.parametrize(
    ("product", "field"),
    [
        pytest.param("web", "c-ip", id="the log's name"),
        pytest.param("web", "source.ip", id="our column"),
        pytest.param("web", "url.path|contains", id="with a modifier"),
        pytest.param("web", "host.asset.kind", id="what enrichment adds"),
        pytest.param("web", "kind", id="a constant of the part"),
        pytest.param("win", "CommandLine", id="a mapped field of an open log"),
        pytest.param("win", "Whatever", id="an open log may have any field"),
    ],
)
def test_fields_that_can_be_there_are_no_remark(tmp_path: Path, product: str, field: str) -> None:
    assert told(tmp_path, product, field) == []


def test_a_field_that_a_closed_log_never_has_is_told_at_its_line(tmp_path: Path) -> None:
    assert told(tmp_path, "web", "sc-status") == [
        ("field", 8, 'no event of web has a field "sc-status"', "")
    ]
    assert told(tmp_path, "web", "url.paths|contains") == [
        ("field", 8, 'no event of web has a field "url.paths"', 'did you mean "url.path"?')
    ]


def test_a_log_source_that_nobody_reads_is_told(tmp_path: Path) -> None:
    (kind, line, problem, _), *more = told(tmp_path, "macos", "a")

    assert (kind, line, problem, more) == (
        "log source",
        5,
        "nothing that is read here is of log source macos/*/*",
        [],
    )


def test_a_slip_in_an_open_log_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, "win", "ComandLine") == [
        (
            "field",
            8,
            'no other rule asks win/*/* for "ComandLine"',
            'did you mean "CommandLine"?',
        )
    ]


def test_a_name_that_many_rules_ask_for_is_known(tmp_path: Path) -> None:
    asked = ("TargetObject",) * 3

    assert told(tmp_path, "win", "TargetObjekt", asked)[0][3] == 'did you mean "TargetObject"?'
    assert told(tmp_path, "win", "TargetObjekt", (*asked, "TargetObjekt")) == []


def test_a_field_that_no_event_of_a_sample_had_is_told(tmp_path: Path) -> None:
    seen = frozenset({("win/1", "process.command_line")})

    assert told(tmp_path, "win", "CommandLine", seen=seen) == []
    assert told(tmp_path, "win", "Hashes", seen=seen) == [
        ("field", 8, 'no event of the sample has a field "Hashes" (win/1)', "")
    ]
    assert told(tmp_path, "win", "Hashes", seen=frozenset()) == [], "nothing was sampled of it"
