"""The book: entries, tree and checkpoints as tables of the case database. It only grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from luytre.audit import merkle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luytre.core.database import Connection
    from luytre.core.organization import Scope

NO_ENTRY = bytes(32)
"""What stands before the first entry."""

MIGRATIONS = [
    """
    CREATE TABLE audit_entries (
        seq INTEGER PRIMARY KEY,
        entry TEXT NOT NULL,
        leaf BLOB NOT NULL,
        detail TEXT,
        subject TEXT AS (json_extract(entry, '$.subject')) VIRTUAL
    ) STRICT;
    CREATE INDEX audit_subject ON audit_entries (subject);
    CREATE TABLE audit_nodes (
        level INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL,
        PRIMARY KEY (level, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audit_checkpoints (size INTEGER PRIMARY KEY, at TEXT NOT NULL, note TEXT NOT NULL)
        STRICT;
    CREATE TABLE audit_anchors (
        seq INTEGER PRIMARY KEY, place TEXT NOT NULL, size INTEGER NOT NULL, note TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries
        BEGIN SELECT RAISE(ABORT, 'an audit entry is never deleted'); END;
    CREATE TRIGGER audit_entries_keep BEFORE UPDATE OF seq, entry, leaf ON audit_entries
        BEGIN SELECT RAISE(ABORT, 'an audit entry is never changed'); END;
    CREATE TRIGGER audit_details_keep BEFORE UPDATE OF detail ON audit_entries
        WHEN NEW.detail IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'an audit detail is never changed'); END;
    CREATE TRIGGER audit_nodes_stay BEFORE DELETE ON audit_nodes
        BEGIN SELECT RAISE(ABORT, 'the audit tree only grows'); END;
    CREATE TRIGGER audit_nodes_keep BEFORE UPDATE ON audit_nodes
        BEGIN SELECT RAISE(ABORT, 'the audit tree only grows'); END;
    """,
    "CREATE TABLE legal_holds (subject TEXT PRIMARY KEY, reason TEXT NOT NULL) STRICT",
]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which entries to read, newest first; empty fields ask for all."""

    action: str = ""
    user: str = ""
    subject: str = ""
    since: str = ""
    until: str = ""
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """An entry as it is read. ``detail`` is None once it is erased."""

    entry: Mapping[str, Any]
    detail: Mapping[str, Any] | None


class Book:
    """Reads and appends; the transaction is the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def size(self) -> int:
        return int(self._get("SELECT coalesce(max(seq) + 1, 0) FROM audit_entries"))

    def last_leaf(self) -> bytes:
        """Return the hash that the next entry names as its previous."""
        found = self._get("SELECT leaf FROM audit_entries ORDER BY seq DESC LIMIT 1")
        return NO_ENTRY if found is None else bytes(found)

    def append(self, seq: int, entry: bytes, detail: bytes) -> None:
        """Add entry number ``seq``, and to the tree what it completes."""
        leaf = merkle.leaf_hash(entry)
        self._connection.execute(
            "INSERT INTO audit_entries (seq, entry, leaf, detail) VALUES (?, ?, ?, ?)",
            (seq, entry.decode(), leaf, detail.decode()),
        )
        for level, number, hash_ in merkle.grown(seq, leaf, self.node):
            if level:
                self._connection.execute(
                    "INSERT INTO audit_nodes VALUES (?, ?, ?)", (level, number, hash_)
                )

    def node(self, level: int, number: int) -> bytes:
        """Return the hash of a complete subtree."""
        if level == 0:
            return bytes(self._get("SELECT leaf FROM audit_entries WHERE seq = ?", number))
        sql = "SELECT hash FROM audit_nodes WHERE level = ? AND number = ?"
        return bytes(self._get(sql, level, number))

    def root(self, size: int) -> bytes:
        return merkle.root(size, self.node)

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """Return the proof that the first ``new`` entries begin with the first ``old``."""
        return tuple(merkle.consistency_proof(old, new, self.node))

    def inclusion(self, seq: int, size: int) -> tuple[bytes, ...]:
        """Return the proof that entry ``seq`` is among the first ``size``."""
        return tuple(merkle.inclusion_proof(seq, size, self.node))

    def leaves(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the leaves of entries ``start`` to ``end``, the last not included."""
        sql = "SELECT leaf FROM audit_entries WHERE seq >= ? AND seq < ? ORDER BY seq"
        for (leaf,) in self._connection.execute(sql, (start, end)):
            yield bytes(leaf)

    def rows(self, start: int, end: int) -> Iterator[tuple[int, str, str | None]]:
        """Yield number, entry and detail of entries ``start`` to ``end``, the last not included."""
        sql = "SELECT seq, entry, detail FROM audit_entries WHERE seq >= ? AND seq < ? ORDER BY seq"
        yield from self._connection.execute(sql, (start, end))

    def find(self, query: LogQuery, scope: Scope) -> list[Read]:
        """Return entries, newest first. Those of the whole installation need the whole scope."""
        asked = [
            ("json_extract(entry, '$.action') GLOB ?", query.action and f"{query.action}*"),
            ("json_extract(entry, '$.actor.user') = ?", query.user),
            ("subject = ?", query.subject),
            ("json_extract(entry, '$.at') >= ?", query.since),
            ("json_extract(entry, '$.at') < ?", query.until),
        ]
        terms = [term for term, value in asked if value]
        values: list[Any] = [value for _, value in asked if value]
        if scope.organizations is not None:
            names = sorted(scope.organizations)
            marks = ", ".join("?" * len(names))
            terms.append(f"json_extract(entry, '$.organization') IN ({marks})")
            values += names
        where = f"WHERE {' AND '.join(terms)}" if terms else ""
        sql = f"SELECT entry, detail FROM audit_entries {where} ORDER BY seq DESC LIMIT ? OFFSET ?"  # noqa: S608 - only our own terms
        rows = self._connection.execute(sql, (*values, query.limit, query.offset))
        decode = partial(msgspec.json.decode, type=dict)
        return [Read(decode(entry), detail and decode(detail)) for entry, detail in rows]

    def others_since(self, seq: int, action: str) -> int:
        """Return how many entries from ``seq`` on are of another action."""
        sql = (
            "SELECT count(*) FROM audit_entries"
            " WHERE seq >= ? AND json_extract(entry, '$.action') <> ?"
        )
        return int(self._get(sql, seq, action))

    def keep_checkpoint(self, size: int, at: str, note: str) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO audit_checkpoints VALUES (?, ?, ?)", (size, at, note)
        )

    def last_checkpoint(self) -> tuple[int, str]:
        """Return size and time of the newest checkpoint that is kept here."""
        sql = "SELECT size, at FROM audit_checkpoints ORDER BY size DESC LIMIT 1"
        return self._connection.execute(sql).fetchone() or (0, "")

    def checkpoints(self) -> list[tuple[int, str]]:
        """Return size and note of every checkpoint that is kept here, oldest first."""
        sql = "SELECT size, note FROM audit_checkpoints ORDER BY size"
        return list(self._connection.execute(sql))

    def anchors(self) -> list[tuple[int, str, int, str]]:
        """Return entry, place, size and note of every anchor, oldest first."""
        sql = "SELECT seq, place, size, note FROM audit_anchors ORDER BY seq"
        return list(self._connection.execute(sql))

    def add_anchor(self, seq: int, place: str, size: int, note: str) -> None:
        self._connection.execute(
            "INSERT INTO audit_anchors VALUES (?, ?, ?, ?)", (seq, place, size, note)
        )

    def erase(self, seq: int) -> None:
        """Forget an entry's detail; the entry keeps its digest."""
        self._connection.execute("UPDATE audit_entries SET detail = NULL WHERE seq = ?", (seq,))

    def _get(self, sql: str, *values: Any) -> Any:
        return self._connection.execute(sql, values).get
