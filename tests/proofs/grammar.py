"""Proof: on random rules, filters, and events of Sigma's whole grammar the engine is the reference.

However the batch is cut, and whatever the engine has learnt or forgotten.
"""

from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from detections.match import Engine
from detections.plan import build_plan
from detections.program import Limits
from luytre.core.clock import ManualClock
from tests.detections.building import NOW
from tests.detections.grammar import Drawn, drawn, expected

ROUND = 500
"""Examples of one run of hypothesis, which slows down with their number."""
LIMITS = (Limits(), Limits(values=1, spent_bytes=1), Limits(learn_rows=1))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was tried. It ends with an error at the first example on which the two differ."""

    examples: int
    rules: int
    refused: int
    filters: int
    events: int
    hits: int
    hidden: int


def prove(count: int, seed: int) -> Outcome:
    """Try ``count`` examples, or as many more as fill whole rounds."""
    tried: Counter[str] = Counter()
    for start in range(0, count, ROUND):
        _round(seed + start, tried)
    return Outcome(**{name: tried[name] for name in Outcome.__slots__})


def _round(seed: int, tried: Counter[str]) -> None:
    @seeded(seed)
    @settings(
        max_examples=ROUND, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(found=drawn(), cut=st.integers(0, 12))
    def example(found: Drawn, cut: int) -> None:
        tried.update(examples=1, rules=len(found.rules), refused=found.refused)
        _compare(found, cut, tried)

    example()


def _compare(found: Drawn, cut: int, tried: Counter[str]) -> None:
    plan, _ = build_plan(found.rules, found.filters)
    wanted = expected(found, plan)
    whole = found.events
    for limits in LIMITS:
        engine = Engine(plan, ManualClock(NOW), limits=limits)
        hits: set[tuple[int, int]] = set()
        for frame, start in (
            (whole.events[:cut], 0),
            (whole.events[cut:], len(whole.events[:cut])),
        ):
            hits |= {(row + start, rule) for row, rule in engine.hits(whole.with_events(frame))}
        assert hits == wanted, found
    judged = Engine(plan, ManualClock(NOW)).judged(whole)
    assert set(judged.hits) == wanted, found
    tried.update(
        filters=len(plan.filters),
        events=len(whole.events),
        hits=len(wanted),
        hidden=len(judged.hidden),
    )
