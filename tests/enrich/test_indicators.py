from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.files import UnusableError, read_file
from enrich.indicator_files import read_indicators
from enrich.indicators import COLUMNS, assemble, parse
from enrich.value_index import NetworkIndex, ValueIndex
from luytre.core.batch import Batch
from luytre.core.cells import list_cell
from luytre.core.clock import ManualClock

Write = Callable[[str, str], Path]
MakeBatch = Callable[..., Batch]

MD5 = "44d88612fea8a8f36de82e1278abb02f"
SHA256 = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"
LIST = f"""\
# from the national centre
evil.vn
*.wild.vn
hxxp://Bad[.]com:80/a?b=1#c
{MD5.upper()}  # EICAR
{SHA256}
1.2.3.4:8080
5.6.0.0/16
2001:DB8:0::1
2001:db8:ffff::/48
"""


def joined(
    write: Write, events: pl.DataFrame, text: str = LIST, name: str = "feed.txt"
) -> pl.DataFrame:
    return assemble([read_indicators(read_file(write(name, text)))[0]])(events)


@pytest.mark.parametrize(
    ("column", "cell", "name"),
    [
        pytest.param("dns.question.name", "evil.vn", "evil.vn", id="domain"),
        pytest.param("dns.question.name", "A.B.Evil.VN.", "evil.vn", id="below the domain"),
        pytest.param("dns.question.name", "notevil.vn", None, id="not below the domain"),
        pytest.param("dns.question.name", "vn", None, id="above the domain"),
        pytest.param("url.domain", "x.wild.vn", "wild.vn", id="a wildcard"),
        pytest.param("dns.question.name", "a." * 3000 + "evil.vn", None, id="no possible domain"),
        pytest.param("url.full", "HTTP://u:p@BAD.com/a?b=1#z", "http://bad.com/a?b=1", id="URL"),
        pytest.param("url.full", "http://bad.com/A?b=1", None, id="a path has its case"),
        pytest.param("url.original", "https://x.evil.vn:8443/q", "evil.vn", id="host of a URL"),
        pytest.param("url.original", "http://5.6.7.8/q", "5.6.0.0/16", id="address of a URL"),
        pytest.param("url.full", "http://[2001:db8::1]/", "2001:db8::1", id="IPv6 of a URL"),
        pytest.param("url.original", "/index.php?u=evil.vn", None, id="only a path"),
        pytest.param("source.ip", "1.2.3.4", "1.2.3.4", id="address, the list had a port"),
        pytest.param("destination.ip", "5.6.255.1", "5.6.0.0/16", id="network"),
        pytest.param("destination.ip", "::ffff:5.6.255.1", "5.6.0.0/16", id="IPv4 in IPv6"),
        pytest.param("destination.ip", "5.7.0.1", None, id="outside the network"),
        pytest.param("source.ip", "2001:db8::0:1%eth0", "2001:db8::1", id="IPv6 spelt otherwise"),
        pytest.param("source.ip", "2001:db8:ffff:1::", "2001:db8:ffff::/48", id="IPv6 network"),
        pytest.param("dns.resolved_ip", list_cell(["9.9.9.9", "1.2.3.4"]), "1.2.3.4", id="a list"),
        pytest.param("file.hash.sha256", SHA256.upper(), SHA256, id="hash"),
        pytest.param("Hashes", f"SHA1=00,MD5={MD5},IMPHASH=00", MD5, id="a hash among others"),
        pytest.param("Hashes", f"SHA1=00,IMPHASH={MD5}", None, id="an import hash is no MD5"),
        pytest.param("file.hash.sha256", "", None, id="empty"),
        pytest.param("file.hash.sha256", None, None, id="missing"),
    ],
)
def test_a_cell_names_an_indicator(
    batch: MakeBatch, write: Write, column: str, cell: str | None, name: str | None
) -> None:
    events = joined(write, batch({column: [cell]}).events)

    assert events["threat.indicator.name"].to_list() == [name]
    assert events["luytre.indicator.column"].to_list() == [column if name else None]


CSV = """\
value,type,name,confidence,provider,valid_from,valid_until
a.evil.vn,domain,Alpha,50,NCSC,,2026-06-01T00:00:00Z
a.evil.vn,domain,Beta,40,VNCERT,2026-03-01,
evil.vn,domain,Gamma,40,,,
1.2.3.4,ip,Delta,40,,,
"""
MAY, JULY, JANUARY = (datetime(2026, month, 1, tzinfo=UTC) for month in (5, 7, 1))


@pytest.mark.parametrize(
    ("domain", "ip", "at", "said"),
    [
        pytest.param(
            "a.evil.vn", None, MAY, ("Alpha", "domain-name", "50", "NCSC"), id="the most confident"
        ),
        pytest.param(
            "a.evil.vn", None, JULY, ("Beta", "domain-name", "40", "VNCERT"), id="has expired"
        ),
        pytest.param(
            "b.a.evil.vn", None, JULY, ("Beta", "domain-name", "40", "VNCERT"), id="most specific"
        ),
        pytest.param(
            "evil.vn", None, None, ("Gamma", "domain-name", "40", "feed"), id="the file provides"
        ),
        pytest.param("x.vn", "1.2.3.4", MAY, ("Delta", "ipv4-addr", "40", "feed"), id="address"),
        pytest.param(
            "evil.vn", "1.2.3.4", MAY, ("Gamma", "domain-name", "40", "feed"), id="earlier column"
        ),
        pytest.param("x.vn", "4.3.2.1", MAY, (None,) * 4, id="none"),
    ],
)
def test_the_best_indicator_of_that_time_is_named(
    batch: MakeBatch,
    write: Write,
    domain: str,
    ip: str | None,
    at: datetime | None,
    said: tuple[str | None, ...],
) -> None:
    cells = {"dns.question.name": [domain], "source.ip": [ip]}
    events = joined(write, batch(cells, times=at).events, CSV, "feed.csv")

    assert events.select(COLUMNS[:4]).row(0) == said


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        pytest.param("f.txt", "two words", "is no address, network", id="a sentence"),
        pytest.param("f.txt", "localhost", "is no address, network", id="one label"),
        pytest.param("f.txt", "1.2.3.256", "is no address, network", id="no octet"),
        pytest.param("f.txt", "1::2::3", "is no address or network", id="no IPv6"),
        pytest.param("f.txt", "1.2.3.4/40", "is no address or network", id="no prefix"),
        pytest.param("f.txt", "0.0.0.0/0", "is too wide", id="everybody"),
        pytest.param("f.txt", "http:///x", "is no URL with a host", id="no host"),
        pytest.param("f.csv", "evil.vn,ip", "the type ip does not fit", id="another type"),
        pytest.param("f.csv", "evil.vn,mutex", "the type mutex is not supported", id="no type"),
        pytest.param("f.csv", "evil.vn,domain,101", "the confidence is no number", id="too sure"),
        pytest.param("f.csv", "evil.vn,domain,high", "the confidence is no number", id="a word"),
        pytest.param("f.csv", "evil.vn,domain,1,soon", "valid_from or valid_until", id="no time"),
    ],
)
def test_a_bad_line_is_noted_and_the_others_count(
    write: Write, name: str, line: str, problem: str
) -> None:
    head = "value,type,confidence,valid_until\n" if name.endswith(".csv") else "# a list\n"
    path = write(name, f"{head}1.2.3.4\n\n{line}\n5.6.7.8\n")
    table, notes = read_indicators(read_file(path))

    assert [note.startswith(f"{path}:4: {problem}") for note in notes] == [True]
    assert table["value"].to_list() == ["1.2.3.4", "5.6.7.8"]


def test_a_name_outside_ascii_is_found_as_dns_carries_it(batch: MakeBatch, write: Write) -> None:
    events = batch({"dns.question.name": ["www.xn--lun-6hz.vn"]}).events

    assert joined(write, events, "luận.vn\n")["threat.indicator.type"].to_list() == ["domain-name"]


def test_a_feed_cannot_forge_a_list(batch: MakeBatch, write: Write) -> None:
    events = batch({"source.ip": ["1.2.3.4"]}).events
    said = joined(write, events, "value,name\n1.2.3.4,a\uffffb\n", "feed.csv")

    assert said["threat.indicator.name"].to_list() == ["a\ufffdb"]


def test_stix_is_joined_like_a_list(batch: MakeBatch, write: Write) -> None:
    text = """{"type": "bundle", "objects": [{"type": "indicator", "id": "indicator--1",
      "pattern_type": "stix", "name": "APT", "confidence": 85,
      "pattern": "[domain-name:value = 'Evil.vn'] OR [ipv4-addr:value ISSUBSET '1.2.0.0/16']",
      "valid_from": "2026-01-01T00:00:00.000Z", "valid_until": "2027-01-01T00:00:00.000Z"}]}"""
    events = batch({"source.ip": ["1.2.3.4", "9.9.9.9"], "url.domain": [None, "a.evil.vn"]}).events

    said = joined(write, events, text, "bundle.json").select(COLUMNS).rows()

    assert said == [
        ("APT", "ipv4-addr", "85", "bundle", "source.ip"),
        ("APT", "domain-name", "85", "bundle", "url.domain"),
    ]


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        pytest.param(["2020"], ["expired: no indicator holds any more"], id="all"),
        pytest.param(["2020", "2020", "2099"], ["2 of 3 indicators have expired"], id="most"),
        pytest.param(["2020", "2099"], [], id="half"),
    ],
)
def test_expiry_is_noted(write: Write, lines: Sequence[str], note: list[str]) -> None:
    rows = "".join(f"1.2.3.{n},{year}-01-01\n" for n, year in enumerate(lines))
    path = write("feed.csv", f"value,valid_until\n{rows}")

    assert parse(read_file(path), ManualClock())[1] == [f"{path}: {text}" for text in note]


@pytest.mark.parametrize("text", ["", "# nothing\n", "what is this\n"])
def test_a_file_without_indicators_is_unusable(write: Write, text: str) -> None:
    with pytest.raises(UnusableError, match="has no usable indicator"):
        read_indicators(read_file(write("feed.txt", text)))


SOME = st.sampled_from(["", "a", "b", "ab", "évil", "a" * 100])


@given(values=st.lists(SOME), wanted=st.lists(st.none() | SOME))
def test_the_index_finds_every_equal_text_and_no_other(
    values: list[str], wanted: list[str | None]
) -> None:
    asked, rows = ValueIndex(pl.Series(values, dtype=pl.String)).find(
        pl.Series(wanted, dtype=pl.String)
    )

    expected = {(a, r) for a, w in enumerate(wanted) for r, v in enumerate(values) if v == w}
    assert sorted(zip(asked.tolist(), rows.tolist(), strict=True)) == sorted(expected)


ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.1.1", "11.0.0.1", "x", "10.0.0.256", "2001:db8::1"])
NETWORKS = st.sampled_from(["10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/23", "2001:db8::/32"])


@given(networks=st.lists(NETWORKS), wanted=st.lists(st.none() | ADDRESSES))
def test_the_index_finds_every_network_around_an_address(
    networks: list[str], wanted: list[str | None]
) -> None:
    index = NetworkIndex(
        pl.Series(networks, dtype=pl.String), pl.Series(range(len(networks)), dtype=pl.Int64)
    )

    found = index.find(pl.Series(wanted, dtype=pl.String)).rows()

    inside = {
        "10.0.0.1": {"10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/23"},
        "10.0.1.1": {"10.0.0.0/8", "10.0.0.0/23"},
        "2001:db8::1": {"2001:db8::/32"},
    }
    expected = [
        (place, row, int(text.partition("/")[2]))
        for place, ip in enumerate(wanted)
        for row, text in enumerate(networks)
        if text in inside.get(ip or "", ())
    ]
    assert sorted(found) == sorted(expected)
