"""Cuts bytes into whole lines for messages, in bounded memory whatever the lines are like."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.shippers.stamp import Stamp
    from luytre.core.config import ShipConfig
    from luytre.core.message import Message

FINGERPRINT_BYTES = 4096
UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Place:
    """How far a reader is.

    ``offset``: the next byte; ``seq``: the next event's number; ``piece``: how many pieces of the
    line at hand were cut off already because it is too long (0 = ``offset`` is a line's start).
    """

    offset: int = 0
    seq: int = 0
    piece: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes for one message: whole lines, or one piece of a line too long (then ``reject``)."""

    payload: bytes
    offset: int
    first_seq: int
    count: int
    reject: str = ""

    def message(self, stamp: Stamp, position: str = "") -> Message:
        """Return the message; its position is where its bytes start, if not said otherwise."""
        position = position or f"bytes:{self.offset}"
        if self.reject:
            return stamp.one(self.payload, self.first_seq, position, self.reject)
        return stamp.lines(self.payload, self.first_seq, self.count, position)


def window_bytes(settings: ShipConfig) -> int:
    """Return how many bytes ``cut`` must see at once to get on: one full event, two messages."""
    return settings.event_bytes_max + 2 * settings.message_bytes_max


def fingerprint(head: bytes, *, final: bool) -> str | None:
    """Return the content generation: sha256 of the first line, capped, without its line end.

    None while the first line may still grow, which ``final`` says it will not.
    """
    head = head.removeprefix(UTF8_BOM)
    line, end, _ = head[:FINGERPRINT_BYTES].partition(b"\n")
    if not end and len(head) < FINGERPRINT_BYTES and not final:
        return None
    # Only a CR before a LF is a line end: a capped line may stop after a CR by chance.
    return hashlib.sha256(line.removesuffix(b"\r") if end else line).hexdigest()


def cut(window: bytes, place: Place, settings: ShipConfig, *, final: bool) -> Iterator[Cut]:
    """Yield what of ``window`` can be sent; ``place`` (its first byte) advances with each.

    What cannot be sent yet is a last line without an end; ``final`` says that none will come. The
    pieces of a line too long do not depend on how the bytes arrived.
    """
    start = place.offset
    while (at := place.offset - start) < len(window):
        if place.piece:
            found = _piece(window, at, place, settings, final=final)
        else:
            found = _lines(window, at, place, settings, final=final)
        if found is None:
            return
        if found.count:
            yield found


def _lines(
    window: bytes, at: int, place: Place, settings: ShipConfig, *, final: bool
) -> Cut | None:
    end, count = _whole_lines(window, at, settings)
    if end == at:
        longest = at + settings.event_bytes_max
        if window.find(b"\n", at, longest + 1) < 0 and len(window) > longest:
            return _piece(window, at, place, settings, final=final)
        if not final:
            return None
        end, count = len(window), int(bool(window[at:].strip()))
    found = Cut(window[at:end], place.offset, place.seq, count)
    place.offset += end - at
    place.seq += count
    return found


def _whole_lines(window: bytes, at: int, settings: ShipConfig) -> tuple[int, int]:
    """Return the end of the lines that fit into one message, and how many are not blank."""
    end, count = at, 0
    # A loop over lines: 0.2 us each, a fiftieth of what decoding one costs.
    while count < settings.message_events_max:
        feed = window.find(b"\n", end)
        fits = feed < at + settings.message_bytes_max or end == at
        if feed < 0 or feed - end > settings.event_bytes_max or not fits:
            break
        count += bool(window[end:feed].strip())
        end = feed + 1
    return end, count


def _piece(
    window: bytes, at: int, place: Place, settings: ShipConfig, *, final: bool
) -> Cut | None:
    longest = settings.event_bytes_max
    feed = window.find(b"\n", at, at + longest + 1)
    ends = feed >= 0 or (final and len(window) - at <= longest)
    if not ends and len(window) - at <= longest:
        return None
    end = feed if feed >= 0 else min(len(window), at + longest)
    reason = f"line longer than {longest} bytes, piece {place.piece + 1}"
    found = Cut(window[at:end], place.offset, place.seq, int(end > at), reason)
    place.offset += end - at + (feed >= 0)
    place.seq += found.count
    place.piece = 0 if ends else place.piece + 1
    return found
