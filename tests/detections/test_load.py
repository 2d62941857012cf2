"""Rules load, or are refused with file, line, and remedy: all of them at once."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from detections.load import RuleSet, load_rules
from luytre.core.alert import RuleCard
from luytre.core.batch import LogSource
from tests.detections.conftest import RULE, WriteRule

HEAD = """\
title: A rule
id: 00000000-0000-4000-8000-000000000001
logsource:
    product: linux
"""  # four lines, so what follows is on line 5


def load(tmp_path: Path, text: str) -> RuleSet:
    file = tmp_path / "rule.yml"
    file.write_text(text, encoding="utf-8")
    return load_rules([file], builtin=False)


def selection(text: str) -> str:
    return f"{HEAD}detection:\n    s:\n        {text}\n    condition: s\n"


def test_a_card_keeps_what_a_person_needs(load_rule: WriteRule, tmp_path: Path) -> None:
    rule = load_rule(
        description="what",
        author="who",
        license="CC0-1.0",
        tags=["attack.t1059"],
        references=["https://example.org"],
        falsepositives=["none"],
        logsource={"product": "Windows", "category": "process_creation"},
    )

    content = (tmp_path / "rule.yml").read_bytes()
    assert rule.logsource == LogSource("windows", "process_creation", None)
    assert rule.path == tmp_path / "rule.yml"
    assert rule.card == RuleCard(
        id="00000000-0000-4000-8000-000000000001",
        title="A rule",
        level="high",
        version=hashlib.sha256(content).hexdigest(),
        status="test",
        description="what",
        author="who",
        licence="CC0-1.0",
        path=str(tmp_path / "rule.yml"),
        tags=("attack.t1059",),
        references=("https://example.org",),
        false_positives=("none",),
    )


def test_without_id_and_level_a_rule_gets_stable_ones(load_rule: WriteRule) -> None:
    rule = load_rule(id=None, level=None)
    again = load_rule(id=None, level=None, author="another")

    assert rule.card.level == "medium"
    assert rule.card.id == again.card.id
    assert load_rule(id=None, title="Another").card.id != rule.card.id


@pytest.mark.parametrize(
    ("text", "line", "problem", "remedy"),
    [
        pytest.param("- 1\n- 2\n", 1, "is not a Sigma rule", "title", id="no map"),
        pytest.param("", 1, "holds no rule", "", id="nothing"),
        pytest.param("a: *b\n", 1, "aliases", "write it out", id="alias"),
        pytest.param("a: !x b\n", 1, "tag !x", "remove", id="tag of YAML"),
        pytest.param("a: [\n", 2, "is not YAML", "", id="broken YAML"),
        pytest.param(
            f"{HEAD}correlation:\n    type: x\n", 6, '"x"', "event_count", id="correlation"
        ),
        pytest.param(f"{HEAD}filter: x\n", 5, '"filter" is not a map', "", id="filter"),
        pytest.param(f"action: global\n{HEAD}", 1, '"action"', "", id="action"),
        pytest.param(HEAD, 1, '"detection" is missing', "", id="no detection"),
        pytest.param(f"{HEAD}detection: x\n", 5, "is not a map", "", id="detection is text"),
        pytest.param(selection("F|contain: x"), 7, '"contain"', '"contains"', id="modifier"),
        pytest.param(selection("F|xyzzy: x"), 7, '"xyzzy"', "", id="unlike any modifier"),
        pytest.param(selection("F|all|all: [x]"), 7, "twice", "", id="modifier twice"),
        pytest.param(selection("F|hour: 24"), 7, "no hour", "0 to 23", id="hour of no day"),
        pytest.param(selection("F|expand: '%Servers%'"), 7, "%Servers%", "", id="placeholder"),
        pytest.param(selection("F|re|expand: 'a%b%'"), 7, "%b%", "", id="placeholder in regex"),
        pytest.param(
            selection("F|re:\n            - a\n            - (?=b)"), 9, "regex", "RE2", id="regex"
        ),
        pytest.param(selection("F|re: (a"), 7, "invalid", "", id="regex with an open bracket"),
        pytest.param(selection("F|re: 5"), 7, "not text", "quotes", id="regex is a number"),
        pytest.param(selection("F|re|contains: ''"), 7, "", "", id="pySigma crashes"),
        pytest.param(selection("F|re: " + "a" * 5000), 7, "longer", "", id="long regex"),
        pytest.param(selection("F|i|re: a"), 7, "incompatible", "", id="flag before regex"),
        pytest.param(selection("F|cidr: 10.0.0.1/8"), 7, "host bits", "", id="cidr"),
        pytest.param(selection("F|gt: x"), 7, "incompatible", "", id="compared with text"),
        pytest.param(selection("F|exists: maybe"), 7, "incompatible", "", id="exists is text"),
        pytest.param(selection("F|base64: a*"), 7, "Base64", "", id="wildcard in base64"),
        pytest.param(selection("F|base64offset: ''"), 7, "empty", "", id="empty base64"),
        pytest.param(selection("F|cased|re: a"), 7, "unmodified", "", id="cased regex"),
        pytest.param(selection("F|wide|windash: -a"), 7, "windash", "first", id="windash late"),
        pytest.param(selection("F|fieldref: a*"), 7, "wildcards", "", id="fieldref wildcard"),
        pytest.param(selection("F: []"), 7, "no values", "null", id="empty list"),
        pytest.param(selection("F: 2020-01-01"), 7, "date", "text", id="date"),
        pytest.param(selection("F: {a: b}"), 7, "dict", "text", id="map as value"),
        pytest.param(selection("F: [[a]]"), 7, "list", "text", id="list in list"),
        pytest.param(selection("F: .inf"), 7, "Invalid number", "", id="infinite"),
        pytest.param(selection("F: 9007199254740993"), 7, "exactly", "quotes", id="large number"),
        pytest.param(selection("5: x"), 7, "not text", "quotes", id="field is a number"),
        pytest.param(selection("'|cidr': 10.0.0.0/8"), 7, "keyword", "field", id="keyword cidr"),
        pytest.param(selection("- null"), 7, "keyword", "field", id="keyword null"),
        pytest.param(selection("- true"), 7, "keyword", "quotes", id="keyword true"),
        pytest.param(selection("{}"), 6, "empty", "", id="empty search"),
        pytest.param(
            selection("F|windash|contains: '" + " -a" * 12 + "'"),
            5,
            "expand",
            "",
            id="windash bomb",
        ),
        pytest.param(
            f"{HEAD}detection:\n    s: {{F: x}}\n    condition: t\n",
            7,
            '"t"',
            "",
            id="no such search",
        ),
        pytest.param(
            f"{HEAD}detection:\n    selection: {{F: x}}\n    condition: selction\n",
            7,
            '"selction"',
            '"selection"',
            id="misspelt search",
        ),
        pytest.param(
            f"{HEAD}detection:\n    s: {{F: x}}\n    condition: s and not 1 of filter*\n",
            7,
            '"filter*"',
            "",
            id="a pattern without searches",
        ),
        pytest.param(
            f"{HEAD}detection:\n    _s: {{F: x}}\n    condition: 1 of them\n",
            7,
            '"them"',
            "",
            id="them leaves out what starts with _",
        ),
        pytest.param(
            f"{HEAD}detection:\n    s: {{F: x}}\n    condition:\n        - s\n        - s and\n",
            9,
            "not Sigma",
            "",
            id="second condition",
        ),
        pytest.param(
            f"{HEAD}detection:\n    s: {{F: x}}\n    condition: s | count() > 5\n",
            7,
            'counts with "|"',
            "write a correlation",
            id="old aggregation",
        ),
        pytest.param(
            f"{HEAD}detection:\n    s: {{F: x}}\n    condition: {'(' * 70}s{')' * 70}\n",
            7,
            "brackets",
            "",
            id="brackets",
        ),
        pytest.param(
            f"{HEAD}detection:\n    s: {{F: x}}\n    condition: 5\n", 7, "not text", "", id="number"
        ),
        pytest.param(
            f"{HEAD}detection:\n    s: {{F: x}}\n", 5, "no condition", "", id="no condition"
        ),
        pytest.param(
            f"{HEAD}detection:\n    not: {{F: x}}\n    condition: not\n",
            6,
            '"not"',
            "rename",
            id="a name that is a word of conditions",
        ),
        pytest.param(
            f"{HEAD}detection:\n    s: {{F: x}}\n    timeframe: 5m\n    condition: s\n",
            7,
            "timeframe",
            "correlation",
            id="timeframe",
        ),
        pytest.param(
            f"level: urgent\n{selection('F: x')}", 1, "urgent", "one of: informational", id="level"
        ),
        pytest.param(f"status: new\n{selection('F: x')}", 1, "new", "stable", id="status"),
        pytest.param(
            f"status: unsupported\n{selection('F: x')}", 1, "unsupported", "", id="unsupported"
        ),
        pytest.param(f"taxonomy: mine\n{selection('F: x')}", 1, "mine", "ecs", id="taxonomy"),
        pytest.param(
            f"tags:\n    - attack.t1059\n    - t1059\n{selection('F: x')}",
            3,
            "namespace",
            "namespace.name",
            id="tag",
        ),
        pytest.param(
            selection("F: x").replace("product: linux", "service: [a]"),
            4,
            'the "service" of the log source is a list',
            "write a rule for each",
            id="log source of two services",
        ),
        pytest.param(selection("F: x").replace("-8000-", "-8-"), 2, "UUID", "uuidgen", id="id"),
        pytest.param(
            re.sub("id: .*", "id: 5", selection("F: x")), 2, "not text", "UUID", id="id is a number"
        ),
        pytest.param(
            selection("F: x").replace("title: A rule", "description: d"), 1, "title", "", id="title"
        ),
    ],
)
def test_a_fault_names_line_problem_and_remedy(
    tmp_path: Path, text: str, line: int, problem: str, remedy: str
) -> None:
    loaded = load(tmp_path, text)

    assert loaded.rules == ()
    assert [f.path for f in loaded.faults] == [tmp_path / "rule.yml"] * len(loaded.faults)
    assert any(
        f.line == line and problem in f.problem and remedy in f.remedy for f in loaded.faults
    ), "\n".join(map(str, loaded.faults))


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.yml").write_text(
        "level: urgent\n"
        + selection("F|contain: x\n        G|re: (?=a)").replace("condition: s", "condition: t")
    )
    (tmp_path / "b" / "c.yaml").write_text(HEAD)
    (tmp_path / "d.yml").write_text(selection("F: x"))

    loaded = load_rules([tmp_path, tmp_path / "missing"], builtin=False)

    assert len(loaded.rules) == 1
    assert [(f.path.name, f.line) for f in loaded.faults] == [
        ("a.yml", 1),
        ("a.yml", 8),
        ("a.yml", 9),
        ("a.yml", 10),
        ("c.yaml", 1),
        ("missing", 1),
    ]


def test_of_two_rules_with_one_id_the_first_stays(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(selection("F: x"))
    (tmp_path / "b.yml").write_text(selection("F: y"))

    loaded = load_rules([tmp_path], builtin=False)

    assert [rule.path.name for rule in loaded.rules] == ["a.yml"]
    assert [(f.path.name, f.line) for f in loaded.faults] == [("b.yml", 2)]
    assert f"{tmp_path / 'a.yml'}:2" in loaded.faults[0].problem


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "a.yml").write_text(selection("F: x"))

    loaded = load_rules([tmp_path, folder / "a.yml", folder / ".." / "sub"], builtin=False)

    assert (len(loaded.rules), loaded.faults) == (1, ())


def test_documents_of_one_file_have_versions_of_their_own(tmp_path: Path) -> None:
    first, second = selection("F: x"), selection("F: y").replace("001\n", "002\n")
    both = load(tmp_path, f"{first}---\n{second}---\n")
    changed = load(tmp_path, f"{first}---\n{second}level: low\n---\n")

    assert [rule.card.version for rule in both.rules] == [
        hashlib.sha256(text.encode()).hexdigest() for text in (first, second)
    ]
    assert both.rules[0].card.version == changed.rules[0].card.version
    assert both.rules[1].card.version != changed.rules[1].card.version


def test_the_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    one = load(tmp_path, selection("F: x"))
    (tmp_path / "sub").mkdir()

    assert load(tmp_path / "sub", selection("F: x")).digest == one.digest
    assert load(tmp_path, selection("F: y")).digest != one.digest


def test_a_rule_of_an_installed_set_has_the_licence_of_the_set(tmp_path: Path) -> None:
    (tmp_path / "installed.json").write_text(
        '{"name": "n", "source": "s", "sha256": "", "installed_at": "", "rules": 1,'
        '"licence": "DRL-1.1", "licence_file": "LICENSE", "authors": [], "refused": []}'
    )
    (tmp_path / "sub").mkdir()

    assert load(tmp_path / "sub", selection("F: x")).rules[0].card.licence == "DRL-1.1"


@pytest.mark.parametrize(
    ("names", "condition", "refused"),
    [
        pytest.param(["a_x", "a_y"], "all of a_*", False, id="a star behind"),
        pytest.param(["x_a"], "1 of *_a", False, id="a star in front"),
        pytest.param(["a_b_c"], "1 of a*b*c", False, id="stars inside"),
        pytest.param(["ab"], "1 of ab*b", True, id="ends may not overlap"),
        pytest.param(["_a"], "1 of _*", False, id="underscore asked for"),
        pytest.param(["_a"], "1 of *", True, id="underscore not asked for"),
        pytest.param(["a"], "any of a", False, id="no star"),
        pytest.param(["a"], "1 of a*a*a*a*a", True, id="too many stars"),
    ],
)
def test_patterns_of_names(
    tmp_path: Path, names: list[str], condition: str, *, refused: bool
) -> None:
    detection = {**{name: {"F": "x"} for name in names}, "condition": condition}

    loaded = load(tmp_path, yaml.safe_dump({**RULE, "detection": detection}))

    assert bool(loaded.faults) == refused


@pytest.mark.data
def test_all_of_sigmahq_loads_but_two_with_placeholders(shared_data: Callable[[str], Path]) -> None:
    sigma = shared_data("sigma-rules") / "sigma"
    folders = [sigma / f"rules{suffix}" for suffix in ("", "-emerging-threats", "-threat-hunting")]

    loaded = load_rules(folders, builtin=False)

    assert len(loaded.rules) == 3752
    assert [(fault.path.name, fault.line) for fault in loaded.faults] == [
        ("win_security_adcs_certighost_cdc_chase_request.yml", 57),
        ("win_security_adcs_certighost_cert_issued_via_chase.yml", 44),
    ]
    assert all("%known_cdcs%" in fault.problem for fault in loaded.faults)


@pytest.mark.data
@pytest.mark.parametrize("archive", ["extra-sigma-rules", "pysigma-test-files"])
def test_rules_of_others_load_or_are_refused(
    shared_data: Callable[[str], Path], archive: str
) -> None:
    folder = shared_data(archive)
    files = {f for suffix in ("*.yml", "*.yaml") for f in folder.rglob(suffix)}

    loaded = load_rules([folder], builtin=False)

    told = {rule.path for rule in loaded.rules} | {fault.path for fault in loaded.faults}
    assert told == files
    assert not any("Error" in fault.problem for fault in loaded.faults)
