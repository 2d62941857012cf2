"""Counts what each rule's alerts came to: how many there were, and what people said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from luytre.audit.canonical import stamp
from luytre.cases.read import scope_term

if TYPE_CHECKING:
    from datetime import datetime

    from luytre.audit.database import CaseDatabase
    from luytre.core.organization import Scope


@dataclass(frozen=True, slots=True)
class Fires:
    """The alerts of a rule: in the shorter span, in the longer one, and those that were judged.

    ``false`` of the ``judged`` were false positives. An alert is judged by its own disposition, or
    else by that of its incident.
    """

    recent: int = 0
    all: int = 0
    judged: int = 0
    false: int = 0

    @property
    def false_share(self) -> float | None:
        """Return the part of what was judged that was false, from 0 to 1; None if none was."""
        return self.false / self.judged if self.judged else None


def rule_fires(
    cases: CaseDatabase, scope: Scope, recent_since: datetime, since: datetime
) -> dict[str, Fires]:
    """Return what each rule's alerts came to, by the rule's id, of alerts a reader may see."""
    term, names = scope_term(scope)
    sql = (
        "SELECT a.rule, sum(a.at >= ?), count(*), sum(a.said != ''),"  # noqa: S608 - our own term
        " sum(a.said = 'false positive') FROM (SELECT rule, at, CASE disposition WHEN '' THEN"
        " (SELECT i.disposition FROM incidents i WHERE i.id = incident) ELSE disposition END said"
        f" FROM incident_alerts WHERE at >= ? AND withdrawn = 0 AND superseded_by = '' AND {term})"
        " a GROUP BY a.rule"
    )
    rows = cases.connection.execute(sql, (stamp(recent_since), stamp(since), *names))
    return {rule: Fires(*counts) for rule, *counts in rows}
