"""A backtest on disk: how far it came, and what it found, in one file that a kill cannot tear."""

from __future__ import annotations

import fcntl
import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from luytre.core.database import open_database, transaction
from luytre.core.errors import Refused
from luytre.core.matches import decode_matches, encode_matches
from luytre.review.compare import Difference
from luytre.review.events import Receipt, Stretch

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from luytre.core.matches import Match
    from luytre.review.compare import Compared, Group

_SCHEMA = (
    """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE stretches (
  number INTEGER PRIMARY KEY, rows INTEGER NOT NULL, ends TEXT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE differences (
  id TEXT NOT NULL, kind TEXT NOT NULL, organization TEXT NOT NULL, rule TEXT NOT NULL,
  title TEXT NOT NULL, level TEXT NOT NULL, level_before TEXT NOT NULL, at TEXT NOT NULL,
  event_id TEXT NOT NULL, hidden_by TEXT NOT NULL, PRIMARY KEY (id, kind)
) STRICT;
CREATE INDEX differences_by_rule ON differences (rule, organization, kind, at);
CREATE TABLE counts (
  rule TEXT NOT NULL, organization TEXT NOT NULL,
  before INTEGER NOT NULL DEFAULT 0, after INTEGER NOT NULL DEFAULT 0,
  hidden INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (rule, organization)
) STRICT;
CREATE TABLE matches (side TEXT NOT NULL, batch BLOB NOT NULL) STRICT;
CREATE TABLE spent (step TEXT PRIMARY KEY, seconds REAL NOT NULL) STRICT;
""",
)
_COUNT = (
    "INSERT INTO counts (rule, organization, {0}) VALUES (?, ?, ?)"
    " ON CONFLICT (rule, organization) DO UPDATE SET {0} = {0} + excluded.{0}"
)
_SPEND = (
    "INSERT INTO spent VALUES (?, ?) ON CONFLICT (step)"
    " DO UPDATE SET seconds = seconds + excluded.seconds"
)
_MATCHES = 20_000
"""Matches in one row."""


def _names(encoded: str) -> tuple[str, ...]:
    return tuple(msgspec.json.decode(encoded))


def key_of(*parts: object) -> str:
    """Return the name of a job: equal questions have one."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


class Job:
    """The state of one backtest. What ``add`` returned from is on disk, each stretch once."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / key
        self._db = open_database(self.folder / "job.sqlite", _SCHEMA)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run the body while no other process works on the same job. Raises ``Refused``."""
        with (self.folder / "lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused("this very backtest is running already") from None
            yield

    def fact(self, name: str) -> Any:
        """Return what was remembered by a name; None if nothing was."""
        found: Any = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).get
        return None if found is None else msgspec.json.decode(found)

    def remember(self, **facts: Any) -> None:
        """Remember some facts, all at once."""
        with transaction(self._db):
            self._facts(facts)

    def _facts(self, facts: Mapping[str, Any]) -> None:
        rows = [(name, msgspec.json.encode(value).decode()) for name, value in facts.items()]
        self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", rows)

    def begin(self, stretches: Sequence[Stretch], **facts: Any) -> None:
        """Say what is to be done; a job that began goes on with what was said then."""
        with transaction(self._db):
            if self.fact("began") is None:
                self._db.executemany(
                    "INSERT INTO stretches (number, rows, ends) VALUES (?, ?, ?)",
                    [
                        (n, each.rows, msgspec.json.encode((each.first, each.last)).decode())
                        for n, each in enumerate(stretches)
                    ],
                )
                self._facts({**facts, "began": True})

    def left(self) -> list[tuple[int, Stretch]]:
        """Return the stretches that are not done, in order, with their numbers."""
        sql = "SELECT number, rows, ends FROM stretches WHERE done = 0 ORDER BY number"
        found: Any = self._db.execute(sql)
        return [
            (number, Stretch(*msgspec.json.decode(ends, type=tuple[Receipt, Receipt]), rows))
            for number, rows, ends in found
        ]

    def progress(self) -> tuple[int, int]:
        """Return how many events are done, and how many there are."""
        sql = "SELECT coalesce(sum(rows * done), 0), coalesce(sum(rows), 0) FROM stretches"
        row: Any = self._db.execute(sql).fetchone()
        return int(row[0]), int(row[1])

    def add(self, compared: Compared, stretch: int | None = None) -> None:
        """Keep what a stretch came to, and that it is done."""
        with transaction(self._db):
            self._differences(compared.differences)
            for column in ("before", "after", "hidden"):
                counts: Counter[Group] = getattr(compared, column)
                rows = [(*group, count) for group, count in counts.items()]
                self._db.executemany(_COUNT.format(column), rows)
            self._matches("before", compared.matches_before)
            self._matches("after", compared.matches_after)
            self._db.executemany(_SPEND, list(compared.spent_s.items()))
            for name in ("events", "otherwise", "unreadable", "failed", "wall_s"):
                self._facts({name: (self.fact(name) or 0) + getattr(compared, name)})
            if stretch is not None:
                self._db.execute("UPDATE stretches SET done = 1 WHERE number = ?", (stretch,))
            else:
                self._facts({"finished": True})

    def _differences(self, found: Iterable[Difference]) -> None:
        rows = [(*each[:-1], msgspec.json.encode(each.hidden_by).decode()) for each in found]
        marks = ", ".join("?" * len(Difference._fields))
        self._db.executemany(f"INSERT OR IGNORE INTO differences VALUES ({marks})", rows)  # noqa: S608

    def _matches(self, side: str, matches: list[Match]) -> None:
        pieces = [matches[at : at + _MATCHES] for at in range(0, len(matches), _MATCHES)]
        rows = [(side, encode_matches(piece)) for piece in pieces]
        self._db.executemany("INSERT INTO matches VALUES (?, ?)", rows)

    def matches(self, side: str) -> list[Match]:
        """Return all that a side's correlations heard."""
        rows: Any = self._db.execute("SELECT batch FROM matches WHERE side = ?", (side,))
        return [match for (batch,) in rows for match in decode_matches(batch)]

    def differences(
        self, kind: str = "", rule: str = "", limit: int = -1, ids: Sequence[str] = ()
    ) -> list[Difference]:
        """Return what differs, oldest first: of a kind, of a rule, or of some ids, if given."""
        where = "(?1 = '' OR kind = ?1) AND (?2 = '' OR rule = ?2)"
        if ids:
            where += " AND id IN (SELECT value FROM json_each(?4))"
        sql = f"SELECT * FROM differences WHERE {where} ORDER BY at, id, kind LIMIT ?3"  # noqa: S608
        asked = (kind, rule, limit, *([msgspec.json.encode(ids).decode()] if ids else []))
        rows: Any = self._db.execute(sql, asked)
        return [Difference._make([*row[:-1], _names(row[-1])]) for row in rows]

    def kinds(self) -> dict[tuple[str, str, str], int]:
        """Return how many differences each (rule, organisation, kind) has."""
        sql = "SELECT rule, organization, kind, count(*) FROM differences GROUP BY 1, 2, 3"
        rows: Any = self._db.execute(sql)
        return {(rule, organization, kind): count for rule, organization, kind, count in rows}

    def counts(self) -> dict[Group, tuple[int, int, int]]:
        """Return how many alerts before and after each group has, and how many are hidden after."""
        rows: Any = self._db.execute("SELECT rule, organization, before, after, hidden FROM counts")
        return {(rule, organization): tuple(rest) for rule, organization, *rest in rows}

    def spent_s(self) -> dict[str, float]:
        """Return the processor time of each step."""
        rows: Any = self._db.execute("SELECT step, seconds FROM spent")
        return dict(rows)

    def close(self) -> None:
        self._db.close()
