"""What the alert store keeps of an alert beside its document: its place, its terms, its words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from luytre.core.folding import fold_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.core.alert import Alert

SLOTS = 2**11
"""Alerts that can share one microsecond before the next one's places are used."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIME_MAX = 2**52 - 2**32  # in the year 2112; with its places it just fits SQLite's 63 bits
_INDEXED_LENGTH_MAX = 64 * 1024  # one event of a megabyte must not fill the index
_TECHNIQUE_PARTS = 2

HOST_FIELDS = ("host.name",)
USER_FIELDS = ("user.name", "user.target.name")


def microseconds(time: datetime) -> int:
    """Return a time as microseconds since 1970, moved into what a place can hold."""
    return min(max((time - _EPOCH) // _MICROSECOND, 0), _TIME_MAX)


def place(time: datetime) -> int:
    """Return the lowest row number of alerts at ``time``: newer alerts have higher ones."""
    return microseconds(time) * SLOTS


def shown_at(alert: Alert) -> datetime:
    """Return the event's time, or its receipt where it has none."""
    return alert.seen_at or alert.ingested_at


def terms(alert: Alert) -> set[str]:
    """Return the exact terms an alert is found by: its host, its users, its tags."""
    found = {host_term(alert.event[name]) for name in HOST_FIELDS if name in alert.event}
    found |= {user_term(alert.event[name]) for name in USER_FIELDS if name in alert.event}
    if alert.hidden_by:
        found |= {hidden_term(""), *map(hidden_term, alert.hidden_by)}
    return found.union(*(map(tag_term, _with_parents(tag)) for tag in alert.rule.tags))


def host_term(name: str) -> str:
    """Return the term of a host name."""
    return f"host:{fold_text(name)}"


def user_term(name: str) -> str:
    """Return the term of an account name."""
    return f"user:{fold_text(name)}"


def tag_term(tag: str) -> str:
    """Return the term of a tag."""
    return f"tag:{fold_text(tag)}"


def hidden_term(filter_id: str) -> str:
    """Return the term of a hit that a filter hides; of any filter if it is empty."""
    return f"hidden:{filter_id}"


def _with_parents(tag: str) -> Iterator[str]:
    """Yield a tag and what it is part of: attack.t1059.001 is an attack.t1059 too."""
    parts = tag.split(".")
    for end in range(min(_TECHNIQUE_PARTS, len(parts)), len(parts) + 1):
        yield ".".join(parts[:end])


COLUMNS = ("title", "description", "host", "user", "organization", "event", "reasons")
"""The columns of the full-text index, in the order of ``words``."""


def words(alert: Alert) -> tuple[str, ...]:
    """Return the folded text of each full-text column, as far as it is searched (64 KiB)."""
    event = alert.event
    columns = (
        alert.rule.title,
        alert.rule.description,
        "\n".join(event[name] for name in HOST_FIELDS if name in event),
        "\n".join(event[name] for name in USER_FIELDS if name in event),
        alert.organization_id,
        "\n".join(event.values()),
        "\n".join(f"{reason.field}\n{reason.pattern}" for reason in alert.reasons),
    )
    return tuple(fold_text(column[:_INDEXED_LENGTH_MAX]) for column in columns)
