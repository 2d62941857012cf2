"""The engine equals the plain evaluator on any rules and events."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from detections.explain import explain
from detections.program import Limits
from detections.reference import reference_hits
from luytre.core.batch import Part
from tests.detections.building import LINUX, PART, batch, engine, rule

# Few letters and few fields, so that rules meet events; and what folds or escapes oddly.
TEXTS = ["", "a", "A", "ab", "aB*", "b?", "ba", "ab\nb", "1", "0x1", "1.0", "2", "k", "\u212a", "\u017f", "Σ",
         "ς", "İ", "i̇", "-a", "/a b", "10.0.0.1", "::ffff:10.0.0.1", "true", "\\a", 'a"b', "YWI=", "é",
         "2026-01-01 02:03:04.5", "2026-12-31T23:59:59+07:00", "1700000000"]  # fmt: skip
FIELDS = ["a", "b", "c"]
VALUES = st.one_of(st.sampled_from(TEXTS), st.text("aAbB*?\\\n1k\u017fΣ", max_size=4))
SCALARS = st.one_of(VALUES, st.integers(-1, 17), st.booleans(), st.sampled_from([1.5, None]))
EVENTS = st.dictionaries(
    st.sampled_from(FIELDS), st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), max_size=3
)
TEXT_MODIFIERS = ["", "|contains", "|startswith", "|endswith", "|cased", "|contains|cased", "|all",
                  "|contains|all", "|windash|contains", "|cased|windash", "|neq", "|cased|neq|all"]  # fmt: skip
REGEXES = [
    "a",
    "a+b",
    "^a",
    "a$",
    "[^a]b",
    "a|b",
    "(?:ab)+",
    "a.?b",
    "a{2}",
    r"\*",
    "a\u017f",
    "(a|b)1",
]

TIMES = st.sampled_from([*FIELDS, "@timestamp"])
PARTS = st.sampled_from(["minute", "hour", "day", "week", "month", "year"])
REFERENCES = ["|fieldref", "|cased|fieldref", "|fieldref|contains", "|fieldref|endswith|cased",
              "|startswith|fieldref", "|fieldref|neq", "|fieldref|startswith|neq"]  # fmt: skip


def items() -> st.SearchStrategy[tuple[str, Any]]:
    fields, values = st.sampled_from(FIELDS), st.lists(VALUES, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.builds(str.__add__, fields, st.sampled_from(TEXT_MODIFIERS)), values),
        st.tuples(fields, st.lists(SCALARS, min_size=1, max_size=3)),
        st.tuples(
            st.builds(str.__add__, fields, st.sampled_from(["|re", "|re|i", "|re|m", "|re|s"])),
            st.lists(st.sampled_from(REGEXES), min_size=1, max_size=2),
        ),
        st.tuples(
            st.builds(str.__add__, fields, st.sampled_from(["|gt", "|gte", "|lt", "|lte"])),
            st.integers(-1, 17),
        ),
        st.tuples(
            st.builds("{}|{}{}".format, TIMES, PARTS, st.sampled_from(["", "|gte", "|lt", "|neq"])),
            st.sampled_from([1, 2, 12, 2026]),
        ),
        st.tuples(st.builds("{}|contains".format, fields), st.integers(-1, 2)),
        st.tuples(
            st.builds("{}|{}".format, fields, st.sampled_from(["base64", "wide|base64offset"])),
            st.sampled_from(["a", "ab", "é"]),
        ),
        st.tuples(st.builds("{}|exists".format, fields), st.booleans()),
        st.tuples(st.builds("{}|cidr".format, fields), st.just("10.0.0.0/8")),
        st.tuples(
            st.builds(str.__add__, fields, st.sampled_from(REFERENCES)),
            fields,
        ),
    )


def maps() -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(items(), min_size=1, max_size=3).map(dict)


KEYWORDS = st.lists(st.one_of(VALUES, st.integers(-1, 17)), min_size=1, max_size=2)
SELECTIONS = st.one_of(
    maps(),
    st.lists(maps(), min_size=1, max_size=2),
    KEYWORDS,
    KEYWORDS.map(lambda words: {"|all": words}),
)
CONDITIONS = ["s1", "s1 and s2", "s1 or s2", "not s1", "s1 and not s2", "not (s1 or s2)",
              "1 of s*", "all of them", "s1 or not s2"]  # fmt: skip
RULES = st.lists(
    st.fixed_dictionaries(
        {"s1": SELECTIONS, "s2": SELECTIONS, "condition": st.sampled_from(CONDITIONS)}
    ),
    min_size=1,
    max_size=4,
)
FRAMES = st.lists(EVENTS, min_size=1, max_size=12)
CONSTANT = Part("constant", (LINUX,), {"b": "mapped"}, {"c": "ab"})


@settings(max_examples=200, deadline=None)
@given(detections=RULES, events=FRAMES, cut=st.integers(0, 12), constant=st.booleans())
def test_the_engine_is_the_reference_however_batches_are_cut(
    *, detections: list[dict[str, Any]], events: list[dict[str, Any]], cut: int, constant: bool
) -> None:
    rules = [rule(detection, str(number)) for number, detection in enumerate(detections)]
    part = CONSTANT if constant else PART
    events = [{**event, "c": "ab"} if constant else event for event in events]
    whole = batch(events, part)
    wanted = {(int(event), int(name)) for name, event in reference_hits(rules, whole)}
    found = engine(*rules)
    small = engine(*rules, limits=Limits(values=1, spent_bytes=1))
    eager = engine(*rules, limits=Limits(learn_rows=1))
    head, tail = whole.events[:cut], whole.events[cut:]

    assert set(found.hits(whole)) == wanted
    for each in (found, small, eager, engine(*rules)):
        parts = [each.hits(whole.with_events(frame)) for frame in (head, tail)]
        assert {*parts[0], *((row + head.height, name) for row, name in parts[1])} == wanted
    for number, one in enumerate(rules):
        assert explain(one, whole, 0).holds is ((0, number) in wanted)
