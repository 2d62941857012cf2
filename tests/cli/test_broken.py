"""What is broken outside of us is a sentence with an exit code, never a traceback."""

from pathlib import Path

import pytest

from luytre.core.config import Config
from luytre.processor import build, logs
from tests.cli.running import Call

GARBAGE = b"no database, but longer than a header " * 200


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return the data folder of an installation that has run."""
    config = Config(data_dir=tmp_path / "data")
    logs.open_log(config).close()
    build.alert_store(config).close()
    build.ledger(config).close()
    return config.data_dir


@pytest.mark.parametrize(
    ("place", "command"),
    [
        pytest.param("alerts.sqlite", ["alerts", "list"], id="alerts"),
        pytest.param("ledger.sqlite", ["ledger"], id="ledger"),
        pytest.param("log/topic-rejects.sqlite", ["rejects", "list"], id="rejects"),
        pytest.param("log/groups.sqlite", ["upkeep", "--once"], id="upkeep"),
        pytest.param("shipper/shipper.db", ["ship", "--once"], id="the shipper's memory"),
    ],
)
def test_a_damaged_file_is_named(luytre: Call, data: Path, place: str, command: list[str]) -> None:
    path = data / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(GARBAGE)

    ran = luytre(*command)

    assert (ran.code, ran.out) == (3, "")
    assert str(data.relative_to(Path.cwd()) / Path(place).parts[0]) in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["ship", "--once"], id="ship"),
        pytest.param(["upkeep", "--once"], id="upkeep"),
        pytest.param(["doctor"], id="doctor"),
        pytest.param(["run", "--check"], id="run"),
        pytest.param(["alerts", "list"], id="alerts"),
        pytest.param(["rules", "install", "rules"], id="install"),
    ],
)
def test_a_data_folder_that_is_a_file_is_no_traceback(
    luytre: Call, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "data").write_text("a file")
    (tmp_path / "rules").mkdir()

    ran = luytre(*command)

    assert ran.code in {0, 1, 3, 4}
    assert "Traceback" not in ran.err


def test_a_configuration_that_is_a_folder_is_a_fault(luytre: Call, tmp_path: Path) -> None:
    ran = luytre("doctor", "--config", tmp_path)

    assert ran.code == 2
    assert ran.err.splitlines() == [f"{tmp_path}:1: cannot be read: Is a directory"]
