"""What Elasticsearch's answer means for a document or a request: done, again, wait, or refused."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from luytre.store.elastic_client import body_reason

BAD_REQUEST, NOT_FOUND, TOO_LARGE = 400, 404, 413

_STATE_OF_THE_CLUSTER = frozenset(
    {
        "index_closed_exception",
        "invalid_index_name_exception",
        "validation_exception",  # no shard may be added
        "unavailable_shards_exception",
    }
)
"""Errors with status 400 that say nothing of the document: refusing it would lose it for that."""


class Verdict(Enum):
    """What to do with a document after an answer."""

    NEW = auto()
    """It is kept now."""
    KNOWN = auto()
    """It was kept before: a replay, or a repetition after an answer that did not come."""
    AGAIN = auto()
    """The node is busy: send this document again, the others go on."""
    WAIT = auto()
    """The cluster takes no writes (a full disk, a missing right): send nothing for a while."""
    MISSING = auto()
    """There is no such index yet, or retention has taken it."""
    REFUSED = auto()
    """It will never be taken: a dead letter."""


_BY_STATUS = {
    **dict.fromkeys((200, 201), Verdict.NEW),
    409: Verdict.KNOWN,
    **dict.fromkeys((429, 500, 502, 503, 504), Verdict.AGAIN),
}


def judge(status: int, error: Any) -> Verdict:
    """Return what an item's status and error mean.

    Statuses are those of Elasticsearch's bulk API. Whatever is unknown is waited for, with its
    reason: to drop a document on an answer that we do not understand would lose it.
    """
    kind = error.get("type", "") if isinstance(error, dict) else ""
    if kind == "cluster_block_exception":
        return Verdict.WAIT
    if status in {BAD_REQUEST, TOO_LARGE} and kind not in _STATE_OF_THE_CLUSTER:
        return Verdict.REFUSED
    if status == NOT_FOUND and kind == "index_not_found_exception":
        return Verdict.MISSING
    return _BY_STATUS.get(status, Verdict.WAIT)


def told(status: int, error: Any) -> str:
    """Return status and reason in one line."""
    return f"{status} {body_reason(error)}" if error else str(status)
