"""What counts as a time, and what its parts are: for the engine and for the reference alike."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sigma.types import TimestampPart

from detections.reference_values import parse_time, time_part
from detections.times import PARTS, RANGES, moment
from tests.detections.building import PART, batch, engine, rule


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        pytest.param("2026-11-23T07:08:09Z", "2026-11-23 07:08:09", id="ISO 8601"),
        pytest.param("2026-11-23 07:08:09.123", "2026-11-23 07:08:09", id="Sysmon's UtcTime"),
        pytest.param("2026-11-23 07:08:09,123456789", "2026-11-23 07:08:09", id="nanoseconds"),
        pytest.param("2026-11-23 07:08:09 UTC", "2026-11-23 07:08:09", id="UTC behind"),
        pytest.param("2026-11-23t07:08z", "2026-11-23 07:08:00", id="small letters, no seconds"),
        pytest.param("2026-11-23", "2026-11-23 00:00:00", id="a date is its midnight"),
        pytest.param("2026-11-23T03:00:00+07:00", "2026-11-22 20:00:00", id="Ha Noi"),
        pytest.param("2026-11-23T22:00:00-0230", "2026-11-24 00:30:00", id="minutes west"),
        pytest.param("2026-11-23T22:00:00-02", "2026-11-24 00:00:00", id="hours only"),
        pytest.param("1763881689", "2025-11-23 07:08:09", id="seconds"),
        pytest.param("1763881689.987", "2025-11-23 07:08:09", id="seconds with a fraction"),
        pytest.param("1763881689987", "2025-11-23 07:08:09", id="milliseconds"),
        pytest.param("1763881689987654", "2025-11-23 07:08:09", id="microseconds"),
        pytest.param("1763881689987654321", "2025-11-23 07:08:09", id="nanoseconds since 1970"),
        pytest.param("4688", None, id="a small number is no time"),
        pytest.param("132537600000000000", None, id="a FILETIME"),
        pytest.param("2026-02-30T00:00:00Z", None, id="no such day"),
        pytest.param("2026-11-23T24:00:00Z", None, id="no such hour"),
        pytest.param("2026-11-23T00:00:60Z", None, id="leap second"),
        pytest.param("2026-11-23T00:00:00+24:00", None, id="no such zone"),
        pytest.param("0001-01-01T00:00:00+01:00", None, id="before all time"),
        pytest.param("20261123T070809Z", None, id="short form"),
        pytest.param("07:08:09", None, id="no date"),
        pytest.param("\uff12\uff10\uff12\uff16-11-23", None, id="other digits"),
        pytest.param(" 2026-11-23", None, id="blank in front"),
    ],
)
def test_a_text_is_a_time(text: str, meant: str | None) -> None:
    wanted = meant and datetime.fromisoformat(meant).replace(tzinfo=UTC)

    assert moment(text) == wanted
    found = parse_time(text)
    assert (found and found.replace(microsecond=0)) == wanted


ALPHABET = "0123456789-+:TtZz., UC"


@given(
    st.one_of(
        st.text(ALPHABET, max_size=36),
        st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9))])).map(str),
        st.datetimes().map(datetime.isoformat),
        st.integers(0, 10**20).map(str),
    )
)
@example("2026-11-23T00:00:00+2360")
def test_engine_and_reference_see_the_same_time(text: str) -> None:
    mine, other = moment(text), parse_time(text)

    assert (mine is None) is (other is None)
    if mine and other:
        wanted = {part: time_part(other, TimestampPart[part.upper()]) for part in PARTS}
        assert {part: take(mine) for part, take in PARTS.items()} == wanted
        assert all(RANGES[part][0] <= wanted[part] <= RANGES[part][1] for part in PARTS)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        pytest.param({"@timestamp|year": 2026}, True, id="year"),
        pytest.param({"@timestamp|hour|gte": 1}, False, id="hour compared"),
        pytest.param({"@timestamp|startswith": "2026-01-01T00:00:00."}, True, id="as text"),
        pytest.param({"@timestamp|exists": True}, True, id="it is there"),
    ],
)
def test_the_time_of_the_event_is_a_text_in_utc(condition: dict[str, object], holds: bool) -> None:  # noqa: FBT001
    found = engine(rule({"s": condition, "condition": "s"}))

    assert bool(found.hits(batch([{"a": "x"}]))) is holds
    assert found.needed(PART) == frozenset()
