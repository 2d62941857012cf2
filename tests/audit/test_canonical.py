import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luytre.audit.canonical import canonical

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param({"b": 1, "a": None, "": True}, '{"":true,"a":null,"b":1}', id="keys are sorted"),
        pytest.param("\u20ac$\u000f\nA'\"\\/", '"€$\\u000f\\nA\'\\"\\\\/"', id="RFC 8785, section 3.2.2: escapes"),
        pytest.param(
            {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7},
            '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
            id="RFC 8785, section 3.2.3: keys by UTF-16",
        ),
        pytest.param(["Đà Nẵng", ()], '["Đà Nẵng",[]]', id="text is UTF-8"),
        pytest.param("\ud800", '"\\\\ud800"', id="half a surrogate pair is shown as text"),
        pytest.param({"s": frozenset({"b", "a"})}, '{"s":["a","b"]}', id="a set has one order"),
        pytest.param(
            datetime(2026, 11, 25, 7, 0, tzinfo=timezone(timedelta(hours=7))),
            '"2026-11-25T00:00:00.000000Z"',
            id="a time is in UTC",
        ),
    ],
)  # fmt: skip
def test_text(value: Any, text: str) -> None:
    assert canonical(value) == text.encode()


@pytest.mark.parametrize("value", [1.5, 2**53, -(2**53), b"raw", ..., [float("nan")]], ids=repr)
def test_what_has_no_exact_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical(value)


@given(JSON)
def test_it_reads_back_and_stays_the_same(value: Any) -> None:
    text = canonical(value)

    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text
