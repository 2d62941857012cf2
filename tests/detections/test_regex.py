"""Regexes of rules: RE2's dialect, Sigma's flags, and limits."""

import random
import time

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from detections.regex import LENGTH_MAX, BadRegexError, Regex, compile_regex
from detections.regex_streams import NoStreamsError, Streams


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


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("a.{20}b", id="a million states"),
        pytest.param("[^b]{0,1000}a[^b]{200}b", id="counts side by side"),
        pytest.param("(?:[ac]{1,30}a){5}b", id="a count of counts"),
        pytest.param(r"(Copy-Item|cpi) .{2,128} -Destination .{1,32}\\System32", id="SigmaHQ's"),
    ],
)
def test_no_text_drives_a_regex_through_too_many_states(pattern: str) -> None:
    found = regex(pattern)
    chance = random.Random(7)
    text = "".join(chance.choice(["a", "c", "cpi ", " "]) for _ in range(60_000))

    assert not found.found_in(text)
    started = time.thread_time()
    for _ in range(20):
        found.found_in(text)
    assert time.thread_time() - started < 1, "RE2 alone takes five seconds and more"


def test_a_regex_that_nothing_could_run_fast_is_refused() -> None:
    with pytest.raises(BadRegexError, match="would be slow on some texts"):
        regex("(?:[ac]{1,30}a)+[ac]{40}b")


_ATOMS = ["a", "b", ".", "[ab]", "[^a]", r"\w", r"\s", r"\d", "k", "-", r"\W", "é", "(a)", "[a-k1]"]
_COUNTS = ["*", "+", "?", "{2}", "{1,3}", "{0,5}", "{2,}", "{3,9}", "*?", "{0,7}?"]
_patterns = st.recursive(
    st.sampled_from(_ATOMS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: f"(?:{'|'.join(each)})"),
        st.tuples(inner, st.sampled_from(_COUNTS)).map(lambda each: f"(?:{each[0]}){each[1]}"),
        st.tuples(st.sampled_from(["^", "$", r"\b"]), inner).map("".join),
    ),
    max_leaves=6,
)


@settings(max_examples=500)
@given(
    _patterns,
    st.sets(st.sampled_from("ims")),
    st.lists(st.text("aabbkKs\u212a\u017f-. 1\nxé", max_size=12), max_size=8),
)
def test_bit_streams_find_what_re2_finds(pattern: str, flags: set[str], texts: list[str]) -> None:
    given_flags = {
        "ignore_case": "i" in flags, "multiline": "m" in flags, "dotall": "s" in flags
    }  # fmt: skip
    try:
        streams = Streams(pattern, **given_flags)
    except NoStreamsError:
        reject()
    found = compile_regex(pattern, **given_flags)

    for text in texts:
        assert streams.found_in(text) == (found.search(text) is not None), text


def test_time_is_linear_where_backtracking_explodes() -> None:
    started = time.process_time()

    found = regex("(a+)+$").found_in("a" * 50_000 + "b")

    assert not found
    assert time.process_time() - started < 1
