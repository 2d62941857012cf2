"""What is kept of runs in the case database: the run, its steps, and who agreed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from luytre.audit.database import Room
from luytre.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from luytre.core.database import Connection
    from luytre.core.organization import Scope

Status = Literal["running", "done", "failed", "stopped"]
StepState = Literal[
    "asked",  # a person does it, and says so
    "approval",  # people must agree before
    "waiting",  # until a time
    "ready",  # to be done by the loop
    "intent",  # being done; after a crash: nobody knows
    "done",
    "failed",  # surely not done
    "refused",  # somebody said no
    "unknown",  # may have been done: a person must look
    "skipped",  # a person decided to go on without it
]
OPEN: tuple[StepState, ...] = (
    "asked", "approval", "waiting", "ready", "intent", "failed", "refused", "unknown",
)  # fmt: skip
"""What still stands between a run and its end."""

TIMED: tuple[StepState, ...] = ("asked", "approval", "waiting", "ready")
"""What a step that is not being done yet may be in when its time is over."""

MIGRATIONS = [
    """
CREATE TABLE runs (
  id TEXT PRIMARY KEY, playbook TEXT NOT NULL, name TEXT NOT NULL, organization TEXT NOT NULL,
  incident TEXT NOT NULL, alert TEXT NOT NULL, started_by TEXT NOT NULL, started_at TEXT NOT NULL,
  ended_at TEXT NOT NULL, status TEXT NOT NULL, problem TEXT NOT NULL, assigned TEXT NOT NULL,
  content BLOB NOT NULL, state BLOB NOT NULL) STRICT;
CREATE INDEX runs_by_status ON runs (status, started_at);
CREATE TABLE run_steps (
  run TEXT NOT NULL REFERENCES runs (id), key TEXT NOT NULL, step TEXT NOT NULL,
  playbook TEXT NOT NULL, kind TEXT NOT NULL, action TEXT NOT NULL, arguments BLOB NOT NULL,
  what TEXT NOT NULL, state TEXT NOT NULL, wanted INTEGER NOT NULL, result TEXT NOT NULL,
  undoes TEXT NOT NULL, created_at TEXT NOT NULL, changed_at TEXT NOT NULL, due_at TEXT NOT NULL,
  reminders INTEGER NOT NULL, PRIMARY KEY (run, key)) STRICT;
CREATE INDEX run_steps_by_state ON run_steps (state);
CREATE TABLE run_approvals (
  run TEXT NOT NULL, key TEXT NOT NULL, round INTEGER NOT NULL, user TEXT NOT NULL,
  answer TEXT NOT NULL, note TEXT NOT NULL, at TEXT NOT NULL,
  PRIMARY KEY (run, key, round, user)) STRICT;
CREATE TABLE run_notes (
  incident TEXT NOT NULL, organization TEXT NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL,
  text TEXT NOT NULL) STRICT;
CREATE TABLE legal_clocks (
  incident TEXT NOT NULL, clock TEXT NOT NULL, organization TEXT NOT NULL,
  started_at TEXT NOT NULL, due_at TEXT NOT NULL, stopped_at TEXT NOT NULL,
  PRIMARY KEY (incident, clock)) STRICT;
""",
    # A run without an incident had clocks and notes of its own; now it has an incident.
    """
INSERT INTO incidents (organization, title, state, assignee, level, score, score_parts, first_at,
    last_at, received_at, opened_at, updated_at, backfill)
  SELECT organization, incident, 'in progress', assigned, 0, 0, '[]', started_at, started_at,
    started_at, started_at, started_at, 0 FROM runs
  WHERE CAST(CAST(incident AS INTEGER) AS TEXT) <> incident GROUP BY incident;
UPDATE runs SET incident = (SELECT CAST(id AS TEXT) FROM incidents WHERE title = runs.incident)
  WHERE CAST(CAST(incident AS INTEGER) AS TEXT) <> incident;
INSERT INTO incident_clocks
  SELECT i.id, CASE clock WHEN 'notice-24h' THEN 'serious-notice' WHEN 'report-72h'
      THEN 'incident-report' ELSE 'personal-data' END, 'vn-2026', c.started_at, c.due_at,
      c.stopped_at
  FROM legal_clocks c JOIN incidents i ON i.title = c.incident;
INSERT INTO incident_comments (incident, at, author, text)
  SELECT i.id, n.at, n.who, n.text FROM run_notes n JOIN incidents i ON i.title = n.incident;
UPDATE incidents SET title = (SELECT name FROM runs WHERE incident = CAST(incidents.id AS TEXT))
  WHERE title LIKE 'run:%';
DROP TABLE run_notes;
DROP TABLE legal_clocks;
ALTER TABLE runs DROP COLUMN assigned;
""",
    "ALTER TABLE run_steps ADD COLUMN fails_at TEXT NOT NULL DEFAULT ''",
]

ROOM = Room(
    "playbooks",
    MIGRATIONS,
    {
        "run.start": "playbook.run",
        "run.step": "playbook.run",
        "run.answer": "playbook.run",
        "run.remind": "playbook.run",
        "run.approve": "playbook.approve",
        "run.decide": "playbook.approve",
        "run.undo": "playbook.approve",
    },
)
"""What playbooks add to the case database."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a playbook. Times are ISO 8601 in UTC; an empty one has not come."""

    id: str
    playbook: str
    name: str
    organization: str
    incident: str
    alert: str
    started_by: str
    started_at: str
    ended_at: str
    status: Status
    problem: str
    content: bytes
    state: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a run. ``wanted`` people must agree; ``undoes`` is the key of another.

    Not over at ``fails_at``, it has failed; an empty one never comes.
    """

    run: str
    key: str
    step: str
    playbook: str
    kind: str
    action: str
    arguments: dict[str, Any]
    what: str
    state: StepState
    wanted: int
    result: str
    undoes: str
    created_at: str
    changed_at: str
    due_at: str
    reminders: int
    fails_at: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """What one person said to one step. A step that is tried again is asked in a new round."""

    round: int
    user: str
    answer: str
    note: str
    at: str


_RUN = ", ".join(Run.__dataclass_fields__)
_STEP = ", ".join(Step.__dataclass_fields__)


class Rows:
    """Reads and writes the rows; writing is for the body of a change."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, name: str, scope: Scope) -> Run:
        """Return the run whose id begins with ``name``; raises ``Refused`` if not one does."""
        sql = f"SELECT {_RUN} FROM runs WHERE substr(id, 1, length(?)) = ? LIMIT 3"  # noqa: S608
        found = [Run(*row) for row in self._connection.execute(sql, (name, name))]
        found = [run for run in found if scope.allows(run.organization)] if name else []
        if len(found) != 1:
            raise Refused(f"{'no run' if not found else 'more than one run'} begins with {name}")
        return found[0]

    def runs(self, scope: Scope, *, running: bool = False, limit: int = 1_000) -> list[Run]:
        """Return runs, newest first."""
        where = "WHERE status = 'running'" if running else ""
        sql = f"SELECT {_RUN} FROM runs {where} ORDER BY started_at DESC, id"  # noqa: S608
        found = (Run(*row) for row in self._connection.execute(sql))
        return [run for run in found if scope.allows(run.organization)][:limit]

    def of_incident(self, incident: int, scope: Scope) -> list[Run]:
        """Return the runs that are about an incident, newest first."""
        sql = f"SELECT {_RUN} FROM runs WHERE incident = ? ORDER BY started_at DESC, id"  # noqa: S608
        found = (Run(*row) for row in self._connection.execute(sql, (str(incident),)))
        return [run for run in found if scope.allows(run.organization)]

    def steps(self, run: str, *states: StepState) -> list[Step]:
        """Return the steps of a run in the order they came, of some states or all."""
        sql = f"SELECT {_STEP} FROM run_steps WHERE run = ? ORDER BY created_at, rowid"  # noqa: S608
        found = [_step(row) for row in self._connection.execute(sql, (run,))]
        return [step for step in found if not states or step.state in states]

    def in_state(self, *states: StepState, every: bool = False) -> list[Step]:
        """Return the steps in one of the states, of running runs (or ``every``), and undoings."""
        marks = ", ".join("?" * len(states))
        running = "(undoes != '' OR run IN (SELECT id FROM runs WHERE status = 'running'))"
        sql = (
            f"SELECT {_STEP} FROM run_steps WHERE state IN ({marks})"  # noqa: S608 - only marks
            f" AND {'1' if every else running} ORDER BY created_at, rowid"
        )
        return [_step(row) for row in self._connection.execute(sql, states)]

    def overdue(self, now: str) -> list[Step]:
        """Return the steps of running runs that nobody is doing and whose time is over."""
        marks = ", ".join("?" * len(TIMED))
        sql = (
            f"SELECT {_STEP} FROM run_steps WHERE state IN ({marks}) AND undoes = ''"  # noqa: S608 - only marks
            " AND fails_at <> '' AND fails_at <= ?"
            " AND run IN (SELECT id FROM runs WHERE status = 'running') ORDER BY fails_at, rowid"
        )
        return [_step(row) for row in self._connection.execute(sql, (*TIMED, now))]

    def step(self, run: str, key: str) -> Step:
        """Return one step; raises ``Refused`` if there is none."""
        sql = f"SELECT {_STEP} FROM run_steps WHERE run = ? AND key = ?"  # noqa: S608
        row = self._connection.execute(sql, (run, key)).fetchone()
        if row is None:
            raise Refused(f"run {run[:10]} has no step {key}")
        return _step(row)

    def approvals(self, step: Step) -> list[Approval]:
        """Return what people said to a step, oldest first."""
        sql = (
            "SELECT round, user, answer, note, at FROM run_approvals"
            " WHERE run = ? AND key = ? ORDER BY at, user"
        )
        return [Approval(*row) for row in self._connection.execute(sql, (step.run, step.key))]

    def add_run(self, run: Run) -> None:
        """Keep a new run."""
        values = [getattr(run, name) for name in Run.__dataclass_fields__]
        self._insert("runs", values)

    def add_step(self, step: Step) -> None:
        """Keep a new step."""
        values = [getattr(step, name) for name in Step.__dataclass_fields__]
        values[6] = msgspec.json.encode(step.arguments)
        self._insert("run_steps", values)

    def set_run(self, run: str, **values: str | bytes) -> None:
        """Change columns of a run."""
        self._update("runs", "id = ?", (run,), values)

    def set_step(self, step: Step, **values: str | int) -> None:
        """Change columns of a step."""
        self._update("run_steps", "run = ? AND key = ?", (step.run, step.key), values)

    def add_approval(self, step: Step, approval: Approval) -> None:
        """Keep what somebody said; raises ``Refused`` if they said something before."""
        said = [a.user for a in self.approvals(step) if a.round == approval.round]
        if approval.user in said:
            raise Refused(f"{approval.user} has answered already: another person must")
        values = [getattr(approval, name) for name in Approval.__dataclass_fields__]
        self._insert("run_approvals", [step.run, step.key, *values])

    def _insert(self, table: str, values: Sequence[Any]) -> None:
        marks = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608

    def _update(self, table: str, where: str, at: tuple[str, ...], values: dict[str, Any]) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        sql = f"UPDATE {table} SET {names} WHERE {where}"  # noqa: S608 - names of our own
        self._connection.execute(sql, (*values.values(), *at))


def _step(row: Sequence[Any]) -> Step:
    values = list(row)
    values[6] = msgspec.json.decode(values[6])
    return Step(*values)
