from datetime import UTC, datetime

import pytest

from ingest.decode.layout import Origin
from ingest.decode.times import micros
from ingest.logsources.cisco import read_line

NOW_US = micros(datetime(2026, 3, 1, tzinfo=UTC))
CONFIGURED = "10.1.1.1 6705: Feb 17 13:40:03.673: %PARSER-5-CFGLOG_LOGGEDCMD: User:ann  logged command:no ip x"


@pytest.mark.parametrize(
    ("line", "part", "fields"),
    [
        pytest.param(
            CONFIGURED,
            "cisco/aaa",
            {"host.name": "10.1.1.1", "user.name": "ann", "process.command_line": "no ip x"},
            id="a configuration command, bare",
        ),
        pytest.param(
            "<189>Feb 17 13:40:03 sw1 77: %SEC_LOGIN-5-LOGIN_SUCCESS: Login Success [user: ann] "
            "[Source: 10.9.9.9] [localport: 22]",
            "cisco/aaa",
            {"host.name": "sw1", "user.name": "ann", "source.ip": "10.9.9.9"},
            id="a login, relayed by syslog",
        ),
        pytest.param("%TCP-6-BADAUTH: Invalid MD5 digest from 10.0.0.1", "cisco/bgp", {}, id="bgp"),
        pytest.param("%LDP-4-PWD: MD5 protection", "cisco/ldp", {}, id="ldp"),
        pytest.param(
            "%LINK-3-UPDOWN: Interface down", "cisco/other", {"log.level": "3"}, id="other"
        ),
    ],
)
def test_message(line: str, part: str, fields: dict[str, str]) -> None:
    row = read_line(line, Origin(ingested_us=NOW_US))

    assert row is not None
    assert row.layout.part.name == part
    assert fields.items() <= row.fields.items()


def test_its_own_time_is_the_events() -> None:
    row = read_line(CONFIGURED, Origin(ingested_us=NOW_US))

    assert row is not None
    assert row.time == micros(datetime(2026, 2, 17, 13, 40, 3, tzinfo=UTC))


@pytest.mark.parametrize(
    "line", ["100 %-done: yes", "a " * 120 + "%SYS-5-X: late", "", "%sys-5-low: x"]
)
def test_other_lines_are_none_of_it(line: str) -> None:
    assert read_line(line, Origin()) is None
