"""A filter drafted from alerts that were none: as narrow as what they have in common."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import yaml

from detections.tree import escaped
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from luytre.core.alert import Alert
    from luytre.core.batch import LogSource

VALUES_MAX = 5
"""A field with more values among the false positives says nothing about them."""
CHARS_MAX = 500
OF_EVENT = (
    "organization.id", "host.name", "user.name", "user.target.name", "source.ip", "destination.ip",
    "event.code", "process.executable", "process.command_line", "process.parent.executable",
    "process.parent.command_line", "file.path", "registry.path", "dns.question.name", "url.domain",
    "url.original", "http.request.method", "user_agent.original", "email.from.address",
)  # fmt: skip
"""Columns that tell one event from another, besides those that the rule looked at."""
_NOT = ("event.original", "@timestamp", "event.id", "event.ingested", "message")


@dataclass(frozen=True, slots=True)
class Choice:
    """A field that a filter can ask for, and its values among the false positives.

    ``others`` are alerts of the rule with such a value, of ``of`` that were looked at: the fewer,
    the better the field tells the false positives apart.
    """

    field: str
    values: tuple[str, ...]
    others: int
    of: int
    taken: bool


def choices(
    alerts: Sequence[Alert], others: Sequence[Alert], fields: Collection[str] = ()
) -> list[Choice]:
    """Return the fields by which alerts of one rule can be told from its other alerts.

    Taken are those of ``fields``, or, if it is empty, all that the alerts have in common.

    Raises:
        Refused: the alerts are of several rules, or a field that was asked for is not in all.
    """
    if len({alert.rule.id for alert in alerts}) != 1:
        raise Refused("the alerts are of several rules: name one rule's")
    if any(alert.episode for alert in alerts):
        raise Refused("an alert of a correlation is filtered by the rules that it rests on")
    seen = (reason.column for alert in alerts for reason in alert.reasons)
    columns = [c for c in dict.fromkeys((*fields, *OF_EVENT, *seen)) if c and c not in _NOT]
    mine = {alert.id for alert in alerts}
    rest = [alert for alert in others if alert.id not in mine]
    found: list[Choice] = []
    for column in columns:
        values = {alert.event.get(column, "") for alert in alerts}
        if "" in values or max(map(len, values)) > CHARS_MAX:
            if column in fields:
                raise Refused(f"{column} is not in all of the alerts, or too long")
            continue
        counted = Counter(alert.event.get(column) for alert in rest)
        taken = column in fields if fields else len(values) <= VALUES_MAX
        found.append(
            Choice(column, tuple(sorted(values)), sum(counted[v] for v in values), len(rest), taken)
        )
    return found


def filter_text(
    alerts: Sequence[Alert],
    chosen: Sequence[Choice],
    logsource: LogSource,
    *,
    owner: str,
    reason: str,
    now: datetime,
    days: float,
) -> bytes:
    """Return a Sigma filter as YAML that hides what has all the values taken.

    Raises:
        Refused: nothing is taken, so that it would hide everything.
    """
    taken = [choice for choice in chosen if choice.taken]
    if not taken:
        raise Refused("the alerts have nothing in common that a filter could ask for")
    card = alerts[0].rule
    source = {
        name: value
        for name, value in (
            ("product", logsource.product),
            ("category", logsource.category),
            ("service", logsource.service),
        )
        if value
    }
    known: dict[str, Any] = {}
    for choice in taken:
        values = [escaped(value) for value in choice.values]
        known[choice.field] = values[0] if len(values) == 1 else values
    document = {
        "title": f"Known: {card.title}"[:250],
        "id": str(uuid.uuid4()),
        "description": f"Drafted from {len(alerts)} false positives of {card.title}",
        "date": now.date().isoformat(),
        "owner": owner,
        "reason": reason,
        "expires": (now + timedelta(days=days)).date().isoformat(),
        "logsource": source,
        "filter": {"rules": [card.id], "known": known, "condition": "known"},
    }
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)
    return text.encode()
