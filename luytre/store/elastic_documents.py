"""An alert as documents of Elasticsearch: which index each belongs to, its id, and its fields.

An alert of one event is one document (``alert``). Of an episode each revision is a document that is
kept and not shown (``revision``), and what is current is one more (``episode``), which a newer
revision replaces: its version is made of the revision, so Elasticsearch itself refuses an older one
whatever the order of arrival and whoever writes.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

from luytre.core.alert import LEVELS, decode_alert, encode_alert
from luytre.core.folding import fold_text, words_of
from luytre.store.alert_rows import microseconds, shown_at, terms, words
from luytre.store.elastic_schema import EVENT_FIELDS

if TYPE_CHECKING:
    from datetime import datetime

    from luytre.core.alert import Alert

ECS_VERSION = "9.0.0"
YEAR_FIRST, YEAR_END = 2010, 2040
"""Years that have indices by month; earlier and later times are an unset clock or a forgery.

The bounds are fixed: an id's index must never depend on when it is stored. Whoever forges every
month makes 360 indices, 720 shards with one copy, which is below the 1,000 that one node may hold.
"""

UNDATED, EPISODES, STATE = "undated", "episodes", "state"
TERM_BYTES_MAX = 1024
KEY_CHARS_MAX = 512
TITLE_CHARS_MAX = 1024
_VERSION_BITS, _REVISION_BITS = 63, 52
"""Elasticsearch's versions are longs, revisions microseconds since 1970: 52 bits last to 2112."""
_TAIL_BITS = _VERSION_BITS - _REVISION_BITS
_ID_DIGITS = 3
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Item:
    """One line pair of a bulk request. ``index`` is the alias that it goes to."""

    index: str
    id: str
    action: bytes
    source: bytes
    replaces: bool = False
    """Whether a document of this id may be there that is another."""

    @property
    def size(self) -> int:
        return len(self.action) + len(self.source) + 2


class Documents:
    """Makes the documents of alerts for the aliases that begin with ``name``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._packer = zstandard.ZstdCompressor(level=3)

    def fact(self, alert: Alert) -> Item:
        """Return what is kept of an alert for good."""
        index = f"{self._name}-{month_of(alert.seen_at)}"
        action = {"create": {"_index": index, "_id": alert.id, "require_alias": True}}
        kind = "revision" if alert.episode else "alert"
        source = self._source(alert, kind, shown=not alert.episode and not alert.hidden_by)
        return Item(index, alert.id, _ENCODER.encode(action), source)

    def current(self, alert: Alert) -> Item:
        """Return what shows a revision, unless a newer one is there."""
        index, key = f"{self._name}-{EPISODES}", episode_id(alert)
        version = {"version": version_of(alert), "version_type": "external"}
        action = {"index": {"_index": index, "_id": key, "require_alias": True, **version}}
        source = self._source(alert, "episode", shown=not alert.withdrawn)
        return Item(index, key, _ENCODER.encode(action), source, replaces=True)

    def _source(self, alert: Alert, kind: str, *, shown: bool) -> bytes:
        document = base64.b64encode(self._packer.compress(encode_alert(alert))).decode()
        own = {
            "luytre.kind": kind,
            "luytre.id": alert.id,
            "luytre.shown": shown,
            "luytre.level": alert.rule.level,
            "luytre.time_us": microseconds(shown_at(alert)),
            "luytre.detected_us": microseconds(alert.detected_at),
            "luytre.episode": exact(alert.episode),
            "luytre.revision": alert.revision,
            "luytre.withdrawn": alert.withdrawn,
            "luytre.terms": sorted(map(exact, terms(alert))),
            # Each in a value of its own: a phrase does not reach from one into the next.
            "luytre.words": [" ".join(words_of(column)) for column in words(alert)],
            "luytre.title_words": title_words(alert.rule.title),
            "luytre.event": _flattened(alert),
            "luytre.document": document,
        }
        return _ENCODER.encode({**_event_fields(alert), **_envelope(alert), **own})


def read_document(packed: str, unpacker: zstandard.ZstdDecompressor) -> Alert:
    """Return the alert of ``luytre.document``."""
    return decode_alert(unpacker.decompress(base64.b64decode(packed)))


def month_of(time: datetime | None) -> str:
    """Return the month that an alert's first event belongs to, or ``undated``."""
    if time is None or not YEAR_FIRST <= time.year < YEAR_END:
        return UNDATED
    return f"{time.year}-{time.month:02}"


def episode_id(alert: Alert) -> str:
    """Return the id of an episode's current document: no organisation meets another's."""
    parts = (alert.organization_id.encode(), alert.episode.encode())
    return hashlib.sha256(b"".join(len(p).to_bytes(4) + p for p in parts)).hexdigest()


def version_of(alert: Alert) -> int:
    """Return a number that is greater for a newer document: by revision, and then by id.

    Two documents of one revision, which only a replay under another timing makes, are compared by
    the first 11 bits of their ids; where those are the same too, the first that arrives is shown.
    """
    digits = alert.id[:_ID_DIGITS]
    try:
        tail = int(digits.ljust(_ID_DIGITS, "0"), 16) >> (4 * _ID_DIGITS - _TAIL_BITS)
    except ValueError:
        tail = 0
    return (alert.revision << _TAIL_BITS) + tail


def exact(value: str) -> str:
    """Return a value as it is compared: itself, or its digest if it is no term of Lucene."""
    encoded = value.encode()
    if len(encoded) <= TERM_BYTES_MAX:
        return value
    return f"sha256:{hashlib.sha256(encoded).hexdigest()}"


def title_words(title: str) -> str:
    """Return the words of a rule's title as search compares them."""
    return " ".join(words_of(fold_text(title)))


def _envelope(alert: Alert) -> dict[str, Any]:
    return {
        "@timestamp": shown_at(alert).isoformat(),
        "ecs.version": ECS_VERSION,
        "event.id": alert.event_id,
        "event.ingested": alert.ingested_at.isoformat(),
        "event.kind": "alert",
        "event.severity": LEVELS.index(alert.rule.level),
        "organization.id": exact(alert.organization_id),
        "rule.id": exact(alert.rule.id),
        "rule.name": alert.rule.title[:TITLE_CHARS_MAX],
        "rule.version": exact(alert.rule.version),
        "tags": alert.rule.tags,
    }


def _event_fields(alert: Alert) -> dict[str, str]:
    return {name: alert.event[name] for name in EVENT_FIELDS.keys() & alert.event.keys()}


def _flattened(alert: Alert) -> dict[str, str]:
    """Return the event for a ``flattened`` field, whose keys hold no NUL and have a bound."""
    return {
        name.replace("\x00", "\ufffd"): cell
        for name, cell in alert.event.items()
        if len(name) <= KEY_CHARS_MAX
    }
