"""What flows on the topic ``matches``: an event that a correlation rule waits for.

The detect loop writes one for every (correlation, group-by values, event); correlations write
their results as matches of the correlations above them. Groups are shared out to so many bundles,
and the message key is the bundle: whoever reads a partition sees the whole of every group in it,
and a batch with thousands of groups is a few hundred messages.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from luytre.core.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

PROVINCE = "*"
"""The organisation of what is correlated across organisations: no scope but everything holds it."""

REACHED = "reached"
"""The header that says how far the streams of a message had come before it: a map as JSON."""

RESULT = "="
"""How the stream of a correlation's results begins; streams of events never do."""

BUNDLES = 256
"""How many keys messages may have. To change it would part groups that are open."""


class Match(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event, as one group of one correlation sees it.

    ``rule`` is the correlation's id, ``group`` the values of its group-by fields (folded) and
    ``columns`` our names of these fields. ``time_us`` is the event's own time, else its receipt,
    in microseconds since 1970, ``ingested_us`` its receipt. ``stream`` is what watermarks count.
    ``met`` are the places of the rules that the event met in the correlation's list, ascending.
    ``value`` is the value of the condition's field ("" if the event has none), ``carried`` the
    values of fields that the correlations above need, "" where missing.

    A result of a correlation has the id of its alert as ``event_id``. Of two matches of one event
    in one group the higher ``revision`` holds; ``withdrawn`` takes it out of the group.
    """

    rule: str
    organization: str
    group: tuple[str, ...]
    event_id: str
    time_us: int
    ingested_us: int
    stream: str
    met: tuple[int, ...]
    value: str = ""
    carried: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    revision: int = 0
    withdrawn: bool = False

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        """What is correlated with what: only matches of one key meet."""
        return self.rule, self.organization, self.group


_MATCHES_MAX = 1_000
_BYTES_MAX = 512 * 1024
"""Half of what Kafka takes by default."""
_ENCODER = msgspec.json.Encoder()
_REACHED_DECODER = msgspec.json.Decoder(dict[str, int])
_DECODER = msgspec.json.Decoder(list[Match])


def encode_matches(matches: list[Match]) -> bytes:
    """Return matches as one line of JSON."""
    return _ENCODER.encode(matches)


def decode_matches(data: bytes) -> list[Match]:
    """Return the matches that ``encode_matches`` wrote. Raises ``msgspec.MsgspecError``."""
    return _DECODER.decode(data)


class Bundler:
    """Makes the messages of one sender, and says in each how far its streams had come before.

    The bundles of one batch lie in the log one after the other, so only what was sent before the
    batch can make any of its matches late.
    """

    def __init__(self) -> None:
        self._newest_us: dict[str, int] = {}

    def messages(self, matches: Iterable[Match]) -> list[Message]:
        """Return the messages of one batch, of one bundle each."""
        bundles: dict[int, list[Match]] = defaultdict(list)
        reached = dict[str, int]()
        newest = dict[str, int]()
        for match in matches:
            bundles[crc32(_ENCODER.encode(match.key)) % BUNDLES].append(match)
            if not match.stream.startswith(RESULT):
                # A clock that is wrong, or an attacker's, must not make all that follows late.
                time_us = min(match.time_us, match.ingested_us)
                reached[match.stream] = min(time_us, reached.get(match.stream, time_us))
                newest[match.stream] = max(time_us, newest.get(match.stream, time_us))
        for stream, newest_us in newest.items():
            known = self._newest_us.get(stream)
            reached[stream] = reached[stream] if known is None else known
            self._newest_us[stream] = max(newest_us, reached[stream])
        return [
            Message(f"bundle-{number}".encode(), value, {REACHED: _told(piece, reached)})
            for number, bundle in bundles.items()
            for start in range(0, len(bundle), _MATCHES_MAX)
            for piece, value in _values(bundle[start : start + _MATCHES_MAX])
        ]


def _told(matches: list[Match], reached: dict[str, int]) -> str:
    streams = {match.stream for match in matches}
    return _ENCODER.encode({s: reached[s] for s in streams if s in reached}).decode()


def reached_of(message: Message) -> dict[str, int] | None:
    """Return how far the streams of a message had come before it, if it says so.

    Raises ``msgspec.MsgspecError``.
    """
    told = message.headers.get(REACHED)
    return None if told is None else _REACHED_DECODER.decode(told)


def _values(matches: list[Match]) -> list[tuple[list[Match], bytes]]:
    """Return matches as messages that a broker takes, whatever the values in them are."""
    value = encode_matches(matches)
    if len(value) <= _BYTES_MAX or len(matches) == 1:
        return [(matches, value)]
    half = len(matches) // 2
    return [*_values(matches[:half]), *_values(matches[half:])]
