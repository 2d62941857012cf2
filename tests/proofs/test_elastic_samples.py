"""A seeded sample of what is proven about Elasticsearch: what CI runs of `make prove`."""

import os
from pathlib import Path

import pytest

from tests.proofs import elastic, elastic_answers
from tests.services.elastic import laid_out
from tests.services.java import MissingError

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1500)]


def test_restarts_and_a_full_disk_lose_and_double_nothing(tmp_path: Path) -> None:
    try:
        laid_out()
    except MissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))

    outcome = elastic.prove(tmp_path, restarts=2, blocks=1, alerts=6000, seed=20261125)

    assert not outcome.problems
    assert outcome.alerts > 6000


def test_whatever_is_answered_each_alert_is_kept_once_or_a_dead_letter() -> None:
    outcome = elastic_answers.prove(alerts=20_000, seed=20261125)

    assert not outcome.problems
    assert outcome.faulty > 50
    assert outcome.refused > 10
    assert outcome.repeated <= 0.05 * outcome.alerts
