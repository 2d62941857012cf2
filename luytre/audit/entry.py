"""An entry: who did what to what, when; its bytes are what the history proves."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from luytre.audit.canonical import canonical, stamp
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from luytre.core.actor import Actor

VERSION = 1
DETAIL_BYTES_MAX = 2**20


@dataclass(frozen=True, slots=True)
class Moment:
    """When, on three clocks: of the day, and since this start of the machine."""

    at: datetime
    monotonic_us: int
    boot: str


@dataclass(frozen=True, slots=True)
class Act:
    """What was done, in the words of the room that did it.

    ``subject`` names what it was done to, as ``incident:12``; ``organization`` whose that is, ""
    for the whole installation. ``detail`` is what may have to be erased one day: the entry itself
    keeps only its digest.
    """

    action: str
    subject: str
    organization: str
    detail: Mapping[str, Any]


def detail_bytes(detail: Mapping[str, Any]) -> bytes:
    """Return a detail's bytes, with a nonce: a digest of few possible values would tell which.

    Raises:
        Refused: more than a mebibyte.
    """
    data = canonical({**detail, "nonce": secrets.token_hex(16)})
    if len(data) > DETAIL_BYTES_MAX:
        raise Refused(f"an audit entry's detail of {len(data):,} bytes is too large: split it")
    return data


def entry_bytes(
    seq: int, previous: bytes, actor: Actor, act: Act, moment: Moment, *, detail: bytes, change: str
) -> bytes:
    """Return the canonical bytes of an entry; the hash over them is its leaf in the tree.

    ``previous`` is the leaf of the entry before it, ``change`` what all entries of one transaction
    have in common.
    """
    return canonical(
        {
            "action": act.action,
            "actor": {
                "address": actor.address,
                "roles": sorted(actor.roles),
                "user": actor.user,
                "via": actor.via,
            },
            "at": stamp(moment.at),
            "boot": moment.boot,
            "change": change,
            "detail": hashlib.sha256(detail).hexdigest(),
            "monotonic_us": moment.monotonic_us,
            "organization": act.organization,
            "previous": previous.hex(),
            "seq": seq,
            "subject": act.subject,
            "v": VERSION,
        }
    )
