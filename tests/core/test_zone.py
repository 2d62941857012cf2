"""A zone is a name that the machine knows, or an offset."""

import sys
import zoneinfo
from datetime import UTC, datetime

import pytest

from luytre.core.zone import check_zone, parse_zone


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("", "2026-07-01T12:00:00", id="empty is UTC"),
        pytest.param("UTC", "2026-07-01T12:00:00", id="UTC"),
        pytest.param("+07:00", "2026-07-01T05:00:00", id="offset"),
        pytest.param("-0330", "2026-07-01T15:30:00", id="offset without a colon"),
        pytest.param("Asia/Ho_Chi_Minh", "2026-07-01T05:00:00", id="name"),
        pytest.param("Europe/Berlin", "2026-07-01T10:00:00", id="summer time"),
    ],
)
def test_a_zone_moves_a_clock(text: str, moment: str) -> None:
    clock = datetime(2026, 7, 1, 12, tzinfo=parse_zone(text))

    assert clock.astimezone(UTC).isoformat() == f"{moment}+00:00"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        pytest.param("Asia/Ho_Chi_Min", 'did you mean "Asia/Ho_Chi_Minh"', id="typo"),
        pytest.param("Asia", "", id="a folder"),
        pytest.param("../../etc/passwd", "+07:00", id="a path"),
        pytest.param("/etc/localtime", "", id="an absolute path"),
        pytest.param("+7", "+07:00", id="half an offset"),
        pytest.param("+24:00", "", id="more than a day"),
        pytest.param("x" * 500, "", id="long"),
        pytest.param("Asia/Ho_Chi_Minh\0", "", id="NUL"),
    ],
)
def test_what_is_no_zone_is_refused_with_a_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="no time zone is named") as refused:
        check_zone(text)

    assert remedy in str(refused.value)
    assert len(str(refused.value)) < 200


def test_without_a_database_of_zones_an_offset_is_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tzdata"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tzdata", None)  # the package, where something brought it
    places = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        with pytest.raises(ValueError, match=r"tzdata.*give an offset"):
            check_zone("Pacific/Apia")
        assert check_zone("+13:00") == "+13:00"
    finally:
        zoneinfo.reset_tzpath(places)
