"""The engine equals the plain evaluator on any rules, filters, and events."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detections.explain import explain
from detections.match import Engine
from detections.plan import build_plan, decode_plan, encode_plan
from detections.program import Limits
from luytre.core.clock import ManualClock
from tests.detections.building import NOW
from tests.detections.grammar import Drawn, drawn, expected


@settings(max_examples=120, deadline=None)
@given(found=drawn(), cut=st.integers(0, 12))
def test_the_engine_is_the_reference_however_batches_are_cut(found: Drawn, cut: int) -> None:
    plan, _ = build_plan(found.rules, found.filters)
    assume(plan.rules)
    wanted = expected(found, plan)
    whole = found.events
    head, tail = whole.events[:cut], whole.events[cut:]
    engines = [
        Engine(decode_plan(encode_plan(plan)), ManualClock(NOW), dict, limits)
        for limits in (Limits(), Limits(values=1, spent_bytes=1), Limits(learn_rows=1), Limits())
    ]

    assert set(engines[0].hits(whole)) == wanted
    for each in engines:
        parts = [each.hits(whole.with_events(frame)) for frame in (head, tail)]
        assert {*parts[0], *((row + head.height, name) for row, name in parts[1])} == wanted


@settings(max_examples=40, deadline=None)
@given(found=drawn())
def test_what_is_hidden_and_what_is_not_is_what_matches(found: Drawn) -> None:
    plan, _ = build_plan(found.rules, found.filters)
    bare, _ = build_plan(found.rules)

    judged = Engine(plan, ManualClock(NOW)).judged(found.events)

    hidden = {(row, rule) for row, rule, _ in judged.hidden}
    assert {*judged.hits, *hidden} == set(Engine(bare, ManualClock(NOW)).hits(found.events))
    assert not hidden.intersection(judged.hits)


@settings(max_examples=40, deadline=None)
@given(found=drawn())
def test_an_explanation_says_what_the_engine_does(found: Drawn) -> None:
    plan, _ = build_plan(found.rules)
    hits = set(Engine(plan, ManualClock(NOW)).hits(found.events))
    number_of = {rule.card.id: number for number, rule in enumerate(plan.rules)}

    for rule in found.rules:
        if rule.card.id in number_of:
            explained = explain(rule, found.events, 0)
            assert explained.holds is ((0, number_of[rule.card.id]) in hits)
