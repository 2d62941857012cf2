"""What the specification's schemas do not allow is told, with its line."""

from pathlib import Path

import pytest

from detections.schema import remarks
from luytre.core.yamlfile import read_yaml

RULE = """title: t
logsource: {category: webserver}
detection: {s: {a: b}, condition: s}
"""
CORRELATION = """title: t
correlation: {type: event_count, rules: [a, b], group-by: [x], timespan: 5m, condition: {gte: 2}}
"""
FILTER = """title: t
logsource: {category: webserver}
filter: {rules: [a], selection: {a: b}, condition: selection}
"""
UUID = "6f6b7b0e-6f6a-4c1e-9d1c-0f7d3c1c7a13"


def said(text: str) -> list[tuple[int, str]]:
    documents, faults = read_yaml(Path("r.yml"), text.encode())
    assert not faults
    return [(each.line, each.problem) for each in remarks(documents[0], "r")]


GOOD = [
    pytest.param(RULE, id="a rule"),
    pytest.param(CORRELATION, id="a correlation"),
    pytest.param(FILTER, id="a filter"),
    pytest.param(
        f"{RULE}id: {UUID}\nname: n\nstatus: test\nlevel: high\nauthor: a\nlicense: MIT\n"
        "date: 2026-01-31\nmodified: '2026-12-01'\nreferences: [x, y]\nfields: [a]\n"
        "falsepositives: [ab]\ntags: [attack.t1059.001]\nscope: [server]\ntaxonomy: sigma\n"
        f"related: [{{id: {UUID}, type: similar}}]\ncustom: {{title_vi: x}}\n",
        id="every key",
    ),
    pytest.param(f"{CORRELATION}falsepositives: none known\n", id="one text of false positives"),
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_schemas_allow_is_no_remark(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ("id: 7", "id '7' is no UUID"),
        ("name: [n]", "name is not text"),
        (f"name: {'n' * 257}", "name has more than 256 characters"),
        ("status: beta", "status 'beta' is not in the specification"),
        ("level: severe", "level 'severe' is not in the specification"),
        ("date: 2026/01/31", "date '2026/01/31' is no date"),
        ("modified: 2026-13-01x", "modified '2026-13-01x' is no date"),
        ("references: https://x", "references is not a list"),
        ("references: [x, x]", "references has 'x' twice"),
        ("references: [1]", "references is not text"),
        ("falsepositives: [a]", "falsepositives 'a' is no text of two or more characters"),
        ("tags: [Attack.T1]", "tags 'Attack.T1' is not written as tags are"),
        ("scope: server", "scope is not a list"),
        (f"related: [{{id: {UUID}, type: cousin}}]", "related 'cousin' is not in the specification"),
        ("related: [x]", "related has an entry without id and type"),
        ("related: [{id: 1, type: similar}]", "related 1 is no UUID"),
    ],
)  # fmt: skip
def test_what_a_rule_writes_otherwise_is_told(added: str, problem: str) -> None:
    expected = problem.replace("'7'", "7")
    assert said(RULE + added + "\n") == [(4, expected)]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (RULE.replace("s, con", "s, con").replace("condition: s", "condition: [s, s]"), 3, "detection has a list of conditions"),
        (RULE.replace("category: webserver", "category: 7"), 2, "logsource is not text"),
        (FILTER.replace("selection", "s"), 3, 'filter has no search called "selection"'),
        (FILTER.replace("[a]", "[a, a]"), 3, "filter has 'a' twice"),
        (CORRELATION.replace("group-by: [x], ", ""), 2, 'correlation has no "group-by"'),
        (CORRELATION.replace("[a, b]", "[a, a]"), 2, "correlation has 'a' twice"),
        (CORRELATION.replace("5m", "00000000005m"), 2, "correlation has more than 10 characters"),
    ],
)  # fmt: skip
def test_what_stands_deeper_is_told_too(text: str, line: int, problem: str) -> None:
    assert said(text) == [(line, problem)]
