import shutil
from pathlib import Path

import pytest

from luytre.core.config import Config, load_config
from tests.cli.conftest import luytre as luytre  # noqa: PLC0414 - a fixture of these tests too
from tests.review.house import province, settle


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small province that ran: logs, archive, alerts. Never change it."""
    folder = tmp_path_factory.mktemp("ran") / "province"
    settle(province(folder))
    return folder


@pytest.fixture
def house(ran: Path, tmp_path: Path) -> Config:
    """Return the configuration of a province that ran, in a folder of its own."""
    shutil.copytree(ran, tmp_path / "house")
    return load_config(tmp_path / "house" / "luytre.yaml")
