"""Rules, filters, and events over the whole grammar of Sigma 2.1, for hypothesis."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from sigma.processing.pipeline import ProcessingPipeline

from detections.filters import LoadedFilter, read_filter, resolve_filters
from detections.load import LoadedRule
from detections.mappings import NOTHING, Adaptation
from detections.plan import Plan
from detections.reference import reference_hits
from detections.sigmafile import read_rule
from luytre.core.alert import RuleCard
from luytre.core.batch import Batch, Part
from luytre.core.yamlfile import Document
from tests.detections.building import LINUX, PART, batch

# Few letters and few fields, so that rules meet events; and what folds or escapes oddly.
TEXTS = ["", "a", "A", "ab", "aB*", "b?", "ba", "ab\nb", "1", "0x1", "1.0", "2", "k", "\u212a", "\u017f", "Σ",
         "ς", "İ", "i̇", "-a", "/a b", "\u2014a", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%e", "true", "\\a", 'a"b',
         "YWI=", "YQ==", "YQ", "YQBiAA", "é", "%p%", "x-1", "2026-01-01 02:03:04.5", "2026-12-31T23:59:59+07:00",
         "1700000000"]  # fmt: skip
FIELDS = ["a", "b", "c"]
NAMES = ["s1", "s2", "t", "_u"]
PLACEHOLDERS = {"p": ("a*", "x-1"), "q": ("1",)}
REGEXES = ["a", "a+b", "^a", "a$", "[^a]b", "a|b", "(?:ab)+", "a.?b", "a{2}", r"\*", "a\u017f", "(a|b)1", "^%p%$", "(?=a)"]  # fmt: skip
POSITIONS = ["contains", "startswith", "endswith"]
LISTED = ["all", "neq"]
ENCODINGS = ["wide", "utf16le", "utf16be", "utf16", "base64", "base64offset"]
COMPARISONS = ["gt", "gte", "lt", "lte"]
PARTS = ["minute", "hour", "day", "week", "month", "year"]

values = st.one_of(st.sampled_from(TEXTS), st.text("aAbB*?\\\n1k\u017fΣ-%", max_size=4))
numbers = st.one_of(st.integers(-1, 17), st.sampled_from([1.5, 2026, 1700000000]))
scalars = st.one_of(values, numbers, st.booleans(), st.none())
fields = st.sampled_from(FIELDS)
events = st.dictionaries(fields, st.one_of(scalars, st.lists(scalars, max_size=3)), max_size=3)
frames = st.lists(events, min_size=1, max_size=12)


def some(of: st.SearchStrategy[Any], size: int = 3) -> st.SearchStrategy[Any]:
    """Return one value, or a list of a few."""
    return st.one_of(of, st.lists(of, min_size=1, max_size=size))


def chain(first: Sequence[str], more: Sequence[str], longest: int = 3) -> st.SearchStrategy[str]:
    """Return chains of modifiers with one of ``first`` (if any) among some of ``more``."""
    chosen = st.lists(st.sampled_from(more), unique=True, max_size=longest)
    if not first:
        return chosen.map(_written)
    return st.tuples(st.sampled_from(first), chosen).flatmap(
        lambda drawn: st.permutations(list(dict.fromkeys([drawn[0], *drawn[1]]))).map(_written)
    )  # fmt: skip


def _written(modifiers: Sequence[str]) -> str:
    return "".join(f"|{modifier}" for modifier in modifiers)


def item(field: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, Any]]:
    """Return items of a map of every kind; some do not go together and are refused."""
    text = [*POSITIONS, "cased", "windash", "expand", *LISTED]
    kinds = [
        (chain([], text), some(values)),
        (chain([], [*POSITIONS, "cased", *LISTED]), some(numbers)),
        (chain(ENCODINGS, [*ENCODINGS, "contains", "cased", "neq"]), some(st.sampled_from(["a", "ab", "é", "-a", "k1", "a*"]))),
        (chain([], LISTED, 1), some(scalars)),
        (chain([], ["i", "m", "s", "expand", *LISTED]).map("|re{}".format), some(st.sampled_from(REGEXES), 2)),
        (chain([], ["neq"], 1).flatmap(lambda more: st.sampled_from(COMPARISONS).map(lambda c: f"|{c}{more}")), some(numbers)),
        (st.just("|year"), some(st.sampled_from([2023, 2026, 2027]))),
        (st.builds("|{}{}".format, st.sampled_from(PARTS), chain([], [*COMPARISONS, *LISTED], 2)), some(st.sampled_from([1, 1, 2, 4, 12, 53]))),
        (st.sampled_from(["|exists", "|exists|neq"]), st.booleans()),
        (chain([], LISTED, 1).map("|cidr{}".format), some(st.sampled_from(["10.0.0.0/8", "10.0.0.1", "fe80::/10"]))),
        (chain(["fieldref"], [*POSITIONS, "cased", *LISTED]), some(fields, 2)),
    ]  # fmt: skip
    return st.one_of([st.tuples(st.builds(str.__add__, field, key), of) for key, of in kinds])


maps = st.lists(item(st.sampled_from([*FIELDS, "@timestamp"])), min_size=1, max_size=3).map(dict)
words = st.lists(st.one_of(values, st.integers(-1, 17)), min_size=1, max_size=2)
keywords = st.one_of(
    st.tuples(chain([], [*POSITIONS, "cased", "windash", "expand", *LISTED]), words),
    st.tuples(st.just("|re"), some(st.sampled_from(REGEXES[:-1]))),
    st.tuples(chain([], ["cased", *LISTED]), words),
    st.tuples(st.just("|re|i"), some(st.sampled_from(REGEXES[:-1]))),
)
searches = st.one_of(
    maps,
    maps,
    st.lists(st.one_of(maps, values), min_size=1, max_size=2),
    words,
    st.tuples(keywords).map(dict),
    st.one_of(st.tuples(keywords).map(dict), st.tuples(item(st.just(""))).map(dict)),
)
patterns = st.builds(
    "{} of {}".format,
    st.sampled_from(["1", "any", "all"]),
    st.sampled_from(["them", "s*", "*1", "s*2", "*", "_*", "t"]),
)
conditions = st.recursive(
    st.one_of(st.sampled_from(NAMES), patterns),
    lambda inner: st.one_of(
        st.builds("{} and {}".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
        st.builds("not {}".format, inner),
        st.builds("({})".format, inner),
    ),
    max_leaves=4,
)
detections = st.fixed_dictionaries(
    {**dict.fromkeys(NAMES, searches), "condition": some(conditions, 2)}
)
hidings = st.tuples(
    st.fixed_dictionaries(
        {
            "s1": searches,
            "s2": maps,
            "condition": st.sampled_from(
                ["s1", "s1 or s2", "1 of s*", "s1 and not s2", "all of them", "not s1"]
            ),
        }
    ),
    st.one_of(st.just("any"), st.lists(st.sampled_from(["0", "1"]), min_size=1, unique=True)),
    st.sampled_from(["linux", "linux", "linux", "windows"]),
)


def _mapping(**mapping: Any) -> Adaptation:
    transformation = {"type": "field_name_mapping", "mapping": mapping}
    pipeline = ProcessingPipeline.from_dict({"transformations": [transformation]})
    return Adaptation(PLACEHOLDERS, pipeline)


ADAPTATIONS = [
    NOTHING,
    Adaptation(PLACEHOLDERS),
    Adaptation(PLACEHOLDERS),
    _mapping(a="b"),
    _mapping(b=["a", "c"]),
]
CONSTANT = Part("constant", (LINUX,), {"b": "mapped"}, {"c": "ab"})


@dataclass(frozen=True)
class Drawn:
    """Rules and filters that could be loaded, and events for them."""

    rules: Sequence[LoadedRule]
    filters: Sequence[LoadedFilter]
    events: Batch
    refused: int


def expected(found: Drawn, plan: Plan) -> set[tuple[int, int]]:
    """Return what the reference says of the rules that are planned: rows and numbers of rules."""
    number_of = {rule.card.id: number for number, rule in enumerate(plan.rules)}
    planned = [rule for rule in found.rules if rule.card.id in number_of]
    hits = reference_hits(planned, found.events, found.filters)
    return {(int(event), number_of[rule]) for rule, event in hits}


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    """Return rules, filters, and a batch; the rules' ids are their places."""
    adaptation = draw(st.sampled_from(ADAPTATIONS))
    written = draw(st.lists(detections, min_size=1, max_size=4))
    rules = [
        rule for number, each in enumerate(written) if (rule := _rule(each, number, adaptation))
    ]
    hiding = [
        _filter(each, n, adaptation) for n, each in enumerate(draw(st.lists(hidings, max_size=2)))
    ]
    filters, _ = resolve_filters([each for each in hiding if each], rules)
    constant = draw(st.booleans())
    rows = [{**event, "c": "ab"} if constant else event for event in draw(frames)]
    return Drawn(rules, filters, batch(rows, CONSTANT if constant else PART), len(written) - len(rules))  # fmt: skip


def _rule(detection: dict[str, Any], number: int, adaptation: Adaptation) -> LoadedRule | None:
    document = Document(Path(f"{number}.yml"), {**_header(number), "detection": detection})
    sigma, _ = read_rule(document, adaptation)
    card = RuleCard(str(number), "rule", "high", "v1")
    return LoadedRule(card, LINUX, sigma, document.path, document) if sigma else None


def _filter(hiding: Any, number: int, adaptation: Adaptation) -> LoadedFilter | None:
    written, rules, product = hiding
    header = {**_header(number), "logsource": {"product": product}}
    document = Document(Path(f"f{number}.yml"), {**header, "filter": {"rules": rules, **written}})
    return read_filter(document, adaptation, "v1")[0]


def _header(number: int) -> dict[str, Any]:
    return {"title": f"t{number}", "logsource": {"product": "linux", "service": "app"}}
