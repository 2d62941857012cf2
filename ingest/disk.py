"""A SQLite file whose errors are retried for a limited time before they count."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from luytre.core.database import DatabaseError, open_database, transaction
from luytre.core.errors import NeighbourError
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from luytre.core.clock import Clock
    from luytre.core.database import Connection

T = TypeVar("T")

RETRY_WAITS_S = (0.05, 0.2, 1.0, 3.0)
WAL_BYTES_MAX = 16 * 2**20

log = get_logger("disk")


class DiskFile:
    """One connection to one SQLite file; opened when first used, opened anew after every error.

    For one thread of one process: a child of a fork has to make its own. After an error the
    connection is thrown away: a second fdatasync of a descriptor can succeed although the first
    one's pages are lost. Every method raises ``NeighbourError`` once the retries are used up;
    nothing of a failed ``write`` is then in the file.
    """

    def __init__(self, path: Path, migrations: Sequence[str], clock: Clock) -> None:
        self.path = path
        self._migrations = migrations
        self._clock = clock
        self._connection: Connection | None = None

    def read(self, look: Callable[[Connection], T]) -> T:
        """Return what ``look`` returns; it may run more than once."""
        return self._retried(look)

    def write(self, change: Callable[[Connection], T]) -> T:
        """Run ``change`` in one IMMEDIATE transaction, durable on return.

        It may run more than once, so it must not change anything but the database.
        """

        def work(connection: Connection) -> T:
            with transaction(connection):
                return change(connection)

        return self._retried(work)

    def close(self) -> None:
        """Let go; the next use opens again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(force=True)

    def _retried(self, work: Callable[[Connection], T]) -> T:
        for wait_s in RETRY_WAITS_S:
            try:
                return work(self._open())
            except DatabaseError as error:
                log.warning("disk error", path=str(self.path), error=str(error), again_in_s=wait_s)
                self.close()
            self._clock.sleep(wait_s)
        try:
            return work(self._open())
        except DatabaseError as error:
            self.close()
            raise NeighbourError(f"{self.path}: {error}") from error

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = open_database(self.path, self._migrations)
            # A file that grew in one large transaction would keep its size for ever.
            self._connection.pragma("journal_size_limit", WAL_BYTES_MAX)
        return self._connection
