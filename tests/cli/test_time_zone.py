"""Local times: `scan --time-zone` and `time_zone` say what zone they are in."""

from pathlib import Path

import pytest

from tests.cli.running import AUTH, Call


@pytest.mark.parametrize(
    ("options", "time"),
    [
        pytest.param([], "06:00:01Z", id="UTC unless said otherwise"),
        pytest.param(["--time-zone", "+07:00"], "23:00:01Z", id="offset"),
        pytest.param(["--time-zone", "Asia/Ho_Chi_Minh"], "23:00:01Z", id="name"),
    ],
)
def test_a_scan_reads_local_times_in_the_zone_that_is_given(
    luytre: Call, tmp_path: Path, options: list[str], time: str
) -> None:
    (tmp_path / "auth.log").write_bytes(AUTH)

    found = luytre("scan", "auth.log", *options)

    assert time in found.out


def test_a_zone_that_does_not_exist_is_refused_with_what_is_near(luytre: Call) -> None:
    found = luytre("scan", "-", "--time-zone", "Asia/Ho_Chi_Min")

    assert found.code != 0
    assert 'did you mean "Asia/Ho_Chi_Minh"?' in found.err


def test_doctor_says_how_local_times_are_read(luytre: Call, tmp_path: Path) -> None:
    (tmp_path / "luytre.yaml").write_text(
        "ship: {files: [{paths: [a]}, {paths: [b], time_zone: +07:00}], syslog: [{listen: a:1}]}\n"
    )

    found = luytre("doctor")

    assert "+07:00 (1 input), UTC (2 inputs)" in " ".join(found.out.split())
