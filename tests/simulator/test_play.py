"""A played province grows as it happened, with a rotation, and ends complete."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from luytre.core.clock import ManualClock
from luytre.core.config import load_config
from luytre.core.errors import Refused
from luytre.simulator import play, prepare, simulate
from luytre.simulator.web import PORTAL

START = datetime(2026, 11, 23, 2, tzinfo=UTC)


def logs(folder: Path) -> dict[str, bytes]:
    files = (path for path in (folder / "logs").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def count(folder: Path) -> int:
    return sum(data.count(b"\n") for data in logs(folder).values())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "province"
    simulate(folder, seed=3, start=START, minutes=1, rate=0.3)
    return folder


def test_all_lines_arrive_and_the_portal_s_log_is_rotated(source: Path, tmp_path: Path) -> None:
    clock = ManualClock()

    written = play(source, tmp_path, 10, clock, lambda: False)

    played, wanted = logs(tmp_path), logs(source)
    older, newer = played.pop(f"{PORTAL}.1"), played[PORTAL]
    assert older
    assert newer
    assert played | {PORTAL: older + newer} == wanted
    assert written == count(source)
    assert 5.9 < clock.monotonic_s() < 6.5


def test_files_only_grow(source: Path, tmp_path: Path) -> None:
    sizes: list[int] = []
    auth = tmp_path / "logs/servers/auth.log"

    def watched() -> bool:
        sizes.append(auth.stat().st_size if auth.exists() else 0)
        return False

    play(source, tmp_path, 20, ManualClock(), watched)

    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 5


def test_it_stops_when_told(source: Path, tmp_path: Path) -> None:
    answers = iter([False, False, False, True])

    written = play(source, tmp_path, 1, ManualClock(), lambda: next(answers))

    assert 0 < written == count(tmp_path)
    assert not (tmp_path / f"{PORTAL}.1").exists()


def test_a_prepared_folder_has_settings_before_the_first_line(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "live")

    config = load_config(tmp_path / "live" / "luytre.yaml")
    assert config.enrich.assets
    assert config.enrich.assets.is_file()
    assert not (tmp_path / "live" / "logs").exists()


def test_logs_of_somebody_else_are_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / PORTAL).parent.mkdir(parents=True)
    (tmp_path / PORTAL).touch()

    with pytest.raises(Refused, match="there already"):
        play(source, tmp_path, 10, ManualClock(), lambda: False)


def test_a_folder_that_was_not_simulated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be played"):
        play(tmp_path, tmp_path / "live", 10, ManualClock(), lambda: False)


def test_a_moment_in_which_nothing_happens_is_played(tmp_path: Path) -> None:
    simulate(tmp_path / "a", seed=1, start=START, minutes=0.001, attacks=False)

    assert play(tmp_path / "a", tmp_path / "b", 10, ManualClock(), lambda: False) == 0
