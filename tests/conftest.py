"""What every test may ask for."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.archives import packed, unpack

pytest_plugins = ["tests.services.fixtures"]

# In a fresh checkout the first test that draws text builds Hypothesis's tables of Unicode, for
# seconds. The profile stands on the one Hypothesis chose, which in CI has fixed seeds.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpack an archive of the folder of real logs and return where it lies.

    ``LUYTRE_DATA`` names the folder; without it the test is skipped, but in CI it fails.
    """
    folder = tmp_path_factory.mktemp("data")

    def get(archive: str) -> Path:
        if packed(archive).exists():
            return unpack(archive, folder / archive)
        missing = f"{packed(archive)} is missing (LUYTRE_DATA names the folder of real logs)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    return get


@pytest.fixture(autouse=True)
def _logs_as_they_come() -> Iterator[None]:
    """Undo what a test that ran a command has set: level and form of our own logs."""
    yield
    structlog.reset_defaults()
