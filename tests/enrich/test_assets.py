from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from enrich.assets import HOST_COLUMNS, SIDE_COLUMNS, Assets, parse
from enrich.files import UnusableError, read_file
from luytre.core.batch import Batch
from luytre.core.cells import list_cell

Write = Callable[[str, str], Path]
MakeBatch = Callable[..., Batch]

OURS, THEIRS = "000.01.12.H05", "000.02.12.H05"
INVENTORY = f"""\
# the inventory of the province
host;address;owner;level;kind;organization;valid_from;valid_to;systems
DB-1;10.20.0.5;data;3;server;{OURS};;;csdl_yte CSDL_GD dvc.bacninh.gov.vn
web-1.bacninh.gov.vn;;portal;3;server;{OURS};;
pc-1;;Anh An;2;workstation;{OURS};;
pc-1;;Chi Binh;1;workstation;{THEIRS};;
old-1;;archive;2;server;{OURS};;2025-01-01
;10.0.0.0/8;centre;2;network;{OURS};;
;10.1.2.0/24;commune;1;network;{THEIRS};;
;10.1.2.7;commune;1;nvr;{THEIRS};;
;192.168.1.0/24;us;1;network;{OURS};;
;192.168.1.0/24;them;1;network;{THEIRS};;
;2001:db8:5::/48;six;2;network;{OURS};;
"""


@pytest.fixture
def assets(write: Write) -> Assets:
    found, notes = parse(read_file(write("assets.csv", INVENTORY)))
    assert notes == []
    return Assets(found)


@pytest.mark.parametrize(
    ("host", "ip", "organization", "owner"),
    [
        pytest.param("db-1", None, OURS, "data", id="case does not count"),
        pytest.param("DB-1.bacninh.gov.vn", None, OURS, "data", id="listed without its domain"),
        pytest.param("web-1", None, OURS, "portal", id="listed with its domain"),
        pytest.param("web-1.other.vn", None, OURS, None, id="of another domain"),
        pytest.param("pc-1", None, OURS, "Anh An", id="two offices have one: ours"),
        pytest.param("pc-1", None, THEIRS, "Chi Binh", id="two offices have one: theirs"),
        pytest.param("pc-1", None, "third", None, id="two offices have one: nobody's"),
        pytest.param("old-1", None, OURS, None, id="no longer there"),
        pytest.param(
            "ghost", "10.9.9.9", OURS, "centre", id="by address where the name is unknown"
        ),
        pytest.param(None, list_cell(["fe80::1", "10.1.2.7"]), OURS, "commune", id="a list"),
        pytest.param(None, None, OURS, None, id="neither name nor address"),
    ],
)
def test_the_host_has_the_owner_of_its_line(
    assets: Assets,
    batch: MakeBatch,
    host: str | None,
    ip: str | None,
    organization: str,
    owner: str | None,
) -> None:
    events = batch({"host.name": [host], "host.ip": [ip]}, organizations=organization).events

    assert assets(events)["host.asset.owner"].to_list() == [owner]


@pytest.mark.parametrize(
    ("ip", "said"),
    [
        pytest.param("10.9.9.9", ("2", "network", OURS), id="in a range"),
        pytest.param("10.1.2.9", ("1", "network", THEIRS), id="the most specific range"),
        pytest.param("10.1.2.7", ("1", "nvr", THEIRS), id="the address itself"),
        pytest.param("192.168.1.5", ("1", "network", OURS), id="claimed twice: the event's own"),
        pytest.param("::ffff:10.1.2.7", ("1", "nvr", THEIRS), id="IPv4 in IPv6"),
        pytest.param("2001:DB8:5:0::1%eth0", ("2", "network", OURS), id="IPv6 with a zone"),
        pytest.param("8.8.8.8", (None, None, None), id="nobody's"),
        pytest.param("10.1.2.07", (None, None, None), id="no address"),
    ],
)
@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_side_is_what_its_address_is(
    assets: Assets, batch: MakeBatch, side: str, ip: str, said: tuple[str | None, ...]
) -> None:
    events = assets(batch({f"{side}.ip": [ip]}).events)

    assert events.select(SIDE_COLUMNS[side]).row(0)[:3] == said


def test_an_address_and_a_name_of_one_asset_say_the_same_name(
    assets: Assets, batch: MakeBatch
) -> None:
    events = assets(batch({"host.name": ["DB-1"], "source.ip": ["10.20.0.5"]}).events)

    assert events.select("host.asset.name", "source.asset.name").row(0) == ("db-1", "db-1")


@pytest.mark.parametrize(
    ("system", "host", "name"),
    [
        pytest.param("csdl_gd", None, "db-1", id="of the asset that runs it"),
        pytest.param("kyso", None, None, id="nobody's"),
        pytest.param("csdl_gd", "pc-1", "pc-1", id="the host itself says more"),
        pytest.param("csdl_gd", "ghost", None, id="of a host that nobody listed"),
    ],
)
def test_an_event_of_a_system_is_about_the_asset_that_runs_it(
    assets: Assets, batch: MakeBatch, system: str, host: str | None, name: str | None
) -> None:
    rows = batch({"vn.egov.system": [system], "host.name": [host]}, organizations=OURS)

    assert assets(rows.events)["host.asset.name"].to_list() == [name]


@pytest.mark.parametrize(
    ("more", "name"),
    [
        pytest.param({}, "db-1", id="a server's own log"),
        pytest.param({"destination.ip": ["10.9.9.9"]}, None, id="what a client asked a sensor's"),
        pytest.param({"host.name": ["ghost"]}, None, id="another machine's log"),
    ],
)
def test_a_web_servers_event_is_about_the_asset_of_its_site(
    assets: Assets, batch: MakeBatch, more: dict[str, list[str]], name: str | None
) -> None:
    rows = batch({"url.domain": ["DVC.bacninh.gov.vn"], **more}, organizations=OURS)

    assert assets(rows.events)["host.asset.name"].to_list() == [name]


def test_an_event_of_the_past_sees_the_asset_of_the_past(assets: Assets, batch: MakeBatch) -> None:
    events = batch({"host.name": ["old-1"]}, times=datetime(2024, 1, 1, tzinfo=UTC)).events

    said = assets(events).select(HOST_COLUMNS).row(0)

    assert said == ("archive", "2", "server", OURS, "old-1")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param("h,,o,6,", "the level '6' is none of 1 to 5", id="level"),
        pytest.param(",,o,1,", "has neither host nor address", id="nothing"),
        pytest.param(",10.0.0.0/33,o,1,", "'10.0.0.0/33' does not appear", id="network"),
        pytest.param("good,,o,1,", "overrules line 2", id="listed twice"),
        pytest.param("\ufffd,,o,1,", "is not UTF-8", id="encoding"),
    ],
)
def test_a_bad_line_is_noted_and_the_others_count(write: Write, line: str, problem: str) -> None:
    path = write("assets.csv", f"host,address,owner,level,kind\ngood,,o,1,\n{line}\n")
    assets, notes = parse(read_file(path))

    assert [note.startswith(f"{path}:3: {problem}") for note in notes] == [True]
    assert assets[0].host == "good"


def test_listed_twice_the_last_line_wins(write: Write, batch: MakeBatch) -> None:
    path = write("assets.csv", "host,owner\nh,first\nh,last\n")
    events = Assets(parse(read_file(path))[0])(batch({"host.name": ["h"]}).events)

    assert events["host.asset.owner"].to_list() == ["last"]


def test_many_bad_lines_are_a_number(write: Write) -> None:
    path = write("assets.csv", "host,level\nok,1\n" + "x,9\n" * 500)

    assert parse(read_file(path))[1][-1] == f"{path}: and 480 more bad lines"


def test_a_file_without_assets_is_unusable(write: Write) -> None:
    with pytest.raises(UnusableError, match="has no usable asset"):
        parse(read_file(write("assets.csv", "host,level\nx,9\n")))
