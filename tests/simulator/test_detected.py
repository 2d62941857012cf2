"""Our rules find every simulated attack and leave everyday life alone."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import enrich
from detections.correlation_resolve import muted
from detections.load import BUILTIN, load_rules
from detections.match import Engine
from detections.plan import build_plan
from ingest.intake import Intake
from ingest.shippers.files import read_file
from luytre.core.alert import LEVELS, Alert
from luytre.core.clock import ManualClock
from luytre.core.config import Config, load_config
from luytre.core.message import Record
from luytre.simulator import Truth, simulate

START = datetime(2026, 11, 23, 2, tzinfo=UTC)
ALARMING = LEVELS[LEVELS.index("high") :]

DEVELOPED = (1, 2, 3)
"""Seeds that were looked at while the rules were written."""

UNSEEN = 826_411
"""A seed that nobody looked at before: its false alarms are counted below as they came."""


def alerts(
    folder: Path, seed: int, *, whole: bool = False, own: Path | None = None
) -> tuple[Truth, list[Alert]]:
    """Simulate, and take the way that events take in production."""
    truth = simulate(folder, seed=seed, start=START, rate=0.25, whole=whole)
    config = load_config(folder / "luytre.yaml")
    clock = ManualClock(START)
    rules = load_rules([BUILTIN, *([own] if own else [])], builtin=False)
    plan, faults = build_plan(rules.rules)
    assert not faults
    quiet = muted(rules.correlations)
    engine = Engine(plan, clock)
    enrichment = enrich.build(config.enrich, folder / "state", clock)
    assert list(enrichment.notes) == []
    intake = Intake(lambda part: engine.needed(part) | enrichment.needed)
    found = []
    for record in records(folder, config):
        for batch in intake([record]):
            assert batch.rejects.is_empty()
            found += [a for a in engine(enrichment(batch)) if a.rule.id not in quiet]
    return truth, found


def records(folder: Path, config: Config) -> Iterator[Record]:
    for files in config.ship.files:
        for pattern in files.paths:
            for path in sorted(folder.glob(str(Path(pattern).relative_to(folder)))):
                messages = read_file(
                    path, config.ship, organization=files.organization, hint=files.log_source,
                    shipper="test",
                )  # fmt: skip
                yield from (Record("events", 0, n, START, m) for n, m in enumerate(messages))


def verdicts(found: list[Alert]) -> set[tuple[str, str]]:
    return {(alert.rule.id, hashlib.sha256(alert.original).hexdigest()) for alert in found}


def false_alarms(truth: Truth, found: list[Alert]) -> Counter[tuple[str, str]]:
    wrong = set(truth.false_alarms(verdicts(found)))
    return Counter(
        (alert.rule.level, alert.rule.title)
        for alert in found
        if (alert.rule.id, hashlib.sha256(alert.original).hexdigest()) in wrong
    )


@pytest.mark.parametrize("seed", [*DEVELOPED, UNSEEN])
@pytest.mark.parametrize(("whole", "attacks"), [(False, 5), (True, 16)], ids=["demo", "whole"])
def test_every_attack_is_found_and_nothing_else_alarms(
    seed: int, *, whole: bool, attacks: int, tmp_path: Path
) -> None:
    truth, found = alerts(tmp_path, seed, whole=whole)

    assert len(truth.attacks) == attacks
    missed = {attack.id: attack.missed(verdicts(found)) for attack in truth.attacks}
    assert missed == dict.fromkeys(missed, frozenset())
    wrong = false_alarms(truth, found)
    assert [alarm for alarm in wrong if alarm[0] in ALARMING] == []
    assert wrong == Counter()  # below high too, for the seeds above
