"""Splits JSON that is not one event a line: arrays, pretty-printed documents, CloudTrail files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT_BYTES_MAX = 256 * 2**20
_RAW = msgspec.json.Decoder(msgspec.Raw)
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
# Python refuses integers of more than 4,300 digits; the text is kept anyway.
_BOUNDARY = json.JSONDecoder(parse_int=str, parse_float=str)


def is_document(head: bytes) -> bool:
    """Tell whether a ``.json`` file that starts so is documents rather than one event a line.

    ``head`` holds its first line at least, or as much of it as anybody would look at.
    """
    line = head.lstrip().partition(b"\n")[0]
    if line[:1] not in (b"{", b"["):
        return False
    try:
        return "Records" in _OBJECT.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return True


def split_documents(data: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield each event on one line, and "" or why it cannot be read.

    Elements of an array and of a ``{"Records": [...]}`` document are events of their own
    (the CloudTrail log file format); any other document is one event. Tokens are kept as written.
    Raises ``ValueError`` if not even the first document is JSON.
    """
    try:
        _RAW.decode(data)
    except (msgspec.DecodeError, RecursionError):
        yield from _concatenated(data)
    else:
        yield from ((event, "") for event in _events(data))


def _concatenated(data: bytes) -> Iterator[tuple[bytes, str]]:
    # Offsets of text are not offsets of bytes; each document is encoded again, nothing is counted.
    text = data.decode("utf-8")
    at = 0
    while rest := text[at : at + 1]:
        if rest.isspace():
            at += 1
            continue
        try:
            _, end = _BOUNDARY.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            if at == 0:
                raise ValueError(str(error)) from error
            yield text[at:].encode(), f"not JSON: {error}"
            return
        yield from ((event, "") for event in _events(text[at:end].encode()))
        at = end


def _events(document: bytes) -> list[bytes]:
    try:
        elements = _elements(document)
    except (msgspec.DecodeError, RecursionError):
        elements = [document]
    return [_one_line(element) for element in elements]


def _elements(document: bytes) -> list[bytes]:
    first = document.lstrip()[:1]
    if first == b"[":
        return [bytes(element) for element in _ARRAY.decode(document)]
    if first == b"{":
        records = _OBJECT.decode(document).get("Records")
        if records is not None and bytes(records).lstrip()[:1] == b"[":
            return [bytes(element) for element in _ARRAY.decode(records)]
    return [document]


def _one_line(document: bytes) -> bytes:
    try:
        return msgspec.json.format(document, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        # JSON has no raw line end inside a string (RFC 8259, 7), so these only separate.
        return document.strip().replace(b"\r", b" ").replace(b"\n", b" ")
