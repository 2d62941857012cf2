"""A seeded sample of each proof: what CI runs of `make prove`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.playbooks.directory import SLAPD
from tests.playbooks.hostile import CANARY
from tests.proofs import (
    actions,
    alter,
    bombs,
    cluster,
    corpus,
    correlate,
    directories,
    grammar,
    honest,
    hostile,
    kill,
    mutate,
    runs,
    sigma,
    triage_kill,
    week,
)
from tests.services.kafka import KafkaBroker

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1500)]


def test_twenty_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    outcome = kill.prove(tmp_path / "kill", kills=20, seed=20261123)

    assert not outcome.problems
    assert outcome.lines > 1000
    assert outcome.rotations > 0


def test_kills_rebalances_and_broker_restarts_lose_and_double_nothing(
    tmp_path: Path, kafka_broker: KafkaBroker
) -> None:
    faults = cluster.Faults(kills=8, rebalances=4, broker_restarts=2)

    outcome = cluster.prove(tmp_path / "cluster", kafka_broker, faults, seed=20261125)

    assert not outcome.problems
    assert outcome.lines > 1000
    assert sum(outcome.killed.values()) == 8


def test_mutated_lines_end_as_events_or_rejects(shared_data: Callable[[str], Path]) -> None:
    outcome = mutate.prove(mutate.corpus(shared_data), count=40_000, seed=20261123)

    assert outcome.events + outcome.rejects == outcome.lines == 40_000
    assert outcome.rejects > 0


def test_engine_and_reference_agree_on_real_logs(shared_data: Callable[[str], Path]) -> None:
    logs = corpus.sample(list(corpus.logs(shared_data)), seed=20261123, count=40)

    outcome = corpus.compare(logs, sigma.main_rules(shared_data))

    assert not outcome.wrong
    assert {log.corpus for log in logs} == corpus.CORPORA.keys()
    assert outcome.events > 10_000
    assert outcome.hits > 100


def test_no_hostile_pattern_is_slow_on_hostile_values() -> None:
    outcome = hostile.prove(600, seed=20261125)

    assert not outcome.problems
    assert outcome.accepted > 300
    assert outcome.refused > 50


def test_bombs_are_refused_at_once(tmp_path: Path) -> None:
    outcome = bombs.prove(tmp_path)

    assert not outcome.problems
    assert outcome.took_ms.keys() >= bombs.BOMBS.keys()


def test_every_regression_case_fires(shared_data: Callable[[str], Path]) -> None:
    cases = sigma.cases(shared_data)

    assert not sigma.unfired(cases, sigma.main_rules(shared_data))
    assert len(cases) >= 129


def test_engine_and_reference_agree_on_random_rules_and_events() -> None:
    outcome = grammar.prove(count=1_000, seed=20261123)

    assert outcome.rules > 1_000
    assert outcome.hits > 1_000
    assert outcome.hidden > 50


def test_hostile_values_reach_nobody_and_run_nothing(tmp_path: Path) -> None:
    outcome = actions.prove(tmp_path, count=200, seed=20261125)

    assert not outcome.problems
    assert not Path(CANARY).exists()
    assert outcome.done > 100
    assert outcome.refused > 1000


@pytest.mark.skipif(not SLAPD.exists(), reason="OpenLDAP is missing (apt install slapd)")
def test_hostile_names_change_no_account_of_a_directory(tmp_path: Path) -> None:
    outcome = directories.prove(tmp_path / "ldap", count=300, seed=20261125)

    assert not outcome.problems
    assert outcome.disabled == 0
    assert outcome.refused == outcome.calls > 1000
    assert outcome.found > 0


def test_every_alteration_up_to_the_anchor_is_found_and_named() -> None:
    outcome = alter.prove(count=6_000, seed=20261125)

    assert not outcome.missed
    assert not outcome.unnamed
    assert len(outcome.alterations) == 12
    assert min(outcome.alterations.values()) > 400


def test_honest_histories_raise_no_false_alarm() -> None:
    outcome = honest.prove(histories=150, killed=50, seed=20261125)

    assert not outcome.problems
    assert outcome.kills > 100
    assert outcome.entries > 10_000


def test_any_arrival_gives_the_alerts_of_the_replay() -> None:
    outcome = correlate.prove(ways=40, seed=20261125)

    assert not outcome.differing
    assert outcome.restarts > 40
    assert outcome.withdrawn > 100
    assert outcome.alerts > 100


def test_thirty_kills_repeat_no_step_and_lose_no_approval(tmp_path: Path) -> None:
    outcome = runs.prove(tmp_path / "runs", kills=30, seed=20261125)

    assert not outcome.problems
    assert outcome.kills == 30
    assert outcome.requests >= 8
    assert outcome.unknown > 0


def test_kills_during_triage_and_bulk_decisions_leave_nothing_half_done(tmp_path: Path) -> None:
    outcome = triage_kill.prove(tmp_path / "triage", kills=40, seed=20261125)

    assert not outcome.problems
    assert set(outcome.kills) == {"signer", "triage", "bulk"}
    assert outcome.bulk > 100


def test_each_attack_of_a_week_is_one_incident_with_all_its_alerts(tmp_path: Path) -> None:
    outcome = week.prove(tmp_path, seed=20261125, rate=0.001, get=None, step_s=6 * 3_600)

    assert not outcome.problems
    assert len(outcome.attacks) == 16
    assert sum(outcome.incidents) < sum(outcome.alerts) / 2
