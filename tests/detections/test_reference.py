"""The reference says of events what docs/reference/sigma-semantics.md says, row by row."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigma.types import SigmaString

from detections.reference import Reference, needed_columns, reference_hits
from detections.reference_values import Cell, cell_check, parse_number
from luytre.core.batch import Batch, LogSource, Part
from luytre.core.cells import cell
from luytre.core.ecs import ENVELOPE, empty_rejects
from tests.detections.conftest import WriteRule

LINUX = LogSource("linux", None, "app")
PART = Part("linux/app", (LINUX,), {"Image": "process.executable"})


def batch(
    events: Sequence[Mapping[str, Any]], raw: bytes | None = None, part: Part = PART
) -> Batch:
    names = sorted({name for event in events for name in event})
    columns = {
        part.column(name): pl.Series(
            [cell(event[name]) if name in event else None for event in events], dtype=pl.String
        )
        for name in names
    }
    frame = pl.DataFrame(
        {
            "event.id": [str(number) for number in range(len(events))],
            "event.original": [raw or json.dumps(event).encode() for event in events],
            **columns,
        }
    )
    nulls = [pl.lit(None, kind).alias(name) for name, kind in ENVELOPE.items() if name not in frame]
    return Batch(part, frame.with_columns(nulls), empty_rejects(), {})


def field(key: str, value: Any) -> dict[str, Any]:
    return {"s": {key: value}, "condition": "s"}


SHIFTED = [b64encode(b"a" * n + "mật khẩu".encode() + b"!").decode() for n in range(3)]
WIDE = b64encode(b"\xff\xfe" + "cmd".encode("utf-16le")).decode()
FIELDS = [
    pytest.param("F", "abc", "ABC", True, id="string folded"),
    pytest.param("F", "abc", "abcd", False, id="string is whole"),
    pytest.param("F", "İK", "i̇k", True, id="folded beyond ASCII"),
    pytest.param("F", "ΟΔΟΣ", "οδος", True, id="final sigma"),
    pytest.param("F", "ß", "SS", False, id="lower, not casefold"),
    pytest.param("F", "a*c", "a\nb\nc", True, id="star over line ends"),
    pytest.param("F", "a*c", "ac", True, id="star is also nothing"),
    pytest.param("F", "a*b*c", "aXcXb", False, id="stars keep the order"),
    pytest.param("F", "ab*bc", "abc", False, id="ends may not overlap"),
    pytest.param("F", "a?c", "a\nc", True, id="question mark"),
    pytest.param("F", "a?c", "ac", False, id="question mark is one"),
    pytest.param("F", "*a?c*", "xxabcxx", True, id="question mark inside stars"),
    pytest.param("F", r"a\*c", "a*c", True, id="literal star"),
    pytest.param("F", r"a\*c", "abc", False, id="literal star is no star"),
    pytest.param("F", r"a\\*c", r"a\bc", True, id="backslash and star"),
    pytest.param("F", r"a\\\*c", r"a\*c", True, id="backslash and literal star"),
    pytest.param("F", r"a\c", r"a\c", True, id="backslash"),
    pytest.param("F", r"a\\c", r"a\c", True, id="two backslashes are one"),
    pytest.param("F", r"a\\\\c", r"a\\c", True, id="four are two"),
    pytest.param("F", "*", "", True, id="star of an empty text"),
    pytest.param("F", "*", None, False, id="star of null"),
    pytest.param("F", "b", ["a", "B"], True, id="any of a list"),
    pytest.param("F", "*", [], False, id="star of an empty list"),
    pytest.param("F", ["a", "b"], "b", True, id="any value"),
    pytest.param("F|contains", "b*d", "abcde", True, id="contains"),
    pytest.param("F|contains", "bd", "abcde", False, id="contains: not there"),
    pytest.param("F|startswith", "ab", "ABC", True, id="startswith"),
    pytest.param("F|startswith", "bc", "abc", False, id="startswith: elsewhere"),
    pytest.param("F|endswith", "bc", "aBC", True, id="endswith"),
    pytest.param("F|endswith", "bc", "abc ", False, id="endswith: blanks count"),
    pytest.param("F|contains|all", ["a", "c"], "abc", True, id="all"),
    pytest.param("F|contains|all", ["a", "d"], "abc", False, id="all: one is missing"),
    pytest.param("F|all", ["a", "b"], ["a", "b"], True, id="all: each in any text"),
    pytest.param("F|cased", "Ab", "Ab", True, id="cased"),
    pytest.param("F|cased", "Ab", "ab", False, id="cased: other case"),
    pytest.param("F|contains|cased", "B", "aBc", True, id="contains cased"),
    pytest.param("F|contains|cased", "B", "abc", False, id="contains cased: other case"),
    pytest.param("F|neq", "a", "b", True, id="neq"),
    pytest.param("F|neq", ["a", "b"], "b", False, id="neq of a list"),
    pytest.param("F|neq", "a", ..., True, id="neq of a missing field"),
    pytest.param("F", 4688, "4688", True, id="number"),
    pytest.param("F", 4688, 4688.0, True, id="number as float"),
    pytest.param("F", 4688, "4688.0", True, id="number with a fraction of nothing"),
    pytest.param("F", 4688, "0x1250", True, id="number as hex"),
    pytest.param("F", 4688, " 4688", False, id="number with a blank"),
    pytest.param("F", 4688, "46880", False, id="number is whole"),
    pytest.param("F", 1.5, "1.50", True, id="float"),
    pytest.param("F", 1, True, False, id="true is no number"),
    pytest.param("F", True, "TRUE", True, id="true as text"),
    pytest.param("F", False, False, True, id="false"),
    pytest.param("F", "true", True, True, id="text true"),
    pytest.param("F", None, ..., True, id="null: missing"),
    pytest.param("F", None, None, True, id="null: null"),
    pytest.param("F", None, "", False, id="null: empty text"),
    pytest.param("F", None, [], False, id="null: empty list"),
    pytest.param("F", "", "", True, id="empty: empty text"),
    pytest.param("F", "", None, False, id="empty: null"),
    pytest.param("F", "", ..., False, id="empty: missing"),
    pytest.param("F", "", ["a", ""], True, id="empty: in a list"),
    pytest.param("F|exists", True, None, True, id="exists: null"),
    pytest.param("F|exists", True, ..., False, id="exists: missing"),
    pytest.param("F|exists", False, ..., True, id="exists false: missing"),
    pytest.param("F|exists", False, [], False, id="exists false: empty list"),
    pytest.param("F|re", "b.d", "abcde", True, id="re anywhere"),
    pytest.param("F|re", "B", "abc", False, id="re: case counts"),
    pytest.param("F|re|i", "B", "abc", True, id="re i"),
    pytest.param("F|re", "^b", "a\nb", False, id="re: the text's start"),
    pytest.param("F|re|m", "^b", "a\nb", True, id="re m"),
    pytest.param("F|re", "a.b", "a\nb", False, id="re: dot"),
    pytest.param("F|re|s", "a.b", "a\nb", True, id="re s"),
    pytest.param("F|re", "", ..., False, id="re: missing"),
    pytest.param("F|cidr", "10.0.0.0/8", "10.1.2.3", True, id="cidr"),
    pytest.param("F|cidr", "10.0.0.0/8", "11.1.2.3", False, id="cidr: outside"),
    pytest.param("F|cidr", "10.0.0.0/8", "::ffff:10.1.2.3", True, id="cidr: mapped"),
    pytest.param("F|cidr", "fe80::/10", "fe80::1%eth0", True, id="cidr: zone"),
    pytest.param("F|cidr", "10.0.0.0/8", "10.1.2.3:80", False, id="cidr: no address"),
    pytest.param("F|cidr", "10.0.0.0/8", "fe80::1", False, id="cidr: other version"),
    pytest.param("F|gt", 5, "6", True, id="gt"),
    pytest.param("F|gt", 5, "5", False, id="gt: equal"),
    pytest.param("F|gte", 5, "5.0", True, id="gte"),
    pytest.param("F|lt", 5, "-1", True, id="lt"),
    pytest.param("F|lte", 5, "0x6", False, id="lte"),
    pytest.param("F|lt", 5, "four", False, id="lt: no number"),
    pytest.param("F|lt", 5, ..., False, id="lt: missing"),
    pytest.param("F|windash|contains", " -a", "x \N{EN DASH}A", True, id="windash"),
    pytest.param("F|windash|contains", " -a-b", "x /a/b", False, id="windash: inside a word"),
    pytest.param("F|base64", "foo", "zM9vZm9v", False, id="base64 is whole"),
    pytest.param("F|base64", r"a\*", b64encode(b"a*").decode(), True, id="base64 of a star"),
    pytest.param("F|base64offset|contains", "mật khẩu", SHIFTED[0], True, id="base64offset 0"),
    pytest.param("F|base64offset|contains", "mật khẩu", SHIFTED[1], True, id="base64offset 1"),
    pytest.param("F|base64offset|contains", "mật khẩu", SHIFTED[2], True, id="base64offset 2"),
    pytest.param("F|utf16|base64", "cmd", WIDE, True, id="utf16"),
    pytest.param(
        "F|utf16le|base64", "ộ", b64encode("ộ".encode("utf-16le")).decode(), True, id="le"
    ),
    pytest.param(
        "F|utf16be|base64", "ộ", b64encode("ộ".encode("utf-16be")).decode(), True, id="be"
    ),
    pytest.param("F|wide|contains", "ab", "xa\0b\0", True, id="wide"),
]


@pytest.mark.parametrize(("key", "value", "given_value", "holds"), FIELDS)
def test_a_field(
    load_rule: WriteRule, key: str, value: Any, given_value: Any, *, holds: bool
) -> None:
    rule = load_rule(detection=field(key, value))
    event = {"other": "x"} if given_value is ... else {"F": given_value}

    hits = reference_hits([rule], batch([event]))

    assert hits == ({(rule.card.id, "0")} if holds else set())


@pytest.mark.parametrize(
    ("key", "event", "holds"),
    [
        pytest.param("F|fieldref", {"F": "A", "G": "a"}, True, id="equal, folded"),
        pytest.param("F|fieldref", {"F": ["x", "y"], "G": ["y", "z"]}, True, id="any of any"),
        pytest.param("F|fieldref", {"F": "a"}, False, id="the other is missing"),
        pytest.param("F|fieldref", {"G": "a"}, False, id="the one is missing"),
        pytest.param("F|fieldref", {}, False, id="both are missing"),
        pytest.param("F|fieldref", {"F": None, "G": None}, False, id="both are null"),
        pytest.param("F|fieldref|startswith", {"F": "abc", "G": "AB"}, True, id="startswith"),
        pytest.param("F|fieldref|startswith", {"F": "abc", "G": "bc"}, False, id="starts not"),
        pytest.param("F|fieldref|endswith", {"F": "abc", "G": "bc"}, True, id="endswith"),
        pytest.param("F|fieldref|contains", {"F": "abc", "G": "b"}, True, id="contains"),
        pytest.param("F|cased|fieldref", {"F": "A", "G": "a"}, False, id="cased"),
        pytest.param("F|cased|fieldref", {"F": "A", "G": "A"}, True, id="cased and equal"),
    ],
)
def test_a_field_reference(
    load_rule: WriteRule, key: str, event: dict[str, Any], *, holds: bool
) -> None:
    rule = load_rule(detection=field(key, "G"))

    assert bool(reference_hits([rule], batch([event]))) == holds


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        pytest.param("a", True, id="one"),
        pytest.param("not b", True, id="not"),
        pytest.param("b or a", True, id="or"),
        pytest.param("b and a", False, id="and"),
        pytest.param("a or a and b", True, id="and before or"),
        pytest.param("(a or a) and b", False, id="brackets"),
        pytest.param("not b and a", True, id="not before and"),
        pytest.param("not (b and a)", True, id="not of brackets"),
        pytest.param("1 of x*", True, id="1 of"),
        pytest.param("any of x*", True, id="any of"),
        pytest.param("all of x*", False, id="all of"),
        pytest.param("1 of *_yes", True, id="star in front"),
        pytest.param("all of them", False, id="all of them"),
        pytest.param("1 of them", True, id="1 of them"),
        pytest.param("all of _u*", True, id="underscore asked for"),
        pytest.param(["b", "a"], True, id="several conditions"),
        pytest.param(["b", "b"], False, id="several that do not hold"),
    ],
)
def test_a_condition(load_rule: WriteRule, condition: Any, *, holds: bool) -> None:
    yes, no = {"F": "x"}, {"F": "y"}
    searches = {"a": yes, "b": no, "x_yes": yes, "x_no": no, "_u": yes}
    rule = load_rule(detection={**searches, "condition": condition})

    assert bool(reference_hits([rule], batch([{"F": "x"}]))) == holds


@pytest.mark.parametrize(
    ("search", "event", "holds"),
    [
        pytest.param({"F": "x", "G": "y"}, {"F": "x"}, False, id="a map is and"),
        pytest.param([{"F": "x"}, {"G": "y"}], {"G": "y"}, True, id="a list of maps is or"),
        pytest.param([{"F": "x", "G": "y"}], {"F": "x"}, False, id="of maps that are and"),
        pytest.param(["ab", "cd"], {"N": "xCDx"}, True, id="keywords"),
        pytest.param({"|all": ["ab", "cd"]}, {"N": "ab", "M": ["cd"]}, True, id="all keywords"),
        pytest.param({"|all": ["ab", "cd"]}, {"N": "ab"}, False, id="all but one keyword"),
        pytest.param("a*d", {"N": "xabcdx"}, True, id="a keyword's wildcard"),
        pytest.param("N", {"N": "x"}, False, id="names are not searched"),
        pytest.param([4688], {"N": 146880}, True, id="a number is contained"),
        pytest.param({"|re": "^b"}, {"N": "bc"}, True, id="a regex on each value"),
        pytest.param({"|contains|cased": "AB"}, {"N": "xabx"}, False, id="a cased keyword"),
    ],
)
def test_a_search(load_rule: WriteRule, search: Any, event: dict[str, Any], *, holds: bool) -> None:
    rule = load_rule(detection={"s": search, "condition": "s"})

    assert bool(reference_hits([rule], batch([event]))) == holds


def test_keywords_search_the_line_of_what_is_no_json(load_rule: WriteRule) -> None:
    rule = load_rule(detection={"s": ["Failed PASSWORD"], "condition": "s"})

    hits = reference_hits([rule], batch([{}], raw=b"sshd: failed password for x\xff"))

    assert hits == {(rule.card.id, "0")}


@pytest.mark.parametrize(
    ("logsource", "applies"),
    [
        pytest.param({"product": "linux"}, True, id="the rest is open"),
        pytest.param({"service": "app"}, True, id="any product"),
        pytest.param({"product": "linux", "service": "app"}, True, id="equal"),
        pytest.param({"product": "windows"}, False, id="another product"),
        pytest.param(
            {"product": "linux", "category": "file_event"}, False, id="more than is known"
        ),
    ],
)
def test_a_rule_applies_to_its_log_source(
    load_rule: WriteRule, logsource: dict[str, str], *, applies: bool
) -> None:
    rule = load_rule(logsource=logsource)

    assert bool(reference_hits([rule], batch([{"F": "x"}]))) == applies
    assert needed_columns([rule], PART) == (frozenset({"F"}) if applies else frozenset())


def test_fields_are_columns_of_the_part(load_rule: WriteRule) -> None:
    rule = load_rule(
        detection={"s": {"Image": "x", "F|fieldref": "Image", "|re": "z*"}, "condition": "not s"}
    )

    assert needed_columns([rule], PART) == {"process.executable", "F"}
    assert reference_hits([rule], batch([{"Image": "x", "F": "x"}])) == set()


def test_columns_that_are_not_text_are_missing(load_rule: WriteRule) -> None:
    rule = load_rule(detection=field("luytre.sequence", None))

    assert reference_hits([rule], batch([{"F": "x"}])) == {(rule.card.id, "0")}


def test_what_is_remembered_changes_nothing(load_rule: WriteRule) -> None:
    rule = load_rule(detection=field("F|contains", ["ab", "cd"]))
    values = ["ab", "x", "CD", "ab", "x"]
    reference = Reference([rule])

    first = reference.hits(batch([{"F": value} for value in values]))

    assert {event for _, event in first} == {"0", "2", "3"}
    assert reference.hits(batch([{"F": value} for value in values])) == first


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("-0x1F", -31, id="hex with a sign"),
        pytest.param(".5", 0.5, id="no digit before"),
        pytest.param("5.", 5, id="no digit behind"),
        pytest.param("1e3", 1000, id="exponent"),
        pytest.param("9007199254740993", 9007199254740993, id="exact"),
        *(
            pytest.param(text, None, id=text or "empty")
            for text in ["", "nan", "inf", "1_000", "٣", "1 ", "0x", "e5", "--1", "1" * 65]
        ),
    ],
)
def test_numbers(text: str, number: float | None) -> None:
    assert parse_number(text) == number


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildcards_are_what_their_definition_says(pattern: str, text: str) -> None:
    def meets(rest: str, left: str) -> bool:
        if not rest:
            return not left
        if rest[0] == "*":
            return any(meets(rest[1:], left[i:]) for i in range(len(left) + 1))
        return bool(left) and rest[0] in ("?", left[0]) and meets(rest[1:], left[1:])

    assert cell_check(SigmaString(pattern))(Cell(text)) == meets(pattern, text)
