"""What no filter may hide: alerts of incidents that were true, and the examples of rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from detections.evidence import examples_beside
from ingest.again import COLUMNS, Again
from luytre.core.ecs import ENVELOPE
from luytre.core.organization import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from detections.evidence import Example
    from luytre.audit.database import CaseDatabase
    from luytre.core.alert import Alert, AlertStore
    from luytre.core.batch import Batch
    from luytre.review.side import Side

TRUE = "true positive"
Decode = Callable[["Example"], "list[Batch]"]


@dataclass(frozen=True, slots=True)
class Violation:
    """A protected event that a filter would hide, as far as whoever asks may see it."""

    what: str
    rule: str
    title: str
    at: str
    organization: str
    original: str


@dataclass(frozen=True, slots=True)
class Protection:
    """What was looked at, what would be hidden, and what could not be judged again."""

    alerts: int
    examples: int
    violations: tuple[Violation, ...]
    unjudged: tuple[str, ...] = ()


def protected_alerts(
    cases: CaseDatabase, store: AlertStore, rules: frozenset[str] | None, scope: Scope
) -> list[Alert]:
    """Return the alerts of incidents that were closed as true, of some rules, or of all (None).

    ``scope`` is where the filter hides, not what its author may see.
    """
    rows: Any = cases.connection.execute(
        "SELECT document, incident_alerts.organization, rule FROM incident_alerts"
        " JOIN incidents ON incidents.id = incident"
        " WHERE incidents.state = 'closed' AND withdrawn = 0"
        " AND coalesce(nullif(incident_alerts.disposition, ''), incidents.disposition) = ?",
        (TRUE,),
    )
    found = [
        store.get(document, Scope.only(organization))
        for document, organization, rule in rows
        if (rules is None or rule in rules) and scope.allows(organization)
    ]
    return [alert for alert in found if alert is not None]


def check_protected(
    after: Side, filter_id: str, alerts: Sequence[Alert], decode: Decode, seen: Scope
) -> Protection:
    """Judge protected alerts and the examples of the filter's rules, and say what it would hide."""
    violations: list[Violation] = []
    unjudged: list[str] = []
    for alert in alerts:
        batches = Again(after.needed)(_row(alert)).batches
        met = {
            rule for batch in batches for rule in _hidden(after, filter_id, after.enriched(batch))
        }
        if alert.rule.id in met:
            violations.append(_shown(alert, seen))
        elif not batches:
            unjudged.append(alert.id)
    examples = 0
    for example, rule, title in _examples(after, filter_id):
        examples += 1
        batches = [batch for batch in decode(example) if batch.height]
        if any(rule in _hidden(after, filter_id, batch) for batch in batches):
            original = example.raw.decode(errors="backslashreplace")
            what = f"example {example.file.name}:{example.line}, {example.why}"
            violations.append(Violation(what, rule, title, "", "", original))
    return Protection(len(alerts), examples, tuple(violations), tuple(unjudged))


def _hidden(side: Side, filter_id: str, batch: Batch) -> set[str]:
    """Return the rules whose hits in a batch the filter hides."""
    number = next(n for n, each in enumerate(side.plan.filters) if each.id == filter_id)
    judged = side.engine.judged(batch)
    return {side.plan.rules[h.rule].card.id for h in judged.hidden if number in h.filters}


def _examples(side: Side, filter_id: str) -> Iterator[tuple[Example, str, str]]:
    about = next(each.rules for each in side.plan.filters if each.id == filter_id)
    for number, rule in enumerate(side.plan.rules):
        mine = examples_beside(Path(rule.card.path))[0] if about is None or number in about else []
        yield from ((e, rule.card.id, rule.card.title) for e in mine if e.expect == "match")


def _row(alert: Alert) -> pl.DataFrame:
    """Return an alert's event as the archive has it."""
    known = {
        "event.id": alert.event_id,
        "@timestamp": alert.seen_at,
        "event.ingested": alert.ingested_at,
        "organization.id": alert.organization_id,
        "event.original": alert.original,
        "event.dataset": alert.part,
        "host.name": alert.event.get("host.name"),
    }
    schema = {**ENVELOPE, "event.dataset": pl.String(), "host.name": pl.String()}
    row = {name: [known.get(name)] for name in COLUMNS}
    return pl.DataFrame(row, schema={name: schema[name] for name in COLUMNS})


def _shown(alert: Alert, seen: Scope) -> Violation:
    if not seen.allows(alert.organization_id):
        words = "an event of another organisation"
        return Violation("alert", alert.rule.id, alert.rule.title, "", words, "")
    at = alert.seen_at or alert.ingested_at
    return Violation(
        f"alert {alert.id[:16]}",
        alert.rule.id,
        alert.rule.title,
        at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        alert.organization_id,
        alert.original.decode(errors="backslashreplace"),
    )
