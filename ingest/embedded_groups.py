"""Consumer groups of the embedded log: who reads which partition, and how far it was read.

Rule 1: a partition has at most one claim, the primary key of its row sees to that.
Rule 2: only the member named by the claim commits; this is checked in the commit's transaction.
Rule 3: a living owner's claim ends in its own poll only; a dead one's by whoever finds it dead.
Rule 4: member ids are never used again, so no claim of a former life can pass for a present one.
From these follows: between two commits of a partition there is no commit of anybody else that its
owner does not know of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ingest.disk import DiskFile
from luytre.core.errors import Fenced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from luytre.core.clock import Clock
    from luytre.core.database import Connection

_MIGRATIONS = (
    """
    CREATE TABLE member (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        grp TEXT NOT NULL,
        topic TEXT NOT NULL,
        seen_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE claim (
        grp TEXT NOT NULL,
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        member INTEGER NOT NULL,
        PRIMARY KEY (grp, topic, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE committed (
        grp TEXT NOT NULL,
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        next INTEGER NOT NULL,
        PRIMARY KEY (grp, topic, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE reader (
        topic TEXT NOT NULL,
        grp TEXT NOT NULL,
        seen_ms INTEGER NOT NULL,
        PRIMARY KEY (topic, grp)
    ) STRICT, WITHOUT ROWID;
    """,
)
_HEARTBEATS_PER_TIMEOUT = 3


def groups_file(folder: Path, clock: Clock) -> DiskFile:
    """Return the file of all groups of a log."""
    return DiskFile(folder / "groups.sqlite", _MIGRATIONS, clock)


def committed(file: DiskFile, group: str, topic: str) -> dict[int, int]:
    """Return the next offset to read of each partition that ``group`` ever committed."""
    return file.read(lambda connection: _committed(connection, group, topic))


def floors(file: DiskFile, topic: str, since_ms: int) -> list[dict[int, int]]:
    """Return what each group that read ``topic`` since then has committed, by partition."""

    def look(connection: Connection) -> list[dict[int, int]]:
        readers = connection.execute(
            "SELECT grp FROM reader WHERE topic = ? AND seen_ms >= ?", (topic, since_ms)
        )
        return [_committed(connection, group, topic) for (group,) in readers]

    return file.read(look)


class _View(NamedTuple):
    """A group at one moment: when each member was seen, and the claim on each partition."""

    members: Mapping[int, int]
    claims: Mapping[int, int]

    def owned(self, member: int | None) -> frozenset[int]:
        return frozenset(p for p, owner in self.claims.items() if owner == member)


class Membership:
    """One consumer in its group. Partitions go round-robin over the members in order of joining.

    A member is dead when it was last seen more than ``timeout_s`` ago, or as far in the future:
    then the time of day was set back, and its heartbeats would count for too long.
    """

    def __init__(
        self, file: DiskFile, clock: Clock, *, group: str, topic: str, timeout_s: float
    ) -> None:
        self._file, self._clock = file, clock
        self._group, self._topic = group, topic
        self._timeout_ms = int(timeout_s * 1000)
        self._id: int | None = None
        self._seen_ms = 0

    def keep(
        self, partitions: int, give_up: Callable[[frozenset[int]], None]
    ) -> dict[int, int | None]:
        """Join or stay, give up what others shall read, and return what was gained.

        ``give_up`` may still commit what it is called with. Gained partitions come with their
        committed offset. Raises ``Fenced`` if this member was found dead and lost partitions.
        """
        view = self._file.read(self._view)
        self._check_alive(view)
        surplus = view.owned(self._id) - self._share(view, partitions)
        if surplus:
            give_up(surplus)
        if not surplus and not self._due(view, partitions):
            return {}
        now_ms = self._now_ms()
        self._id, gained = self._file.write(lambda c: self._settle(c, partitions, surplus))
        self._seen_ms = now_ms
        return gained

    def keep_alive(self) -> None:
        """Be seen, if that is due. Raises ``Fenced`` if this member was found dead."""
        now_ms = self._now_ms()
        recent = abs(now_ms - self._seen_ms) * _HEARTBEATS_PER_TIMEOUT <= self._timeout_ms
        if self._id is None or recent:
            return
        member = self._id

        def change(connection: Connection) -> None:
            self._check_alive(self._view(connection))
            self._beat(connection, member)

        self._file.write(change)
        self._seen_ms = now_ms

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Store the next offsets, all or none. Raises ``Fenced`` if one has another owner."""

        def change(connection: Connection) -> None:
            lost = offsets.keys() - self._view(connection).owned(self._id)
            if self._id is None or lost:
                places = ", ".join(map(str, sorted(lost or offsets)))
                raise Fenced(f"{self._topic}: partitions {places} are read by another member")
            connection.executemany(
                "INSERT INTO committed VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET next = excluded.next",
                [(self._group, self._topic, *offset) for offset in offsets.items()],
            )
            self._beat(connection, self._id)

        if offsets:
            now_ms = self._now_ms()
            self._file.write(change)
            self._seen_ms = now_ms

    def leave(self) -> None:
        """Give up all partitions at once; the next ``keep`` joins again."""
        member, self._id = self._id, None
        if member is not None:
            self._file.write(lambda connection: self._depart(connection, member))
        self._file.close()

    def _view(self, connection: Connection) -> _View:
        place = (self._group, self._topic)
        members = connection.execute(
            "SELECT id, seen_ms FROM member WHERE grp = ? AND topic = ?", place
        )
        claims = connection.execute(
            "SELECT partition, member FROM claim WHERE grp = ? AND topic = ?", place
        )
        return _View(dict(iter(members)), dict(iter(claims)))

    def _check_alive(self, view: _View) -> None:
        if self._id is not None and self._id not in view.members:
            self._id = None
            raise Fenced(
                f"{self._topic}: {self._group} did not poll in time and lost its partitions"
            )

    def _share(self, view: _View, partitions: int) -> frozenset[int]:
        return _share(sorted(view.members.keys() - self._dead(view)), self._id, partitions)

    def _dead(self, view: _View) -> set[int]:
        now_ms = self._now_ms()
        return {
            member
            for member, seen_ms in view.members.items()
            if member != self._id and abs(now_ms - seen_ms) > self._timeout_ms
        }

    def _due(self, view: _View, partitions: int) -> bool:
        return (
            self._id is None
            or abs(self._now_ms() - self._seen_ms) * _HEARTBEATS_PER_TIMEOUT > self._timeout_ms
            or bool(self._dead(view))
            or bool(self._share(view, partitions) - view.claims.keys())
        )

    def _settle(
        self, connection: Connection, partitions: int, surplus: frozenset[int]
    ) -> tuple[int, dict[int, int | None]]:
        before = self._view(connection)
        self._check_alive(before)
        for member in self._dead(before):
            _remove(connection, member)
        member = self._id or self._join(connection)
        self._beat(connection, member)
        connection.executemany(
            "DELETE FROM claim WHERE grp = ? AND topic = ? AND partition = ? AND member = ?",
            [(self._group, self._topic, partition, member) for partition in surplus],
        )
        after = self._view(connection)
        gained = _share(sorted(after.members), member, partitions) - after.claims.keys()
        connection.executemany(
            "INSERT INTO claim VALUES (?, ?, ?, ?)",
            [(self._group, self._topic, partition, member) for partition in gained],
        )
        reached = _committed(connection, self._group, self._topic)
        return member, {partition: reached.get(partition) for partition in sorted(gained)}

    def _depart(self, connection: Connection, member: int) -> None:
        _remove(connection, member)
        # Who only looked, and never committed, must not hold back what retention may take.
        if not self._view(connection).members:
            connection.execute(
                "DELETE FROM reader WHERE topic = ?1 AND grp = ?2 AND NOT EXISTS"
                " (SELECT 1 FROM committed WHERE topic = ?1 AND grp = ?2)",
                (self._topic, self._group),
            )

    def _join(self, connection: Connection) -> int:
        connection.execute(
            "INSERT INTO member (grp, topic, seen_ms) VALUES (?, ?, ?)",
            (self._group, self._topic, self._now_ms()),
        )
        return connection.last_insert_rowid()

    def _beat(self, connection: Connection, member: int) -> None:
        now_ms = self._now_ms()
        connection.execute("UPDATE member SET seen_ms = ? WHERE id = ?", (now_ms, member))
        connection.execute(
            "INSERT INTO reader VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seen_ms = ?",
            (self._topic, self._group, now_ms, now_ms),
        )

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _share(living: Sequence[int], member: int | None, partitions: int) -> frozenset[int]:
    if member is None:
        return frozenset()
    return frozenset(p for p in range(partitions) if living[p % len(living)] == member)


def _committed(connection: Connection, group: str, topic: str) -> dict[int, int]:
    rows = connection.execute(
        "SELECT partition, next FROM committed WHERE grp = ? AND topic = ?", (group, topic)
    )
    return dict(iter(rows))


def _remove(connection: Connection, member: int) -> None:
    connection.execute("DELETE FROM claim WHERE member = ?", (member,))
    connection.execute("DELETE FROM member WHERE id = ?", (member,))
