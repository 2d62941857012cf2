"""The case database: a change and its audit entry are one transaction, or there is no change."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luytre.audit.book import MIGRATIONS, Book
from luytre.audit.canonical import stamp
from luytre.audit.entry import Act, Moment, detail_bytes, entry_bytes
from luytre.audit.signer import Growth, SignedState
from luytre.core.actor import Actor, Permission
from luytre.core.database import (
    ROOMS_TABLE,
    STORAGE_ERRORS,
    Connection,
    migrate_room,
    open_database,
    snapshot,
    transaction,
)
from luytre.core.errors import LuytreError, NeighbourError, Refused
from luytre.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from luytre.audit.signer import Signing
    from luytre.core.clock import Clock

KEEP_ENTRIES, KEEP_FOR = 1_000, timedelta(hours=1)
"""A signed checkpoint is kept in the database this often: between two, a change can be dated."""
SIGN_ATTEMPTS = 20
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = get_logger("audit")


class Unrecorded(LuytreError):  # noqa: N818 - named for what happened
    """A change was made without an entry, or under an undeclared action: a fault of ours."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a room adds to the case database: its tables, and its actions with who may do them."""

    name: str
    migrations: Sequence[str]
    actions: Mapping[str, Permission]


AUDIT = Room(
    "audit",
    MIGRATIONS,
    {
        "audit.begin": "read",
        "audit.anchor": "audit.anchor",
        "audit.page": "audit.anchor",
        "audit.export": "audit.read",
        "audit.look": "audit.read",
        "audit.erase": "retention",
        "audit.hold": "retention",
        "audit.release": "retention",
    },
)


@dataclass(slots=True)
class Change:
    """A transaction of one actor. What it does to the tables it must ``record``."""

    connection: Connection
    actor: Actor
    moment: Moment
    id: str
    _book: Book
    _actions: Mapping[str, Permission]
    _signed: SignedState
    _changes_before: int
    recorded: list[int] = field(default_factory=list)

    def record(self, action: str, subject: str, *, organization: str, **detail: Any) -> int:
        """Write the entry of what is changed here, and return its number.

        ``subject`` names what is changed (``incident:12``), ``organization`` whose it is ("" for
        the whole installation). ``detail`` says the rest, by custom ``before`` and ``after``.

        Raises:
            Forbidden: the actor may not do this, or not there; all of the change is undone.
        """
        if action not in self._actions:
            raise Unrecorded(f"{action} is declared by no room")
        self.actor.require(self._actions[action], organization)
        if not self._book.size():
            key = Act("audit.begin", f"key:{self._signed.key}", "", {})
            self._append(Actor.loop("audit"), key)
        return self._append(self.actor, Act(action, subject, organization, detail))

    def _append(self, actor: Actor, act: Act) -> int:
        seq = self._book.size()
        detail = detail_bytes(act.detail)
        entry = entry_bytes(
            seq, self._book.last_leaf(), actor, act, self.moment, detail=detail, change=self.id
        )
        self._book.append(seq, entry, detail)
        self.recorded.append(seq)
        return seq

    def close(self) -> None:
        """Refuse to end a change that left no entry."""
        if self.connection.total_changes() != self._changes_before and not self.recorded:
            raise Unrecorded("a change without an audit entry is undone")


class CaseDatabase:
    """Opens the case database for some rooms. One for each thread: a connection has one owner.

    Outside of ``change`` the connection only reads. A change is refused, with the reason, while
    the signer does not answer, or says that this database is not the one it signed.
    """

    def __init__(
        self, path: Path, signing: Signing, clock: Clock, rooms: Sequence[Room] = ()
    ) -> None:
        self._path, self._signing, self._clock = path, signing, clock
        self._actions = {
            name: may for room in (AUDIT, *rooms) for name, may in room.actions.items()
        }
        self.connection = open_database(path, [ROOMS_TABLE])
        for room in (AUDIT, *rooms):
            migrate_room(path, self.connection, room.name, room.migrations)
        self._query_only(on=True)
        self.book = Book(self.connection)
        self._boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""

    @contextmanager
    def change(self, actor: Actor, *, change_id: str = "") -> Iterator[Change]:
        """Run the body in one transaction, with the audit entries that it records.

        Raises:
            NeighbourError: the signer or the disk fails; nothing was changed.
            Unrecorded: the body changed something and recorded nothing; nothing was changed.
        """
        self._query_only(on=False)
        try:
            with transaction(self.connection):
                change = self._begin(actor, change_id or secrets.token_hex(8))
                yield change
                change.close()
        except STORAGE_ERRORS as error:
            raise NeighbourError(f"{self._path}: {error}; nothing was changed") from error
        finally:
            self._query_only(on=True)
        self._sign_after()

    def now(self) -> datetime:
        """Return the time that an entry would carry."""
        return self._clock.now()

    def signed(self) -> SignedState:
        """Have the signer sign what there is, and return what it signed.

        Raises:
            NeighbourError: it does not answer, or it signed another history than this.
        """
        for _attempt in range(SIGN_ATTEMPTS):
            # First its state, then ours: another process may add and sign in between.
            state = self._signing.state()
            with snapshot(self.connection):
                growth = self._growth(state)
            if growth is None:
                return state
            try:
                return self._signing.sign(growth)
            except Refused:
                # Another process may have had its entries signed since we asked.
                if self._signing.state().size == state.size:
                    raise
        raise NeighbourError("the audit signer is too busy: try again")

    def close(self) -> None:
        """Close the connection; every change is already durable and signed."""
        self.connection.close()

    def _growth(self, state: SignedState) -> Growth | None:
        size = self.book.size()
        if size < state.size:
            raise NeighbourError(
                f"{self._path} holds {size:,} audit entries, but {state.size:,} were signed: it was"
                " rolled back. Changes are refused until the newest state is restored"
            )
        if self.book.root(state.size) != state.root:
            raise NeighbourError(
                f"{self._path} is not the history that was signed: its first {state.size:,} audit"
                " entries differ. Changes are refused; `luytre audit verify` names the entry"
            )
        if size == state.size:
            return None
        proof = self.book.consistency(state.size, size)
        return Growth(state.size, size, self.book.root(size), proof)

    def _begin(self, actor: Actor, change_id: str) -> Change:
        try:
            state = self.signed()
        except Refused as error:
            raise NeighbourError(f"changes are refused: {error}") from error
        now = self._clock.now()
        size, at = self.book.last_checkpoint()
        due = state.size - size >= KEEP_ENTRIES or at < stamp(now - KEEP_FOR)
        if state.note and state.size > size and due:
            self.book.keep_checkpoint(state.size, stamp(now), state.note)
        moment = Moment(now, int(self._clock.monotonic_s() * 1e6), self._boot)
        before = self.connection.total_changes()
        return Change(
            self.connection, actor, moment, change_id, self.book, self._actions, state, before
        )

    def _sign_after(self) -> None:
        try:
            self.signed()
        except LuytreError as error:
            # The change is durable, and the next one is refused until this one is signed.
            log.error("audit entries are not signed yet", reason=str(error))

    def _query_only(self, *, on: bool) -> None:
        self.connection.pragma("query_only", on)
