"""What was saved goes on where it was: nothing is sent twice, nothing is missing."""

import shutil
from pathlib import Path

import pytest

from luytre.core.config import Config, load_config
from luytre.core.message import ALERTS_TOPIC
from luytre.core.organization import Scope
from luytre.processor import build, logs
from tests.cli.running import ACCESS, AUTH, Call, drain, process, wait_until

pytestmark = pytest.mark.xdist_group("pipeline")


def run_until_settled(config: Config, path: Path, events: int) -> None:
    """Run the pipeline until all events are accounted for and all alerts stored."""

    def settled() -> bool:
        found = sum(account.events for account in build.accounts(config))
        return found == events and not logs.lag(config, build.INDEX_GROUP, ALERTS_TOPIC)

    running = process("run", "--config", path, folder=path.parent)
    try:
        wait_until(settled)
        assert drain(running) == 0
    finally:
        running.kill()
        running.communicate()


def archived(config: Config) -> int:
    return build.archive(config).scan(Scope.everything()).collect().height


def test_an_installation_comes_back_after_its_disk_is_lost(luytre: Call, tmp_path: Path) -> None:
    path = tmp_path / "luytre.yaml"
    path.write_text("ship: {scan_s: 0.2, files: [{paths: [logs]}]}\narchive: {flush_s: 0.5}\n")
    config = load_config(path)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "access.log").write_bytes(ACCESS)
    run_until_settled(config, path, len(ACCESS.splitlines()))
    alerts = luytre("alerts", "list", "--json").lines
    assert luytre("backup", "saved.tar.zst").code == 0
    shutil.rmtree(tmp_path / "data")
    assert luytre("alerts", "list").code == 4

    assert luytre("restore", "saved.tar.zst").code == 0
    assert luytre("alerts", "list", "--json").lines == alerts != []
    assert luytre("ship", "--once").lines == ["0 events sent"]
    (tmp_path / "logs" / "auth.log").write_bytes(AUTH)
    run_until_settled(config, path, 5)
    assert archived(config) == 5
    assert not [line for line in luytre("doctor").lines if line.startswith("bad")]
