"""Regexes of rules: RE2's dialect, Sigma's flags, and limits."""

import time

import pytest

from detections.regex import LENGTH_MAX, BadRegexError, Regex, compile_regex


def regex(pattern: str, flags: str = "") -> Regex:
    return compile_regex(
        pattern, ignore_case="i" in flags, multiline="m" in flags, dotall="s" in flags
    )


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "span"),
    [
        pytest.param("b+", "", "abbc", (1, 3), id="anywhere"),
        pytest.param("^b", "", "ab", None, id="anchored"),
        pytest.param("B", "", "abc", None, id="case counts"),
        pytest.param("B", "i", "abc", (1, 2), id="i: case does not"),
        pytest.param("^b$", "", "a\nb\nc", None, id="ends of the text"),
        pytest.param("^b$", "m", "a\nb\nc", (2, 3), id="m: ends of lines"),
        pytest.param("a|^b", "m", "c\nb", (2, 3), id="m in the second alternative"),
        pytest.param("a.b", "", "a\nb", None, id="dot is no line end"),
        pytest.param("a.b", "s", "a\nb", (0, 3), id="s: dot is any"),
        pytest.param("ậ+", "", "mật", (1, 2), id="characters, not bytes"),
        pytest.param("u$", "", "khẩu", (3, 4), id="after characters of many bytes"),
        pytest.param("", "", "abc", (0, 0), id="empty"),
        pytest.param("(?i)B", "", "abc", (1, 2), id="flag in the pattern"),
    ],
)
def test_search(pattern: str, flags: str, text: str, span: tuple[int, int] | None) -> None:
    found = regex(pattern, flags)

    assert found.search(text) == span
    assert found.found_in(text) == (span is not None)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        pytest.param("(?=a)b", "perl operator", id="look-ahead"),
        pytest.param("(?<!a)b", "perl operator", id="look-behind"),
        pytest.param(r"(a)\1", "escape sequence", id="back-reference"),
        pytest.param("(a{1000}){1000}", "repetition size", id="bomb"),
        pytest.param(r"[\p{L}]{1000}", "too large", id="large program"),
        pytest.param("(" * 3, "missing )", id="brackets"),
        pytest.param("a" * (LENGTH_MAX + 1), "longer", id="long"),
        pytest.param("\ud800", "surrogate", id="lone surrogate"),
    ],
)
def test_refused_with_reason(pattern: str, reason: str) -> None:
    with pytest.raises(BadRegexError, match=reason.replace(")", r"\)")):
        regex(pattern)


def test_time_is_linear_where_backtracking_explodes() -> None:
    started = time.process_time()

    found = regex("(a+)+$").found_in("a" * 50_000 + "b")

    assert not found
    assert time.process_time() - started < 1
