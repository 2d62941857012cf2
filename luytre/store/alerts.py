"""The alert store on SQLite: append-only documents with full-text search."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import zstandard

from luytre.core.alert import LEVELS, Alert, AlertQuery, decode_alert, encode_alert
from luytre.core.database import DatabaseError, open_database, transaction
from luytre.core.errors import NeighbourError
from luytre.store import alert_episodes
from luytre.store.alert_query import select, within
from luytre.store.alert_rows import (
    COLUMNS,
    SLOTS,
    microseconds,
    place,
    shown_at,
    terms,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from luytre.core.alert import Level
    from luytre.core.clock import Clock
    from luytre.core.organization import Scope
    from luytre.store.alert_query import Selection

# ``place`` is a row's number and grows with the event's time, so every index gives alerts newest
# first without sorting. Documents lie apart: conditions are checked on small rows. The indexes that
# queries count by hold only what is shown.
_SCHEMA = f"""
CREATE TABLE alerts (
  place INTEGER PRIMARY KEY,
  shown INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  organization TEXT NOT NULL,
  level TEXT NOT NULL,
  rule TEXT NOT NULL,
  title TEXT NOT NULL,
  detected_us INTEGER NOT NULL,
  episode TEXT NOT NULL,
  revision INTEGER NOT NULL,
  current INTEGER NOT NULL
) STRICT;
CREATE INDEX alerts_by_organization ON alerts (organization) WHERE shown = 1;
CREATE INDEX alerts_by_title ON alerts (organization, title, level) WHERE shown = 1;
CREATE INDEX alerts_by_rule ON alerts (rule, shown);
CREATE INDEX alerts_by_age ON alerts (detected_us);
CREATE TABLE alert_documents (place INTEGER PRIMARY KEY, document BLOB NOT NULL) STRICT;
CREATE TABLE alert_terms (
  term TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (term, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_terms_by_place ON alert_terms (place);
CREATE VIRTUAL TABLE alerts_text USING fts5(
  {", ".join(COLUMNS)}, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 0'
);
{alert_episodes.SCHEMA}"""
_INSERT_ALERT = "INSERT INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_DOCUMENT = "INSERT INTO alert_documents VALUES (?, ?)"
_INSERT_TERM = "INSERT INTO alert_terms VALUES (?, ?)"
_INSERT_WORDS = (
    f"INSERT INTO alerts_text (rowid, {', '.join(COLUMNS)})"  # noqa: S608 - our own names
    f" VALUES (?{', ?' * len(COLUMNS)})"
)
_DELETE = (
    "DELETE FROM alerts_text WHERE rowid = ?",
    "DELETE FROM alert_terms WHERE place = ?",
    "DELETE FROM alert_documents WHERE place = ?",
    "DELETE FROM alerts WHERE place = ?",
)
_EXPIRED_ROWS = 1000  # in one transaction, so that writers wait milliseconds
_PREFIX_END = "\U0010ffff"


class SqliteAlertStore:
    """Keeps alerts in one SQLite file, for any number of processes of one machine.

    Each alert is kept whole (its original bytes exactly); its words are searched as ``fold_text``
    folds them, up to 64 KiB of its event. Raises ``NeighbourError`` when the disk does not take it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_database(path, [_SCHEMA])
        self._packer = zstandard.ZstdCompressor(level=3)
        self._unpacker = zstandard.ZstdDecompressor()

    def add(self, alerts: Sequence[Alert]) -> int:
        """Durably keep alerts and return how many are new; a known id changes nothing."""
        if not alerts:
            return 0
        # Rising places are what the index of words takes in best.
        ordered = sorted(alerts, key=shown_at)
        with self._named_errors(), transaction(self._db):
            return sum(map(self._insert, ordered))

    def get(self, alert_id: str, scope: Scope) -> Alert | None:
        """Return the alert whose id starts with ``alert_id``; None if none or several do."""
        selection = within(scope)
        selection.also("id >= ?", alert_id)
        selection.also("id < ?", alert_id + _PREFIX_END)
        found = self._read(selection, "LIMIT 2")
        return found[0] if len(found) == 1 else None

    def history(self, alert_id: str, scope: Scope) -> Sequence[Alert]:
        """Return all documents of the episode of the alert that ``get`` gives, oldest first.

        An alert of a single event is its own history; that of an unknown alert is empty.
        """
        alert = self.get(alert_id, scope)
        if alert is None or not alert.episode:
            return [alert] if alert else []
        selection = within(scope)
        selection.belong(alert.organization_id, alert.episode)
        return sorted(self._read(selection, ""), key=lambda a: (a.revision, a.id))

    def find(self, query: AlertQuery, scope: Scope) -> Sequence[Alert]:
        """Return a page of alerts, newest first; of one microsecond, the last stored first."""
        selection = self._select(query, scope)
        selection.walk()
        page = f"{selection.order} LIMIT ? OFFSET ?"
        return self._read(selection, page, query.limit, query.offset)

    def count(self, query: AlertQuery, scope: Scope) -> int:
        """Return how many alerts ``find`` would give without limit and offset."""
        selection = self._select(query, scope)
        with self._named_errors():
            rows = self._db.execute(f"SELECT count(*) {selection.source}", selection.values)
            return int(str(rows.get))

    def tally(self, scope: Scope) -> Mapping[tuple[str, Level], int]:
        """Return how many alerts each (rule title, level) has."""
        selection = within(scope)
        selection.show()
        sql = f"SELECT title, level, count(*) {selection.source} GROUP BY title, level"
        levels = {str(level): level for level in LEVELS}
        with self._named_errors():
            rows = self._db.execute(sql, selection.values)
            return {(title, levels[level]): count for title, level, count in rows}

    def expire(self, days: float, clock: Clock) -> int:
        """Delete the alerts detected longer than ``days`` ago and return how many they were.

        What is not shown because of them, such as earlier revisions, stays so.
        """
        before_us = microseconds(clock.now() - timedelta(days=days))
        deleted = 0
        while chunk := self._expire_some(before_us):
            deleted += chunk
        return deleted

    def close(self) -> None:
        self._db.close()

    def _select(self, query: AlertQuery, scope: Scope) -> Selection:
        with self._named_errors():
            known = self._db.execute("SELECT 1 FROM alerts WHERE rule = ? LIMIT 1", (query.rule,))
            return select(query, scope, rule_is_id=known.get is not None)

    def _read(self, selection: Selection, tail: str, *values: int) -> list[Alert]:
        places = f"SELECT alerts.place {selection.source} {tail}"
        # The page is cut before its documents are looked up: skipped rows cost no reading.
        sql = (  # what varies in it are clauses of alert_query, all constant
            f"SELECT document FROM ({places}) page CROSS JOIN alert_documents d"  # noqa: S608
            " ON d.place = page.place ORDER BY page.place DESC"
        )
        with self._named_errors():
            rows = self._db.execute(sql, (*selection.values, *values))
            return [decode_alert(self._unpacker.decompress(document)) for (document,) in rows]

    def _insert(self, alert: Alert) -> bool:
        """Insert an alert unless its id is known, and tell whether it was new."""
        if self._db.execute("SELECT 1 FROM alerts WHERE id = ?", (alert.id,)).get is not None:
            return False
        spot = self._free_place(alert)
        rule = alert.rule
        detected_us = microseconds(alert.detected_at)
        row = (alert.id, alert.organization_id, rule.level, rule.id, rule.title, detected_us)
        alone = not alert.episode and not alert.hidden_by
        self._db.execute(_INSERT_ALERT, (spot, alone, *row, alert.episode, alert.revision, alone))
        document = self._packer.compress(encode_alert(alert))
        self._db.execute(_INSERT_DOCUMENT, (spot, document))
        self._db.executemany(_INSERT_TERM, [(term, spot) for term in terms(alert)])
        self._db.execute(_INSERT_WORDS, (spot, *words(alert)))
        if alert.episode:
            alert_episodes.settle(self._db, alert, spot)
        return True

    def _free_place(self, alert: Alert) -> int:
        """Return a free place at the alert's time, or the nearest later one."""
        first = place(shown_at(alert))
        sql = "SELECT max(place) FROM alerts WHERE place >= ? AND place < ?"
        while True:
            last = self._db.execute(sql, (first, first + SLOTS)).get
            if last is None:
                return first
            if last < first + SLOTS - 1:
                return int(last) + 1
            first += SLOTS

    def _expire_some(self, before_us: int) -> int:
        old = "SELECT place FROM alerts WHERE detected_us < ? ORDER BY detected_us LIMIT ?"
        with self._named_errors(), transaction(self._db):
            places = self._db.execute(old, (before_us, _EXPIRED_ROWS)).fetchall()
            for sql in _DELETE:
                self._db.executemany(sql, places)
        return len(places)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            raise NeighbourError(f"{self._path}: {error}") from error
