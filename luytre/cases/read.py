"""Reads incidents. Every read says whose it may see; what lies outside does not exist."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from luytre.audit.book import LogQuery
from luytre.cases.entities import account_of
from luytre.cases.model import ClockRow, Incident, IncidentQuery, Member, Step
from luytre.core.alert import LEVELS
from luytre.core.errors import Refused
from luytre.core.folding import parse_text
from luytre.core.organization import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.audit.database import CaseDatabase
    from luytre.core.folding import Phrase

_INCIDENT = """
    SELECT id, organization, title, state, disposition, assignee, level, score, score_parts,
        first_at, last_at, received_at, opened_at, updated_at, closed_at, backfill,
        changed_after_close, merged_into, version,
        (SELECT count(*) FROM incident_alerts a WHERE a.incident = i.id)
    FROM incidents i
"""
_MEMBER = """
    SELECT alert, document, revision, organization, rule, title, level, at, received_at, delay_s,
        reason, backfill, withdrawn, superseded_by, disposition,
        (SELECT json_group_array(entity) FROM incident_entities e WHERE e.alert = a.alert)
    FROM incident_alerts a WHERE incident = ? ORDER BY at, alert
"""
STEPS_MAX = 10_000
KINDS = ("host", "machine", "address", "user", "site")
"""What ``luytre.cases.entities`` finds in alerts."""


class Incidents:
    """The incidents of the case database."""

    def __init__(self, cases: CaseDatabase) -> None:
        self._cases = cases

    def get(self, number: int, scope: Scope) -> Incident:
        """Return an incident. Raises ``Refused``: there is none, as far as this reader may know."""
        where, values = scope_term(scope)
        sql = f"{_INCIDENT} WHERE id = ? AND {where}"
        row = self._cases.connection.execute(sql, (number, *values)).fetchone()
        if row is None:
            raise Refused(f"there is no incident {number}")
        return _incident(row)

    def find(self, query: IncidentQuery, scope: Scope) -> list[Incident]:
        """Return incidents, most urgent first."""
        where, values = where_of(query, scope)
        sql = f"{_INCIDENT} WHERE {where} ORDER BY score DESC, last_at DESC, id LIMIT ? OFFSET ?"
        rows = self._cases.connection.execute(sql, (*values, query.limit, query.offset))
        return [_incident(row) for row in rows]

    def count(self, query: IncidentQuery, scope: Scope) -> int:
        """Return how many ``find`` would give without limit and offset."""
        where, values = where_of(query, scope)
        sql = f"SELECT count(*) FROM incidents i WHERE {where}"  # noqa: S608 - only our own terms
        found: Any = self._cases.connection.execute(sql, values).get
        return int(found)

    def numbers(self, query: IncidentQuery, scope: Scope) -> list[int]:
        """Return the numbers of all that a query asks for, without limit and offset."""
        everything = replace(query, limit=-1, offset=0)
        return [incident.id for incident in self.find(everything, scope)]

    def members(self, number: int, scope: Scope) -> tuple[list[Member], int]:
        """Return the alerts of an incident that may be read, and how many others it has.

        An incident about an office's machine may hold what a sensor of the centre saw.
        """
        self.get(number, scope)
        every = [_member(row) for row in self._cases.connection.execute(_MEMBER, (number,))]
        readable = [member for member in every if scope.allows(member.organization)]
        return readable, len(every) - len(readable)

    def incident_of(self, alert: str, scope: Scope) -> Incident:
        """Return the incident of an alert, named by the beginning of its id. Raises ``Refused``."""
        rows: list[Any] = list(
            self._cases.connection.execute(
                "SELECT incident, organization FROM incident_alerts WHERE"
                " alert GLOB ? OR document GLOB ?",
                (f"{_plain(alert)}*", f"{_plain(alert)}*"),
            )
        )
        numbers = {int(row[0]) for row in rows if scope.allows(str(row[1]))}
        if len(numbers) != 1:
            raise Refused(f"no alert, or more than one, begins with {alert}")
        return self.get(numbers.pop(), scope)

    def life(self, number: int, scope: Scope) -> list[Step]:
        """Return what happened to an incident, oldest first, from the history."""
        incident = self.get(number, scope)
        query = LogQuery(subject=f"incident:{number}", limit=STEPS_MAX)
        found = self._cases.book.find(query, Scope.only(incident.organization))
        return [
            Step(
                read.entry["seq"],
                read.entry["at"],
                read.entry["actor"]["user"],
                read.entry["action"],
                {k: v for k, v in (read.detail or {}).items() if k != "nonce"},
            )
            for read in reversed(found)
        ]

    def comments(self, number: int, scope: Scope) -> list[tuple[str, str, str]]:
        """Return time, author and text of an incident's comments, oldest first."""
        self.get(number, scope)
        sql = "SELECT at, author, text FROM incident_comments WHERE incident = ? ORDER BY id"
        rows: Any = self._cases.connection.execute(sql, (number,))
        return list(rows)

    def tasks(self, number: int, scope: Scope) -> list[tuple[int, str, str, str]]:
        """Return number, text, assignee and time done of an incident's tasks."""
        self.get(number, scope)
        sql = "SELECT id, text, assignee, done_at FROM incident_tasks WHERE incident = ?"
        rows: Any = self._cases.connection.execute(sql, (number,))
        return list(rows)

    def clocks(self, number: int, scope: Scope) -> list[tuple[str, str, str, str, str]]:
        """Return name, profile, start, due time and stop of an incident's legal clocks."""
        self.get(number, scope)
        sql = (
            "SELECT clock, profile, started_at, due_at, stopped_at FROM incident_clocks"
            " WHERE incident = ? ORDER BY due_at"
        )
        rows: Any = self._cases.connection.execute(sql, (number,))
        return list(rows)

    def clocks_between(self, first: str, last: str, scope: Scope) -> list[ClockRow]:
        """Return the legal clocks that ran at some time of a period, the first due first."""
        term, values = scope_term(scope)
        sql = (
            "SELECT c.incident, title, organization, clock, profile, started_at, due_at, stopped_at"  # noqa: S608 - our own columns
            " FROM incident_clocks c JOIN incidents i ON i.id = c.incident WHERE started_at < ?"
            f" AND (stopped_at = '' OR stopped_at >= ?) AND {term}"
            " ORDER BY due_at, c.incident, clock"
        )
        rows = self._cases.connection.execute(sql, (last, first, *values))
        return [ClockRow(*row) for row in rows]

    def notifications(self, people: Sequence[str], scope: Scope) -> list[tuple[int, str, int, str]]:
        """Return number, time, incident and reason of what these people have not read."""
        where, values = scope_term(scope)
        marks = ", ".join("?" * len(people))
        sql = (
            f"SELECT id, at, incident, what FROM notifications WHERE read_at = ''"  # noqa: S608 - only our own terms
            f" AND person IN ({marks}) AND {where} ORDER BY id"
        )
        rows: Any = self._cases.connection.execute(sql, (*people, *values))
        return list(rows)


def scope_term(scope: Scope) -> tuple[str, list[Any]]:
    """Return a condition on the column ``organization``, with its values."""
    if scope.organizations is None:
        return "1", []
    names = sorted(scope.organizations)
    return f"organization IN ({', '.join('?' * len(names))})", list(names)


def where_of(query: IncidentQuery, scope: Scope) -> tuple[str, list[Any]]:
    """Return the condition of a query on the table ``incidents``, with its values."""
    asked = [scope_term(scope), *_own_terms(query), *_member_terms(query, scope)]
    asked += [
        (
            "id IN (SELECT rowid FROM incident_text WHERE incident_text MATCH ?)",
            [" OR ".join(map(_phrase, group))],
        )
        for group in parse_text(query.text)
    ]
    return " AND ".join(term for term, _ in asked), [v for _, values in asked for v in values]


def _own_terms(query: IncidentQuery) -> list[tuple[str, list[Any]]]:
    """Return the conditions on the incident itself."""
    levels = [LEVELS.index(level) for level in query.levels]
    nobody = "" if query.assignee == "-" else query.assignee
    every: list[tuple[bool, str, list[Any]]] = [
        (bool(query.states), f"state IN ({_marks(query.states)})", list(query.states)),
        (bool(levels), f"level IN ({_marks(levels)})", list(levels)),
        (bool(query.assignee), "assignee = ?", [nobody]),
        (bool(query.since), "last_at >= ?", [query.since]),
        (bool(query.until), "last_at < ?", [query.until]),
        (query.backfill is not None, "backfill = ?", [query.backfill]),
        (bool(query.organization), "organization = ?", [query.organization]),
        (bool(query.after), "id > ?", [query.after]),
    ]
    return [(term, values) for is_asked, term, values in every if is_asked]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _member_terms(query: IncidentQuery, scope: Scope) -> list[tuple[str, list[Any]]]:
    """Return the conditions on an incident's alerts: only on those that may be read."""
    term, names = scope_term(scope)
    found: list[tuple[str, list[Any]]] = []
    if query.rule:
        sql = f"SELECT incident FROM incident_alerts WHERE (rule = ? OR title LIKE ?) AND {term}"  # noqa: S608
        found.append((f"id IN ({sql})", [query.rule, f"%{query.rule}%", *names]))
    if query.entity:
        entity = query.entity.lower()
        # Each kind by itself, so that the index finds it among millions.
        asked = [entity, *(f"{kind}:{entity}" for kind in KINDS)]
        asked.append(f"user:{account_of(entity)}")
        sql = (
            "SELECT incident FROM incident_alerts JOIN incident_entities USING (alert)"  # noqa: S608
            f" WHERE entity IN ({_marks(asked)}) AND {term}"
        )
        found.append((f"id IN ({sql})", [*asked, *names]))
    return found


def _phrase(phrase: Phrase) -> str:
    """Return a phrase of letters and digits in FTS5's syntax: nothing of it is syntax."""
    return '"' + " ".join(phrase.words) + '"' + ("*" if phrase.prefix else "")


def _plain(text: str) -> str:
    """Return what an id may begin with: GLOB's own signs are none of it."""
    return "".join(c for c in text if c.isalnum() or c == "-") or "-"


def _incident(row: Any) -> Incident:
    values = list(row)
    values[6] = LEVELS[values[6]]
    values[8] = tuple((text, points) for text, points in msgspec.json.decode(values[8]))
    values[15], values[16] = bool(values[15]), bool(values[16])
    return Incident(*values)


def _member(row: Any) -> Member:
    values = list(row)
    values[6] = LEVELS[values[6]]
    values[11], values[12] = bool(values[11]), bool(values[12])
    values[15] = tuple(msgspec.json.decode(values[15]))
    return Member(*values)
