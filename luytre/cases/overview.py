"""Reads what a page shows of many incidents at once: their things, their groups, their hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from luytre.cases.read import scope_term, where_of
from luytre.core.alert import LEVELS, Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.audit.database import CaseDatabase
    from luytre.cases.model import IncidentQuery
    from luytre.core.organization import Scope

Grouping = Literal["organization", "rule", "level", "assignee", "state"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
GROUPS_MAX, ENTITIES_MAX = 200, 4
_BUCKETS = {3600: 13, 86_400: 10}
"""How much of a time's text names its hour, or its day."""


@dataclass(frozen=True, slots=True)
class Group:
    """Incidents that have something in common."""

    value: str
    incidents: int
    alerts: int
    score: int
    last_at: str


class Overview:
    """Summaries of the incidents that a reader may see."""

    def __init__(self, cases: CaseDatabase) -> None:
        self._cases = cases

    def entities(self, numbers: Sequence[int], scope: Scope) -> dict[int, list[str]]:
        """Return the first things (``host:srv-1``) that the alerts of incidents share."""
        if not numbers:
            return {}
        term, names = scope_term(scope)
        marks = ", ".join("?" * len(numbers))
        sql = (
            "SELECT incident, entity, count(*) FROM incident_alerts JOIN incident_entities"  # noqa: S608 - only our own terms
            f" USING (alert) WHERE incident IN ({marks}) AND {term}"
            " GROUP BY incident, entity ORDER BY incident, 3 DESC, entity"
        )
        found: dict[int, list[str]] = {}
        for incident, entity, _ in self._rows(sql, *numbers, *names):
            own = found.setdefault(incident, [])
            if len(own) < ENTITIES_MAX:
                own.append(entity)
        return found

    def groups(self, query: IncidentQuery, scope: Scope, by: Grouping) -> list[Group]:
        """Return the incidents of a query by what they have in common, most urgent first."""
        where, values = where_of(query, scope)
        if by == "rule":
            return self._by_rule(where, values, scope)
        sql = (
            f"SELECT {by}, count(*), sum((SELECT count(*) FROM incident_alerts a"  # noqa: S608 - a closed set
            f" WHERE a.incident = i.id)), max(score), max(last_at) FROM incidents i"
            f" WHERE {where} GROUP BY {by} ORDER BY 4 DESC, 2 DESC, 1 LIMIT {GROUPS_MAX}"
        )
        rows = self._rows(sql, *values)
        if by == "level":
            return [Group(LEVELS[value], *rest) for value, *rest in rows]
        return [Group(str(value), *rest) for value, *rest in rows]

    def _by_rule(self, where: str, values: Sequence[Any], scope: Scope) -> list[Group]:
        """An incident with alerts of several rules stands in the group of each."""
        term, names = scope_term(scope)
        sql = (
            "SELECT a.title, count(DISTINCT found.id), count(*), max(found.score),"  # noqa: S608
            f" max(found.last_at) FROM (SELECT id, score, last_at FROM incidents i WHERE {where})"
            f" found JOIN incident_alerts a ON a.incident = found.id WHERE {term}"
            f" GROUP BY a.title ORDER BY 4 DESC, 2 DESC, 1 LIMIT {GROUPS_MAX}"
        )
        return [Group(*row) for row in self._rows(sql, *values, *names)]

    def per_time(
        self, scope: Scope, since: str, until: str, size_s: Literal[3600, 86_400] = 3600
    ) -> dict[tuple[str, Level], int]:
        """Return how many alerts each hour (``2026-11-25T06``) or day had of each level."""
        term, names = scope_term(scope)
        sql = (
            f"SELECT substr(at, 1, {_BUCKETS[size_s]}), level, count(*) FROM incident_alerts"  # noqa: S608
            f" INDEXED BY alerts_by_time WHERE at >= ? AND at < ? AND {term} GROUP BY 1, 2"
        )
        rows = self._rows(sql, since, until, *names)
        return {(bucket, LEVELS[level]): count for bucket, level, count in rows}

    def newest(self, scope: Scope) -> int:
        """Return the highest number that an incident has."""
        term, names = scope_term(scope)
        sql = f"SELECT coalesce(max(id), 0) FROM incidents WHERE {term}"  # noqa: S608
        (found,) = self._rows(sql, *names)
        return int(found[0])

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        return list(self._cases.connection.execute(sql, values))
