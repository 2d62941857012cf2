from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.installation import Installation, alert, signer


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that the tests of a module share: for tests that change nothing of it."""
    folder = tmp_path_factory.mktemp("shared")
    with signer(folder):
        made = Installation(folder)
        made.fill(
            alert(1, {"host.name": "srv-1", "user.name": "an"}, level="critical"),
            alert(2, {"host.name": "srv-1", "user.name": "an"}, at=5, rule="rule-2"),
            alert(3, {"host.name": "pc-9"}, at=7, organization="so-tai-chinh", level="medium"),
        )
        yield made
        made.close()


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Installation]:
    """An installation of one's own."""
    with signer(tmp_path):
        made = Installation(tmp_path)
        yield made
        made.close()
