import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.networks import Networks, address, is_public, network


@given(st.ip_addresses())
def test_an_address_is_read_and_written_as_the_standard_library_does(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    expected = mapped or ip

    found = address(str(ip))

    assert found is not None
    assert (found.bits, found.number) == (expected.max_prefixlen, int(expected))
    assert ipaddress.ip_address(str(found)) == expected


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.04", "1.2.3.256", "1.2.3.4/32", "::g", "a", "1.2.3.4\0", "\u0661"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert address(text) is None


@given(st.ip_addresses(v=4))
def test_only_an_address_of_no_special_purpose_is_public(ip: ipaddress.IPv4Address) -> None:
    found = address(str(ip))

    assert found is not None
    if is_public(found):
        assert ip.is_global
        assert not ip.is_multicast


@pytest.mark.parametrize(
    ("text", "public"),
    [
        pytest.param("8.8.8.8", True, id="IPv4"),
        pytest.param("2001:4860:4860::8888", True, id="IPv6"),
        pytest.param("100.64.0.1", False, id="carrier NAT"),
        pytest.param("239.1.2.3", False, id="multicast"),
        pytest.param("fd00::1", False, id="local IPv6"),
        pytest.param("2001:db8::1", False, id="documentation"),
    ],
)
def test_public(text: str, public: bool) -> None:  # noqa: FBT001 - a row of the table
    found = address(text)

    assert found is not None
    assert is_public(found) is public


def test_networks_around_an_address_come_most_specific_first() -> None:
    networks: Networks[str] = Networks()
    for text in ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16", "11.0.0.0/8", "::/0"):
        networks.add(network(text), text)
    place = address("10.1.2.3")

    assert place is not None
    assert list(networks.around(place)) == [
        (16, ["10.1.0.0/16", "10.1.0.0/16"]),
        (8, ["10.0.0.0/8"]),
        (0, ["0.0.0.0/0"]),
    ]
    assert len(networks) == 5
