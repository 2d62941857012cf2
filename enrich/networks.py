"""Addresses and the networks they lie in, the most specific first."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Item = TypeVar("Item")

V4_BITS = 32
V6_BITS = 128
_MAPPED = 0xFFFF


class Address(NamedTuple):
    """An IP address as a number of ``bits`` bits."""

    bits: int
    number: int

    def __str__(self) -> str:
        family = socket.AF_INET if self.bits == V4_BITS else socket.AF_INET6
        return socket.inet_ntop(family, self.number.to_bytes(self.bits // 8))


def address(text: str) -> Address | None:
    """Return the address that a text is; None if it is none.

    A zone id is dropped and an IPv4-mapped IPv6 address is the IPv4 one (RFC 4291 2.5.5.2).
    ``inet_pton`` is strict and takes 0.2 us where ``ipaddress`` takes 1.5 us.
    """
    try:
        if ":" not in text:
            return Address(V4_BITS, int.from_bytes(socket.inet_pton(socket.AF_INET, text)))
        number = int.from_bytes(socket.inet_pton(socket.AF_INET6, text.partition("%")[0]))
    except (OSError, ValueError):  # UnicodeError and embedded NUL are ValueError
        return None
    if number >> V4_BITS == _MAPPED:
        return Address(V4_BITS, number & 0xFFFFFFFF)
    return Address(V6_BITS, number)


class Network(NamedTuple):
    """The addresses whose first ``prefix`` bits are those of ``number``."""

    bits: int
    prefix: int
    number: int


def network(text: str) -> Network:
    """Return the network of "10.0.0.0/8" or of one address. Raises ``ValueError``."""
    found = ipaddress.ip_network(text, strict=False)
    return Network(found.max_prefixlen, found.prefixlen, int(found.network_address))


class Networks(Generic[Item]):
    """What is said about networks, found by address."""

    def __init__(self) -> None:
        self._items: dict[tuple[int, int], dict[int, list[Item]]] = {}
        self._prefixes: dict[int, list[int]] = {V4_BITS: [], V6_BITS: []}

    def __len__(self) -> int:
        return sum(len(networks) for networks in self._items.values())

    def add(self, place: Network, item: Item) -> None:
        """Say something about a network."""
        key = (place.bits, place.prefix)
        if key not in self._items:
            self._items[key] = {}
            self._prefixes[place.bits] = sorted([*self._prefixes[place.bits], place.prefix])[::-1]
        self._items[key].setdefault(place.number, []).append(item)

    def around(self, place: Address) -> Iterator[tuple[int, list[Item]]]:
        """Yield what is said about each network that holds ``place``, with its prefix length."""
        for prefix in self._prefixes[place.bits]:
            shift = place.bits - prefix
            found = self._items[place.bits, prefix].get(place.number >> shift << shift)
            if found:
                yield prefix, found


_V6_PUBLIC_BITS = 3
_V6_PUBLIC = 0b001  # 2000::/3, all that is given out (RFC 4291 2.4)
_SPECIAL: Networks[bool] = Networks()
# IANA's special-purpose registries (RFC 6890), and multicast (RFC 5771).
for _text in (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "2001:db8::/32"),
):
    _SPECIAL.add(network(_text), True)  # noqa: FBT003 - the item says only that it is there


def is_public(place: Address) -> bool:
    """Tell whether an address may be somebody's on the Internet."""
    if place.bits == V6_BITS and place.number >> (V6_BITS - _V6_PUBLIC_BITS) != _V6_PUBLIC:
        return False
    return next(_SPECIAL.around(place), None) is None
