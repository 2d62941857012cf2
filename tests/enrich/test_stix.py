import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enrich.files import Notes, UnusableError, read_file
from enrich.stix import UnsupportedPatternError, parse_pattern, stix_indicators

Write = Callable[[str, str], Path]


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        pytest.param("[ipv4-addr:value = '1.2.3.4']", [("address", "1.2.3.4")], id="IPv4"),
        pytest.param("[ipv6-addr:value='2001:db8::1']", [("address", "2001:db8::1")], id="IPv6"),
        pytest.param("[domain-name:value = 'evil.vn']", [("domain", "evil.vn")], id="domain"),
        pytest.param("[url:value = 'http://a/\\'b\\\\']", [("url", "http://a/'b\\")], id="escapes"),
        pytest.param("[file:hashes.'SHA-256' = 'ab']", [("hash", "ab")], id="SHA-256"),
        pytest.param("[file:hashes.MD5 = 'ab']", [("hash", "ab")], id="MD5"),
        pytest.param(
            "[ipv4-addr:value = '1.2.3.4' OR domain-name:value = 'b.vn']",
            [("address", "1.2.3.4"), ("domain", "b.vn")],
            id="OR inside brackets",
        ),
        pytest.param(
            "[url:value = 'a'] OR [url:value = 'b']",
            [("url", "a"), ("url", "b")],
            id="OR between brackets",
        ),
        pytest.param(
            "[ipv4-addr:value IN ('1.2.3.4', '5.6.7.8')]",
            [("address", "1.2.3.4"), ("address", "5.6.7.8")],
            id="IN",
        ),
        pytest.param(
            "[ipv4-addr:value ISSUBSET '10.0.0.0/8']", [("address", "10.0.0.0/8")], id="ISSUBSET"
        ),
    ],
)
def test_a_simple_pattern_names_its_values(pattern: str, values: list[tuple[str, str]]) -> None:
    assert parse_pattern(pattern) == values


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        pytest.param("[url:value = 'a' AND url:value = 'b']", "AND", id="AND"),
        pytest.param("[url:value = 'a'] FOLLOWEDBY [url:value = 'b']", "FOLLOWEDBY", id="order"),
        pytest.param("[url:value = 'a'] WITHIN 5 SECONDS", "WITHIN", id="qualifier"),
        pytest.param("[url:value LIKE '%a']", "LIKE", id="LIKE"),
        pytest.param("[url:value != 'a']", "!", id="not equal"),
        pytest.param("[process:name = 'a']", "process:name", id="another path"),
        pytest.param("[url:value = 'a'", "the end of", id="no end"),
        pytest.param("[url:value IN ('a'", "no end", id="no end of the set"),
        pytest.param("", "the end of", id="empty"),
        pytest.param("rule x { condition: true }", "rule", id="YARA"),
        pytest.param("[" * 300_000, "longer than", id="too long"),
    ],
)
def test_a_pattern_that_says_more_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(UnsupportedPatternError, match=problem):
        parse_pattern(pattern)


def indicator(**fields: Any) -> dict[str, Any]:
    plain = {"type": "indicator", "pattern_type": "stix", "pattern": "[url:value = 'http://a/']"}
    return {**plain, "id": "indicator--1", **fields}


def test_a_bundle_gives_values_with_their_author(write: Write) -> None:
    bundle = {
        "type": "bundle",
        "objects": [
            indicator(name="Bad", confidence=0, created_by_ref="identity--1"),
            indicator(revoked=True),
            {"type": "malware", "name": "X"},
            {"type": "identity", "id": "identity--1", "name": "NCSC"},
            5,
        ],
    }
    path = write("bundle.json", json.dumps(bundle))

    found = list(stix_indicators(read_file(path), Notes(path)))

    assert [(i["value"], i["name"], i["provider"], i["confidence"]) for i in found] == [
        ("http://a/", "Bad", "NCSC", "0")
    ]


def test_an_unsupported_indicator_is_noted_with_its_line(write: Write) -> None:
    objects = [indicator(), indicator(id="indicator--2", pattern="[url:value LIKE 'a']")]
    path = write("bundle.json", json.dumps({"objects": objects}, indent=1))
    notes = Notes(path)

    assert len(list(stix_indicators(read_file(path), notes))) == 1
    line = path.read_text().splitlines().index('   "id": "indicator--2"') + 1
    assert notes.all() == [f"{path}:{line}: indicator--2: LIKE is not supported"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"objects": 5}', '{"objects": [' + "[" * 5000])
def test_what_is_no_bundle_is_unusable(write: Write, text: str) -> None:
    path = write("bundle.json", text)

    with pytest.raises(UnusableError, match="is no STIX bundle"):
        list(stix_indicators(read_file(path), Notes(path)))
