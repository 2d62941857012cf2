"""Follows many files through rotation, truncation, deletion and restarts, by looking at them.

What identifies a file is device and inode *and* its content: its first line, and the bytes just
before the place that was sent. A file whose path changed is the same file; a file whose content
changed is another generation, which starts at 0 in a stream of its own.

What no reader can save: lines written and truncated away between two looks (copytruncate, unless
the copy still stands in the same folder, from where they are read), and a file created and deleted
between two looks.

Event ids are made of content (first line, byte position, bytes). Two files whose first lines and
whose lines at one position are the same give those lines one id; each is still sent, in a stream
of its own. A file that is a copy of one that is followed is not sent until it becomes different.
"""

from __future__ import annotations

import itertools
import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.shippers.files import PACKED_SUFFIXES, matching
from ingest.shippers.followed import NEVER, NOBODY, Followed, Identity, status_of
from ingest.shippers.generation import (
    Now,
    RewrittenError,
    holds_all,
    identify,
    is_copy,
    is_same,
    read_on,
)
from ingest.shippers.packed import PackedFiles
from ingest.shippers.registry import PACKED, FileRow
from ingest.shippers.stamp import shown
from luytre.core.config import FileInput
from luytre.core.log import get_logger
from luytre.core.metrics import FILES_UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.shippers.registry import Registry
    from luytre.core.clock import Clock
    from luytre.core.config import ShipConfig
    from luytre.core.message import Message

SETTLED_S = 2.0
DELETED_GRACE_S = 5.0
ROTATED_IDLE_S = 86_400.0
SIBLINGS_MAX = 10_000
TURN_BYTES = 32 * 2**20
TOLD_MAX = 3
"""Unreadable files that are named."""
ATTEMPTS = 3
"""How often a file is begun anew in one look, if it is rewritten while it is read."""
_log = get_logger("ingest")


class Follower:
    """Yields what is new in all files of ``settings.files``.

    ``unsaved`` holds the rows that advanced: store them in the registry once the log has flushed
    what ``pass_once`` yielded so far, then clear it.
    """

    def __init__(
        self, settings: ShipConfig, organization: str, registry: Registry, clock: Clock
    ) -> None:
        self.unsaved: dict[str, FileRow] = {}
        self._settings = settings
        self._organization = organization
        self._registry = registry
        self._clock = clock
        self._files: dict[Identity, Followed] = {}
        self._with_origin: dict[str, list[Followed]] = {}
        self._look_at_s = 0.0
        self._packed = PackedFiles(settings, organization, registry, clock)
        self._found_packed: dict[Identity, tuple[Path, FileInput]] = {}
        known = [row for row in registry.rows() if row.kind not in {"listener", PACKED}]
        # Several rows may name one file: it was truncated, and we went down before we knew.
        self._waiting: dict[Identity, list[FileRow]] = {}
        for row in known:
            if not row.finished:
                self._waiting.setdefault(row.identity, []).append(row)
        self._finished = {row.identity: row for row in known if row.finished}
        self._open_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2

    def pass_once(self, *, final: bool = False) -> Iterator[Message]:
        """Look for files if that is due and yield everything that can be read now.

        ``final`` takes last lines without an end as whole, and reads compressed files.
        """
        if final or self._clock.monotonic_s() >= self._look_at_s:
            self._look_at_s = self._clock.monotonic_s() + self._settings.scan_s
            self._look()
        turns = list(self._files.values())
        while turns:
            for file in turns:
                yield from self._read(file, final=final)
            turns = [file for file in self._files.values() if file.row and file.read != file.seen]
        if final:
            yield from self._packed.messages(self._found_packed.values(), self.unsaved)
        else:
            self._packed.tell(self._found_packed)
        yield from self._retire()
        self._trim()

    def problem(self) -> str:
        """Return which files cannot be read, or nothing. Other threads call it."""
        found = self._unreadable()
        FILES_UNREADABLE.set(len(found))
        more = f", and {len(found) - TOLD_MAX} more" if len(found) > TOLD_MAX else ""
        return "; ".join(file.problem for file in found[:TOLD_MAX]) + more

    def _unreadable(self) -> list[Followed]:
        return [file for file in list(self._files.values()) if file.problem and not file.lost]

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    # Looking

    def _look(self) -> None:
        found = self._find()
        for identity, file in self._files.items():
            place = found.pop(identity, None)
            if (place is None) != file.lost:
                file.lost = place is None
                file.changed_s = self._clock.monotonic_s()
            if place and place[0] != file.path:
                self._moved(file, place[0])
        new = [Followed(identity, *place) for identity, place in found.items()]
        for file in new:
            file.changed_s = self._clock.monotonic_s()
            file.open()
            self._files[file.identity] = file
        self._resume()

    def _find(self) -> dict[Identity, tuple[Path, FileInput]]:
        found: dict[Identity, tuple[Path, FileInput]] = {}
        self._found_packed = {}
        patterns = ((source, p) for source in self._settings.files for p in source.paths)
        for path, source in ((path, s) for s, pattern in patterns for path in matching(pattern)):
            status = status_of(path)
            if status:
                packed = path.suffix.lower() in PACKED_SUFFIXES
                into = self._found_packed if packed else found
                into.setdefault((status.st_dev, status.st_ino), (path, source))
        return found

    def _moved(self, file: Followed, path: Path) -> None:
        file.path = path
        if file.row:
            file.row.path = shown(path)
            self.unsaved[file.row.stream] = file.row

    def _resume(self) -> None:
        """Find the files of rows that a former process, or a truncation, has left behind."""
        for file in self._files.values():
            if file.row is None:
                self._resume_file(file)
        waiting, self._waiting = self._waiting, {}
        for row in itertools.chain(*waiting.values()):
            if not self._find_elsewhere(row):
                self._finish(row)

    def _resume_file(self, file: Followed) -> None:
        waiting = self._waiting.get(file.identity, [])
        finished = self._finished.get(file.identity)
        for row in [*waiting, finished] if finished else list(waiting):
            if file.open() and is_same(file.fd, row):
                if row is not finished:
                    waiting.remove(row)
                self._adopt(file, row)
                return

    def _find_elsewhere(self, row: FileRow) -> bool:
        """Follow the renamed file, or a copy that holds what was sent, beside the row's path."""
        siblings = list(self._siblings(row))
        siblings.sort(key=lambda file: file.identity != row.identity)
        for file in siblings:
            by_content = row.place.offset > 0 and row.kind in {"lines", "utf16"}
            taken = file.row is not None or not (file.identity == row.identity or by_content)
            proof = is_same if file.identity == row.identity else holds_all
            if not taken and file.open() and proof(file.fd, row):
                self._files[file.identity] = file
                self._adopt(file, row)
                return True
            if file.identity not in self._files:
                file.close()
        return False

    def _siblings(self, row: FileRow) -> Iterator[Followed]:
        # Not checked again: a row may name a zone that this machine no longer knows.
        source = FileInput.model_construct(
            paths=(), log_source=row.hint, organization=row.organization, time_zone=row.zone
        )
        names: list[str] = []
        try:
            with os.scandir(Path(row.path).parent) as entries:
                names = [entry.path for entry, _ in zip(entries, range(SIBLINGS_MAX), strict=False)]
        except OSError as error:
            _log.warning("folder cannot be searched", path=row.path, problem=str(error))
        known = set()
        for path in map(Path, sorted(names)):
            status = status_of(path)
            if status and path.suffix.lower() not in PACKED_SUFFIXES:
                identity = (status.st_dev, status.st_ino)
                known.add(identity)
                yield self._files.get(identity) or Followed(identity, path, source, lost=True)
        yield from (file for key, file in list(self._files.items()) if key not in known)

    # Reading

    def _read(self, file: Followed, *, final: bool) -> Iterator[Message]:
        try:
            yield from self._read_as_it_is(file, final=final)
        except OSError as error:
            _log.warning("file cannot be read", path=str(file.path), problem=str(error))
            file.problem = str(error)
            file.read = file.seen

    def _read_as_it_is(self, file: Followed, *, final: bool) -> Iterator[Message]:
        """Read on, and from the start again each time that the file turns out to be rewritten."""
        for _ in range(ATTEMPTS):
            if not self._is_due(file, final=final):
                return
            if file.row is None:
                self._begin(file)
            try:
                if file.row:
                    yield from self._read_on(file)
            except RewrittenError:
                self._renew(file)
            else:
                return

    def _is_due(self, file: Followed, *, final: bool) -> bool:
        if not file.open():
            file.read = file.seen
            return False
        status = os.fstat(file.fd)
        seen = (status.st_size, status.st_mtime_ns)
        now_s = self._clock.monotonic_s()
        if seen != file.seen:
            file.seen, file.changed_s = seen, now_s
            file.unsettled = True
        file.now.settled = now_s - file.changed_s >= SETTLED_S
        file.now.final = final
        return file.seen != file.read or final or (file.unsettled and file.now.settled)

    def _read_on(self, file: Followed) -> Iterator[Message]:
        row = file.row
        assert row
        began = row.place.offset
        file.unsettled = row.kind in {"evtx", "documents"} and not file.now.settled
        self.unsaved[row.stream] = row
        row.size = file.seen[0]
        for message in read_on(file.fd, row, self._settings, file.now):
            yield message
            if row.kind == "lines" and row.place.offset - began > TURN_BYTES:
                return
        file.read, file.problem = file.seen, ""

    def _begin(self, file: Followed) -> None:
        if file.copied == file.seen:
            return
        start = identify(file.fd, str(file.path), file.now)
        if start is None:
            return
        organization = file.source.organization or self._organization
        hint = file.source.log_source
        for other in self._with_origin.get(start.origin, ()):
            row = other.row
            if (
                row
                and self._files.get(other.identity) is other
                and (row.origin, row.organization, row.hint) == (start.origin, organization, hint)
                and row.kind == start.kind != "evtx"
                and other.open()
                and is_copy(file.fd, other.fd)
            ):
                file.copied = file.seen
                return
        file.row = FileRow(
            self._stream(start.origin), start.origin, organization, hint,
            start.kind, shown(file.path), file.identity, replace(start.place),
            start.mark, start.crc, zone=file.source.time_zone,
        )  # fmt: skip
        self._registry.claim(file.row, self._clock.now())
        self._with_origin.setdefault(start.origin, []).append(file)

    def _stream(self, origin: str) -> str:
        return f"{self._settings.name}/{self._registry.shipper_id}/{origin[:16]}"

    def _adopt(self, file: Followed, row: FileRow) -> None:
        """Go on with ``row`` in ``file``, wherever that is now."""
        if row.kind == "evtx":
            # A full event log overwrites itself and its damage heals, so a second reading may
            # count differently: after a restart it counts in a stream of its own.
            self._finish(row)
            row = replace(row, stream=self._stream(row.origin), place=replace(row.place, seq=0))
            self._registry.claim(row, self._clock.now())
        row.identity, row.path, row.finished = file.identity, shown(file.path), False
        row.organization = file.source.organization or self._organization
        row.hint, row.zone = file.source.log_source, file.source.time_zone
        self._finished.pop(row.identity, None)
        file.row, file.read = row, NEVER
        self._with_origin.setdefault(row.origin, []).append(file)
        self.unsaved[row.stream] = row

    def _renew(self, file: Followed) -> None:
        """Treat the file as new, and look for a copy of what it was."""
        old, file.row, file.now, file.read = file.row, None, Now(), NEVER
        assert old
        old.identity = NOBODY
        if not self._find_elsewhere(old):
            self._finish(old)
            _log.info("file was rewritten", path=old.path, offset=old.place.offset)

    # Letting go

    def _retire(self) -> Iterator[Message]:
        now_s = self._clock.monotonic_s()
        for file in [file for file in self._files.values() if file.lost]:
            is_deleted = file.fd < 0 or os.fstat(file.fd).st_nlink == 0
            if now_s - file.changed_s < (DELETED_GRACE_S if is_deleted else ROTATED_IDLE_S):
                continue
            if file.fd >= 0:
                yield from self._read(file, final=True)
            self._forget(file)
            if file.row and not (is_deleted and self._find_elsewhere(file.row)):
                # Its inode may be another file's tomorrow, even one that starts the same.
                file.row.identity = NOBODY if is_deleted else file.identity
                self._finish(file.row)

    def _forget(self, file: Followed) -> None:
        del self._files[file.identity]
        file.close()
        if file.row:
            alike = self._with_origin.get(file.row.origin, [])
            self._with_origin[file.row.origin] = [other for other in alike if other is not file]

    def _finish(self, row: FileRow) -> None:
        row.finished = True
        self._finished[row.identity] = row
        self.unsaved[row.stream] = row

    def _trim(self) -> None:
        """Close the files that have been quiet longest, if too many are open."""
        open_files = [file for file in self._files.values() if file.fd >= 0 and not file.lost]
        if len(open_files) > self._open_max:
            open_files.sort(key=lambda file: file.changed_s)
            for file in open_files[: len(open_files) - self._open_max]:
                file.close()
