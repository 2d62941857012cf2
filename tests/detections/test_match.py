"""The engine says what the rules say, one meaning a row."""

import json
from typing import Any

import polars as pl
import pytest

from detections.match import Engine
from detections.plan import build_plan
from detections.program import Limits
from luytre.core.alert import Matcher, alert_id
from luytre.core.batch import LogSource, Part
from luytre.core.clock import ManualClock
from tests.detections.building import LINUX, NOW, batch, engine, rule


def holds(detection: dict[str, Any], event: dict[str, Any]) -> bool:
    return bool(engine(rule(detection)).hits(batch([event])))


ONE = "\u2013"
CASES = [
    pytest.param({"a": "Cmd.EXE"}, {"a": "cMD.exe"}, True, id="equals folds"),
    pytest.param({"a": "cmd"}, {"a": "cmd.exe"}, False, id="equals is the whole text"),
    pytest.param({"a|cased": "Cmd"}, {"a": "cmd"}, False, id="cased does not fold"),
    pytest.param({"a|cased": "Cmd"}, {"a": "Cmd"}, True, id="cased holds"),
    pytest.param({"a|contains|cased": "ĐƯ"}, {"a": "xĐƯy"}, True, id="cased beyond ASCII"),
    pytest.param({"a|contains|cased": "ΑΣ"}, {"a": "ΑΣΑ"}, True, id="cased sigma within a word"),
    pytest.param({"a|contains": "ας"}, {"a": "ΑΣΑ"}, True, id="every sigma folds alike"),
    pytest.param({"a": "*.exe"}, {"a": "a\nb.exe"}, True, id="a star spans line ends"),
    pytest.param({"a": "a?c"}, {"a": "a\nc"}, True, id="a question mark is any character"),
    pytest.param({"a": "a?c"}, {"a": "ac"}, False, id="a question mark is one character"),
    pytest.param({"a": "a?c"}, {"a": "ađc"}, True, id="one character of several bytes"),
    pytest.param({"a": "*"}, {"a": ""}, True, id="a star matches nothing"),
    pytest.param({"a": "*"}, {}, False, id="a star needs a text"),
    pytest.param({"a": "?*"}, {"a": ""}, False, id="one character or more"),
    pytest.param({"a": r"1\*2"}, {"a": "1*2"}, True, id="an escaped star is a star"),
    pytest.param({"a": r"1\*2"}, {"a": "1x2"}, False, id="an escaped star is no wildcard"),
    pytest.param({"a": r"C:\\*"}, {"a": "C:\\x"}, True, id="a backslash before a wildcard"),
    pytest.param({"a": r"C:\a"}, {"a": r"C:\A"}, True, id="a plain backslash"),
    pytest.param({"a": r"*\*x*[y"}, {"a": "1*x2[y"}, True, id="escapes within wildcards"),
    pytest.param({"a|contains": "b*d"}, {"a": "abcde"}, True, id="wildcards within contains"),
    pytest.param({"a|startswith": "ab"}, {"a": "ABc"}, True, id="startswith"),
    pytest.param({"a|startswith": "b"}, {"a": "abc"}, False, id="startswith fails"),
    pytest.param({"a|endswith": "bc"}, {"a": "aBC"}, True, id="endswith"),
    pytest.param({"a|endswith": "bc"}, {"a": "abc "}, False, id="endswith minds blanks"),
    pytest.param({"a": ""}, {"a": ""}, True, id="the empty text"),
    pytest.param({"a": ""}, {}, False, id="missing is not empty"),
    pytest.param({"a": ""}, {"a": None}, False, id="null is not empty"),
    pytest.param({"a": None}, {}, True, id="missing is null"),
    pytest.param({"a": None}, {"a": None}, True, id="null is null"),
    pytest.param({"a": None}, {"a": ""}, False, id="empty is not null"),
    pytest.param({"a": None}, {"a": []}, False, id="an empty list is not null"),
    pytest.param({"a|exists": True}, {"a": None}, True, id="null exists"),
    pytest.param({"a|exists": True}, {}, False, id="missing does not exist"),
    pytest.param({"a|exists": False}, {}, True, id="does not exist"),
    pytest.param({"a": 1}, {"a": "1"}, True, id="a number in text"),
    pytest.param({"a": 16}, {"a": "0x10"}, True, id="a hexadecimal number"),
    pytest.param({"a": 1.5}, {"a": "15e-1"}, True, id="another form of a number"),
    pytest.param({"a": 1}, {"a": "1_0"}, False, id="no number"),
    pytest.param({"a": True}, {"a": "TRUE"}, True, id="a boolean"),
    pytest.param({"a|gt": 5}, {"a": 6}, True, id="gt"),
    pytest.param({"a|gt": 5}, {"a": "x6"}, False, id="gt on no number"),
    pytest.param({"a|gte": 5}, {"a": "5.0"}, True, id="gte"),
    pytest.param({"a|lt": 5}, {"a": -1}, True, id="lt"),
    pytest.param({"a|lte": 5}, {"a": 5.5}, False, id="lte"),
    pytest.param({"a|gt": 5}, {"a": "1e999"}, False, id="infinity is no number"),
    pytest.param({"a|re": "b.d"}, {"a": "abcd"}, True, id="a regex is found anywhere"),
    pytest.param({"a|re": "B"}, {"a": "b"}, False, id="a regex minds case"),
    pytest.param({"a|re|i": "b[^x]s+"}, {"a": "ABc\u017fS"}, True, id="a long s folds in a regex"),
    pytest.param({"a|re": "a.b"}, {"a": "a\nb"}, False, id="a dot is no line end"),
    pytest.param({"a|re|s": "a.b"}, {"a": "a\nb"}, True, id="a dot with s"),
    pytest.param({"a|re": "^b"}, {"a": "a\nb"}, False, id="a caret is the text's start"),
    pytest.param({"a|re|m": "^b"}, {"a": "a\nb"}, True, id="a caret with m"),
    pytest.param({"a|cidr": "10.0.0.0/8"}, {"a": "10.1.2.3"}, True, id="cidr"),
    pytest.param({"a|cidr": "10.0.0.0/8"}, {"a": "::ffff:10.1.2.3"}, True, id="cidr mapped"),
    pytest.param({"a|cidr": "fe80::/10"}, {"a": "fe80::1%eth0"}, True, id="cidr with a zone"),
    pytest.param({"a|cidr": "10.0.0.0/8"}, {"a": "10.1.2"}, False, id="cidr on no address"),
    pytest.param({"a|fieldref": "b"}, {"a": "X", "b": "x"}, True, id="fieldref"),
    pytest.param({"a|fieldref": "b"}, {"a": None, "b": None}, False, id="fieldref of nulls"),
    pytest.param({"a|fieldref": "b"}, {}, False, id="fieldref of nothing"),
    pytest.param({"a|fieldref|endswith": "b"}, {"a": "xy", "b": "Y"}, True, id="fieldref ends"),
    pytest.param({"a|windash|contains": "-enc"}, {"a": f"x {ONE}ENC"}, True, id="windash"),
    pytest.param({"a|base64offset|contains": "abc"}, {"a": "xxhYm"}, True, id="base64offset"),
    pytest.param({"a": ["x", "y"]}, {"a": "y"}, True, id="values are alternatives"),
    pytest.param({"a|contains|all": ["x", "y"]}, {"a": "y"}, False, id="all values"),
    pytest.param({"a|contains|all": ["x", "y"]}, {"a": ["x", "y"]}, True, id="all, over a list"),
    pytest.param({"a": "y"}, {"a": ["x", ["y", None]]}, True, id="any element of a list"),
    pytest.param({"a": "xy"}, {"a": ["x", "y"]}, False, id="elements are apart"),
    pytest.param({"a": None}, {"a": [None]}, False, id="a list of null"),
    pytest.param({"a": "x", "b": "y"}, {"a": "x"}, False, id="a map is and"),
    pytest.param([{"a": "x"}, {"b": "y"}], {"b": "y"}, True, id="a list of maps is or"),
    pytest.param({"a|neq": "x"}, {}, True, id="neq on a missing field"),
    pytest.param({"Image|endswith": "/sh"}, {"Image": "/bin/sh"}, True, id="a mapped field"),
    pytest.param({"a": "İ"}, {"a": "i̇"}, True, id="a dotted capital I"),
    pytest.param({"a|contains": "k"}, {"a": "\u212a"}, True, id="the Kelvin sign"),
    pytest.param({"a": "ss"}, {"a": "ß"}, False, id="a sharp s is one letter"),
    pytest.param({"a|contains": "Đăng"}, {"a": "đĂng nhập"}, True, id="Vietnamese"),
    pytest.param(["nhập", "x"], {"a": {"b": "Đăng NHẬP"}}, True, id="a keyword"),
    pytest.param(["nhập"], {"nhập": "x"}, False, id="a keyword is not in names"),
    pytest.param([r"c:\w"], {"a": "C:\\W"}, True, id="a keyword with a backslash"),
    pytest.param(['"q"'], {"a": '"Q"'}, True, id="a keyword with quotes"),
    pytest.param(["a*c"], {"a": "xaBCx"}, True, id="a keyword with a wildcard"),
    pytest.param([1000], {"a": 1e3}, True, id="a number as keyword"),
    pytest.param(["k"], {"a": "\u212a"}, True, id="a keyword and the Kelvin sign"),
    pytest.param({"|all": ["x", "y"]}, {"a": "x", "b": "y"}, True, id="all keywords, anywhere"),
    pytest.param({"|re": "b.d"}, {"a": "abcd"}, True, id="a keyword regex"),
]


@pytest.mark.parametrize(("selection", "event", "expected"), CASES)
@pytest.mark.parametrize("negated", [False, True])
def test_a_selection(
    selection: Any, event: dict[str, Any], *, expected: bool, negated: bool
) -> None:
    condition = "not s" if negated else "s"

    assert holds({"s": selection, "condition": condition}, event) is (expected is not negated)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a1 or a2 and b", True),
        ("(a1 or a2) and b", False),
        ("not a1", False),
        ("not b and a1", True),
        ("not (a1 and b)", True),
        ("1 of a*", True),
        ("all of a*", False),
        ("1 of them", True),
        ("all of them", False),
        ("any of a*", True),
        (["b", "a1"], True),
        (["b", "a2"], False),
    ],
)
def test_a_condition(condition: Any, *, expected: bool) -> None:
    selections = {name: {"f": name} for name in ("a1", "a2", "b")}

    assert holds({**selections, "condition": condition}, {"f": "a1"}) is expected


def test_a_constant_decides_before_any_row() -> None:
    part = Part("p", (LINUX,), {}, {"EventID": "7"})
    found = engine(
        rule({"s": {"EventID": 7, "a": "x"}, "condition": "s"}, "seven"),
        rule({"s": {"EventID": 8, "b": "x"}, "condition": "s"}, "eight"),
        rule({"s": {"EventID": 8}, "condition": "not s"}, "not eight"),
    )

    assert found.needed(part) == {"a"}
    assert found.hits(batch([{"a": "x"}, {"a": "y"}], part)) == [(0, 0), (0, 2), (1, 2)]


def test_only_rules_of_the_log_source_apply() -> None:
    detection = {"s": {"a": "x"}, "condition": "s"}
    found = engine(
        rule(detection, "any", LogSource()),
        rule(detection, "other", LogSource("windows")),
        rule(detection, "mine", LogSource("linux")),
    )

    assert found.hits(batch([{"a": "x"}])) == [(0, 0), (0, 2)]


def test_a_column_that_the_frame_lacks_is_missing() -> None:
    found = engine(rule({"s": {"a": "x"}, "n": {"b": "y"}, "condition": "s and not n"}))

    assert found.hits(batch([{"a": "x"}])) == [(0, 0)]


def test_columns_that_are_no_text_are_missing() -> None:
    found = engine(rule({"s": {"luytre.sequence": 0}, "condition": "s"}))

    assert found.hits(batch([{"a": "x"}])) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(rb'{"a": "\u006dimikatz"}', True, id="escaped characters"),
        pytest.param(rb'{"a": "C:\\users\\mimikatz"}', True, id="a backslash before a u"),
        pytest.param(b'{"a": ' + b"[" * 80 + b'"mimikatz"' + b"]" * 80 + b"}", True, id="deep"),
        pytest.param(b"{ mimikatz", True, id="broken JSON is a line"),
        pytest.param(b"mimi\xffkatz mimikatz", True, id="broken UTF-8"),
        pytest.param(b'{"mimikatz": 1}', False, id="a name"),
    ],
)
def test_a_keyword_in_raw_events(line: bytes, *, expected: bool) -> None:
    found = engine(rule({"s": ["Mimikatz"], "condition": "s"}))
    events = batch([{"a": "x"}])
    events = events.with_events(
        events.events.with_columns(pl.Series("event.original", [line], dtype=pl.Binary))
    )

    assert bool(found.hits(events)) is expected


def test_an_alert_says_what_held() -> None:
    found: Matcher = Engine(
        build_plan(
            [
                rule(
                    {
                        "s": {"Image|endswith": "/sh", "b": ["x", "y"]},
                        "f": {"c": "z"},
                        "k": ["q"],
                        "condition": "s and k and not f",
                    },
                    "r1",
                )
            ]
        )[0],
        ManualClock(NOW),
        lambda: {"geo": "7"},
    )
    event = {"Image": "/bin/SH", "b": ["1", "Y"], "n": None, "o": "Q"}

    (alert,) = found(batch([event]))

    assert alert.id == alert_id("r1", "0")
    assert [(r.selection, r.field, r.column, r.operation, r.value) for r in alert.reasons] == [
        ("s", "Image", "process.executable", "endswith", "/bin/SH"),
        ("s", "b", "b", "equals", "Y"),
        ("k", "", "event.original", "contains", "Q"),
    ]
    assert alert.event["b"] == "1, Y"
    assert alert.event["n"] == "null"
    assert alert.event["@timestamp"] == "2026-01-01T00:00:00+00:00"
    assert "event.original" not in alert.event
    assert "c" not in alert.event
    assert (alert.seen_at, alert.detected_at, alert.organization_id) == (NOW, NOW, "org")
    assert alert.versions.keys() == {"geo", "rules"}
    assert alert.original == json.dumps(event, ensure_ascii=False).encode()


def test_an_engine_keeps_within_its_memory() -> None:
    found = engine(
        rule({"s": {"a|contains": "x", "b|endswith": "y"}, "condition": "s"}),
        limits=Limits(values=10, spent_bytes=2_000),
    )
    events = [{"a": f"{'x' if n % 2 else 'z'}{n}", "b": f"{n}y"} for n in range(500)]

    hits = [found.hits(batch(events[at : at + 50])) for at in range(0, 500, 50)]

    assert [row for each in hits for row, _ in each] == [*range(1, 50, 2)] * 10
    assert found.spent_bytes < 100_000


def test_the_literal_that_guards_a_test_says_nothing_of_other_atoms() -> None:
    # Always a candidate, so its regex is tested on each value where "http" stands ...
    often = rule({"a": {"Image": "x.exe", "Line|re": "http[0-9]+"}, "condition": "a"}, "often")
    # ... while this rule's own trigger is rare, and "http" none.
    seldom = rule({"a": {"Image": "y.exe", "Line|contains": "http"}, "condition": "a"}, "seldom")
    plan, faults = build_plan([often, seldom])
    images = ["x.exe"] * 999 + ["y.exe"]
    events = batch([{"Image": image, "Line": f"https {n}"} for n, image in enumerate(images)])
    learnt = Engine(plan, ManualClock(NOW), dict, Limits(learn_rows=1))

    assert not faults
    assert learnt.hits(events) == [(999, 1)]
