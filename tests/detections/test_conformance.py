"""Every feature of the specification does what the conformance matrix says."""

import pytest

from tests.conformance import PAGE, matrix, run
from tests.detections.conformance_cases import CASES, Case


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_case(case: Case) -> None:
    assert run(case) == []


def test_every_case_has_an_id_of_its_own() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


def test_the_published_matrix_is_current() -> None:
    page, wrong = matrix()

    # The correlations' section names tests of others; `make check` looks at it.
    published, made = (text.split("## Correlations")[0] for text in (PAGE.read_text(), page))
    assert published == made, "run `make conformance-sigma`"
    assert not wrong
