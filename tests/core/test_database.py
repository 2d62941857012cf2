from pathlib import Path

import pytest

from luytre.core.database import DatabaseError, open_database, transaction
from luytre.core.errors import NeighbourError

FIRST = "CREATE TABLE t (n INTEGER PRIMARY KEY)"
SECOND = "ALTER TABLE t ADD COLUMN text TEXT"


def test_migrations_run_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    open_database(path, [FIRST]).close()

    connection = open_database(path, [FIRST, SECOND])
    again = open_database(path, [FIRST, SECOND])

    assert connection.pragma("user_version") == 2
    again.execute("INSERT INTO t VALUES (1, 'x')")
    assert connection.execute("SELECT * FROM t").fetchall() == [(1, "x")]


def test_every_commit_is_synced(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "a.sqlite", [FIRST])

    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    open_database(path, [FIRST, SECOND]).close()

    with pytest.raises(NeighbourError, match="newer Luytre"):
        open_database(path, [FIRST])


def test_what_fails_inside_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "a.sqlite", [FIRST])

    def twice() -> None:
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES (1)")
            connection.execute("INSERT INTO t VALUES (1)")

    with pytest.raises(DatabaseError):
        twice()

    assert connection.execute("SELECT count(*) FROM t").get == 0


def test_no_database_is_a_neighbour_error(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"this is no database at all" * 100)

    with pytest.raises(NeighbourError):
        open_database(path, [FIRST])
