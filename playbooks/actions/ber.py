"""The little of BER (X.690) that three LDAP operations need: lengths, and tags with their content.

Definite lengths only, as RFC 4511 section 5.1 asks; what a server sends is bounded and checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER, OCTETS, ENUMERATED, BOOLEAN, SEQUENCE, SET = 0x02, 0x04, 0x0A, 0x01, 0x30, 0x31
MESSAGE_BYTES_MAX = 1024 * 1024
_SHORT_MAX = 0x7F


class BerError(ValueError):
    """Bytes that are not the BER we read."""


def encode(tag: int, *contents: bytes) -> bytes:
    """Return one element."""
    body = b"".join(contents)
    if len(body) <= _SHORT_MAX:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Return a whole number, as short as it can be."""
    return encode(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def text(value: str, tag: int = OCTETS) -> bytes:
    """Return a text as octets."""
    return encode(tag, value.encode())


def boolean(*, value: bool) -> bytes:
    """Return a truth value."""
    return encode(BOOLEAN, b"\xff" if value else b"\x00")


def header(data: bytes) -> tuple[int, int] | None:
    """Return where the first element's content begins and ends; None while bytes are missing."""
    if len(data) < 2:  # noqa: PLR2004
        return None
    first = data[1]
    if first <= _SHORT_MAX:
        return 2, 2 + first
    count = first & _SHORT_MAX
    if count not in {1, 2, 3, 4}:
        raise BerError("a length is indefinite or too long")
    if len(data) < 2 + count:
        return None
    length = int.from_bytes(data[2 : 2 + count], "big")
    if length > MESSAGE_BYTES_MAX:
        raise BerError(f"an element is larger than {MESSAGE_BYTES_MAX} bytes")
    return 2 + count, 2 + count + length


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element; raises ``BerError`` where one is cut off."""
    while data:
        place = header(data)
        if place is None or place[1] > len(data):
            raise BerError("an element is cut off")
        yield data[0], data[place[0] : place[1]]
        data = data[place[1] :]


def number(content: bytes) -> int:
    """Return the value of an integer's content."""
    return int.from_bytes(content, "big", signed=True)
