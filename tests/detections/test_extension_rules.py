"""Extensions as people write them: read, or refused with line and reason."""

from pathlib import Path

import pytest
from sigma.collection import SigmaCollection

from detections.correlation import Extension
from detections.correlation_rules import read_correlation
from luytre.core.yamlfile import read_yaml

HEAD = """
title: Something unusual
id: 0e95725d-7320-415d-80f7-004da920fc12
correlation:
  rules: [logon]
  group-by: [user.name]
"""
BASE = """
title: Logon
name: logon
logsource: {product: linux, service: sshd}
detection: {s: {event.outcome: success}, condition: s}
---
"""
FIRST_SEEN = """  type: value_count
  timespan: 30d
  condition: {field: source.geo.country_iso_code, gte: 2}
luytre: {extension: first_seen, learning: 7d}
"""
RARE = """  type: value_percentile
  timespan: 7d
  condition: {field: process.name, lte: 1}
luytre: {extension: rare, at_most: 4}
"""
SPIKE = """  type: event_count
  timespan: 1h
  condition: {gte: 20}
luytre: {extension: spike, baseline: 14d, factor: 2.5}
"""
SILENCE = """  type: event_count
  timespan: 6h
  condition: {lt: 1}
luytre: {extension: silence}
"""
DAY_S = 86_400


@pytest.mark.parametrize(
    ("text", "extension", "shown"),
    [
        pytest.param(
            FIRST_SEEN,
            Extension("first_seen", learning_s=7 * DAY_S, at_most=1),
            "not seen in the 30d before",
            id="first_seen",
        ),
        pytest.param(
            RARE,
            Extension("rare", learning_s=7 * DAY_S // 4, at_most=4),
            "seen at most 4 times in 7d",
            id="rare",
        ),
        pytest.param(
            SPIKE,
            Extension("spike", learning_s=2 * DAY_S, baseline_s=14 * DAY_S, factor=2.5),
            ">= 20 and >= 2.5 times the own mean of 14d",
            id="spike",
        ),
        pytest.param(SILENCE, Extension("silence"), "nothing for 6h", id="silence"),
    ],
)
def test_each_is_read_and_is_plain_sigma_for_others(
    text: str, extension: Extension, shown: str
) -> None:
    documents, _ = read_yaml(Path("c.yml"), (HEAD + text).encode())
    read, faults = read_correlation(documents[0])

    assert [str(fault) for fault in faults] == []
    assert read is not None
    assert (read.extension, read.condition.text) == (extension, shown)
    # Every other Sigma tool reads the same file, and leaves our word out.
    rules = SigmaCollection.from_yaml(BASE + HEAD.strip() + "\n" + text)
    assert len(rules.rules) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(SILENCE.replace("silence", "silent"), 'did you mean "silence"', id="unknown"),
        pytest.param(SILENCE.replace("lt: 1", "gte: 1"), "the condition is not the one", id="form"),
        pytest.param(
            SPIKE.replace("event_count", "value_count").replace("gte", "field: a, gte"),
            "write type: event_count",
            id="type",
        ),
        pytest.param(SPIKE.replace("14d", "10m"), "shorter than the timespan", id="baseline"),
        pytest.param(SPIKE.replace("14d", "99d"), "is no duration", id="baseline too long"),
        pytest.param(SPIKE.replace("2.5", "0"), "is no number from 1", id="factor"),
        pytest.param(RARE.replace("at_most: 4", "at_most: 1.5"), "whole number", id="at_most"),
        pytest.param(SILENCE.replace("silence}", "silence, factor: 2}"), "unknown key", id="key"),
        pytest.param(FIRST_SEEN.replace("7d", "40d"), "is no duration", id="learning"),
    ],
)
def test_what_cannot_be_is_refused_with_line_and_remedy(text: str, problem: str) -> None:
    documents, _ = read_yaml(Path("c.yml"), (HEAD + text).encode())

    read, faults = read_correlation(documents[0])

    assert read is None
    assert any(problem in str(fault) for fault in faults), list(map(str, faults))
    assert all(fault.line > 1 for fault in faults)
