from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from enrich.files import UnusableError, read_file
from enrich.geoip import SIDE_COLUMNS, GeoIP, parse
from luytre.core.batch import Batch
from luytre.core.cells import list_cell
from luytre.core.clock import ManualClock

MakeBatch = Callable[..., Batch]


class Book:
    """An address book of two addresses."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, ip_address: str, /) -> Any:
        self.asked.append(ip_address)
        if ":" in ip_address:
            raise ValueError("an IPv6 address in an IPv4 file")
        return {
            "203.162.4.191": {"country": {"iso_code": "VN", "names": {"en": "Viet\uffffnam"}}}
        }.get(ip_address)


@pytest.mark.parametrize(
    ("ip", "country"),
    [
        pytest.param("203.162.4.191", "VN", id="public"),
        pytest.param("::ffff:203.162.4.191", "VN", id="IPv4 in IPv6"),
        pytest.param(list_cell(["10.0.0.1", "203.162.4.191"]), "VN", id="the public one of a list"),
        pytest.param("1.1.1.1", None, id="not in the file"),
        pytest.param("2606:4700::1111", None, id="IPv6 in an IPv4 file"),
        pytest.param("no address", None, id="no address"),
        pytest.param(None, None, id="missing"),
    ],
)
def test_an_address_has_its_country(batch: MakeBatch, ip: str | None, country: str | None) -> None:
    events = GeoIP([Book()])(batch({"destination.ip": [ip]}).events)

    assert events["destination.geo.country_iso_code"].to_list() == [country]


def test_a_distinct_address_is_asked_once_and_a_private_one_never(batch: MakeBatch) -> None:
    book = Book()
    private = ["10.0.0.1", "127.0.0.1", "169.254.0.1", "192.168.1.1", "fe80::1", "fd00::1", "::1"]

    GeoIP([book])(batch({"source.ip": ["1.1.1.1", *private] * 100}).events)

    assert book.asked == ["1.1.1.1"]


def test_a_file_cannot_forge_a_list(batch: MakeBatch) -> None:
    events = GeoIP([Book()])(batch({"source.ip": ["203.162.4.191"]}).events)

    assert events["source.geo.country_name"].to_list() == ["Viet\ufffdnam"]


@pytest.mark.data
@pytest.mark.parametrize(
    ("ip", "said"),
    [
        pytest.param("89.160.20.112", ("SE", "Sweden", "29518", "Bredband2 AB"), id="both"),
        pytest.param("1.128.0.1", (None, None, "1221", "Telstra Pty Ltd"), id="network"),
        pytest.param("2001:218::1", ("JP", "Japan", None, None), id="IPv6 is not private"),
        pytest.param("192.168.3.4", (None, None, None, None), id="private"),
    ],
)
def test_real_files_give_country_and_network(
    batch: MakeBatch,
    shared_data: Callable[[str], Path],
    tmp_path: Path,
    ip: str,
    said: tuple[str | None, ...],
) -> None:
    folder = _folder(shared_data)
    files = [folder / name for name in ("GeoLite2-City-Test.mmdb", "GeoLite2-ASN-Test.mmdb")]
    readers = [parse(read_file(path), tmp_path, ManualClock())[0] for path in files]

    events = GeoIP(readers)(batch({"source.ip": [ip]}).events)

    assert events.select(SIDE_COLUMNS["source"]).row(0) == said
    assert list(tmp_path.iterdir()) == []  # the private copies have no name


@pytest.mark.data
def test_an_old_file_is_noted_as_expired(
    shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    path = _folder(shared_data) / "GeoLite2-City-Test.mmdb"
    _, notes = parse(read_file(path), tmp_path, ManualClock(datetime(2099, 1, 1, tzinfo=UTC)))

    assert [note.startswith(f"{path}: expired: built 20") for note in notes] == [True]


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "GeoIP2-City-Test-Broken-Double-Format.mmdb",
        "MaxMind-DB-test-broken-pointers-24.mmdb",
        "MaxMind-DB-test-broken-search-tree-24.mmdb",
        "MaxMind-DB-test-decoder.mmdb",
        "MaxMind-DB-test-nested.mmdb",
        "MaxMind-DB-string-value-entries.mmdb",
    ],
)
def test_a_damaged_or_foreign_file_leaves_nulls(
    batch: MakeBatch, shared_data: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    reader, _ = parse(read_file(_folder(shared_data) / name), tmp_path, ManualClock())
    ips = ["1.1.1.1", "1.1.1.16", "1.1.1.32", "2.125.160.216", "81.2.69.142"]

    events = GeoIP([reader])(batch({"source.ip": ips}).events)

    assert events["source.as.number"].null_count() == 5


def test_what_is_no_mmdb_file_is_unusable(tmp_path: Path) -> None:
    path = tmp_path / "geo.mmdb"
    path.write_bytes(b"not a database")

    with pytest.raises(UnusableError, match="is no MMDB file"):
        parse(read_file(path), tmp_path, ManualClock())


def _folder(shared_data: Callable[[str], Path]) -> Path:
    return next(shared_data("enrichment").rglob("test-data"))
