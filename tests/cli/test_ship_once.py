"""`ship --once` sends everything that is there: nothing is left out because of how it lies there."""

import gzip
from pathlib import Path

import zstandard

from tests.cli.running import ACCESS, AUTH, Call


def test_everything_that_is_there_is_sent_once(luytre: Call, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "access.log").write_bytes(ACCESS.rstrip(b"\n"))
    (logs / "trail.json").write_text('{"Records": [{"a": 1},\n {"a": 2}]}')
    (logs / "auth.log.1.gz").write_bytes(gzip.compress(AUTH))
    (logs / "access.log.2.zst").write_bytes(zstandard.compress(ACCESS.replace(b"23/", b"22/")))
    config = tmp_path / "luytre.yaml"
    config.write_text(f"data_dir: data\nship: {{files: [{{paths: [{logs}]}}]}}\n")

    first = luytre("ship", "--once", "-c", config)
    second = luytre("ship", "--once", "-c", config)

    assert (first.code, first.lines) == (0, ["9 events sent"])
    assert (second.code, second.lines) == (0, ["0 events sent"])
