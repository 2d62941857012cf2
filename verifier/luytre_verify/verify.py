"""Checks an export against itself, its signatures, and what was kept elsewhere.

One pass over the entries. A check that fails is a finding that names entries, never an exception.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING

from luytre_verify.checkpoint import HASH_BYTES, Key, Note
from luytre_verify.entry import Entry, read_entry
from luytre_verify.export import ANCHORS, CHECKPOINTS, DETAILS, NUMBER_DIGITS_MAX, Export
from luytre_verify.report import FINDINGS_MAX, Finding, Report
from luytre_verify.tree import Tree, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from luytre_verify.anchor import Anchor

NO_ENTRY = bytes(HASH_BYTES)


def verify(folder: Path, anchors: Sequence[Anchor] = (), key: Key | None = None) -> Report:
    """Verify an export. ``key`` and ``anchors`` are what the reader has from elsewhere.

    Raises:
        Unreadable: the folder is no export at all.
    """
    export = Export(folder)
    report = Report()
    for name in export.missing():
        report.add(Finding("file missing", name=name))
    for anchor in anchors:
        report.anchors.append(anchor.name)
        if anchor.damage:
            report.add(Finding("anchor damaged", name=anchor.name, reason=anchor.damage))
    trusted = _trusted(export, anchors, key, report)
    copies = _copies(export, report)
    listed = list(_checkpoints(export, report))
    report.checkpoints = len(listed)
    notes = _signed([*listed, *copies.values()], trusted, report)
    walk = _Walk(export, notes, anchors, report)
    walk.run()
    walk.check_ends()
    walk.check_recorded(copies)
    return report


def _trusted(
    export: Export, anchors: Sequence[Anchor], key: Key | None, report: Report
) -> Key | None:
    """Return the key to believe: the reader's own, else an anchor's, else the export's."""
    outside = key or next((a.key for a in anchors if a.key and not a.damage), None)
    inside = export.key()
    if outside and inside != outside:
        report.add(Finding("other key", name=f"{outside.name}+{outside.id.hex()}"))
    chosen = outside or inside
    if chosen:
        report.key, report.key_is_from_outside = f"{chosen.name}+{chosen.id.hex()}", bool(outside)
    return chosen


def _checkpoints(export: Export, report: Report) -> Iterator[Note]:
    for line, note in enumerate(export.checkpoints(), 1):
        if note is None:
            report.add(Finding("no checkpoint", line=line, name=CHECKPOINTS))
        else:
            yield note


def _copies(export: Export, report: Report) -> dict[int, Note]:
    """Return the checkpoints that were anchored, by the entry that records the anchor."""
    copies: dict[int, Note] = {}
    for line, copy in enumerate(export.anchors(), 1):
        if copy is None:
            report.add(Finding("no checkpoint", line=line, name=ANCHORS))
        else:
            copies[copy.seq] = copy.note
    return copies


def _signed(notes: Sequence[Note], trusted: Key | None, report: Report) -> list[Note]:
    """Return the checkpoints that the trusted key signed; the others are findings."""
    good: list[Note] = []
    for note in notes:
        if trusted and note.origin != trusted.name:
            report.add(Finding("other origin", size=note.size, name=note.origin))
        elif trusted is None or not note.is_signed_by(trusted):
            report.add(Finding("wrong signature", size=note.size))
        else:
            good.append(note)
    return good


class _Walk:
    """One pass over the entries, and what is known at its end."""

    def __init__(
        self, export: Export, notes: list[Note], anchors: Sequence[Anchor], report: Report
    ) -> None:
        self._export, self._notes, self._report = export, notes, report
        self._anchors = [anchor for anchor in anchors if not anchor.damage]
        self._tree = Tree()
        self._wanted: dict[int, set[bytes]] = defaultdict(set)
        for note in notes:
            self._wanted[note.size].add(note.root)
        self._anchored: dict[int, list[tuple[Anchor, bytes]]] = defaultdict(list)
        for anchor in self._anchors:
            for size, root in anchor.roots.items():
                self._anchored[size].append((anchor, root))
        self._matched = 0
        self._matched_anchor: dict[str, int] = {}
        self._differs: set[str] = set()
        self._details = export.details()
        self._detail = next(self._details, None)
        self._gone: list[int] = []
        self._erased: set[int] = set()
        self._recorded: dict[int, tuple[str, int]] = {}

    def run(self) -> None:
        """Walk over all entries."""
        previous, at = NO_ENTRY, b""
        self._compare_roots()
        for seq, line in enumerate(self._export.entries()):
            leaf = leaf_hash(line)
            entry = read_entry(line)
            if entry is None:
                self._report.add(Finding("no entry", first=seq, last=seq, line=seq + 1))
            else:
                self._check(seq, entry, previous)
                if entry.at < at and len(self._report.clock_went_back) < FINDINGS_MAX:
                    self._report.clock_went_back.append(seq)
                at = entry.at
                self._report.first_at = self._report.first_at or at.decode()
            self._compare_leaf(seq, leaf)
            self._tree.add(leaf)
            self._compare_roots()
            previous = leaf
        self._report.entries, self._report.last_at = self._tree.size, at.decode()

    def _check(self, seq: int, entry: Entry, previous: bytes) -> None:
        if entry.seq != seq:
            self._report.add(Finding("wrong number", first=seq, last=seq, found=entry.seq))
        if entry.previous != previous.hex().encode():
            self._report.add(Finding("broken chain", first=max(0, seq - 1), last=seq))
        self._check_detail(seq, entry)
        if entry.action == b"audit.erase":
            self._erased.add(_number(entry.subject.removeprefix("entry:")))
        elif entry.action == b"audit.anchor":
            place, _, size = entry.subject.removeprefix("anchor:").partition(":")
            self._recorded[seq] = (place, _number(size.partition(":")[0]))

    def _check_detail(self, seq: int, entry: Entry) -> None:
        while self._detail is not None and self._detail[0] < seq:
            self._report.add(Finding("stray detail", first=seq, name=DETAILS))
            self._detail = next(self._details, None)
        if self._detail is None or self._detail[0] != seq:
            self._gone.append(seq)
            return
        if sha256(self._detail[1]).hexdigest().encode() != entry.detail:
            self._report.add(Finding("detail differs", first=seq, last=seq))
        self._detail = next(self._details, None)

    def _compare_leaf(self, seq: int, leaf: bytes) -> None:
        for anchor in self._anchors:
            kept = anchor.leaves[seq * HASH_BYTES : (seq + 1) * HASH_BYTES]
            if kept and kept != leaf and anchor.name not in self._differs:
                # What follows differs too, if only because it moved: the first one is named.
                self._differs.add(anchor.name)
                self._report.add(Finding("not the anchored", first=seq, last=seq, name=anchor.name))

    def _compare_roots(self) -> None:
        size = self._tree.size
        for root in self._wanted.pop(size, ()):
            if root == self._tree.root():
                self._matched = size
            else:
                first = min(self._matched, max(0, size - 1))
                self._report.add(Finding("root differs", first=first, last=size - 1, size=size))
        for anchor, root in self._anchored.pop(size, ()):
            if root == self._tree.root():
                self._matched_anchor[anchor.name] = size
            elif anchor.name not in self._differs:
                self._differs.add(anchor.name)
                first = min(self._matched_anchor.get(anchor.name, 0), max(0, size - 1))
                self._report.add(
                    Finding("not the anchored", first=first, last=size - 1, name=anchor.name)
                )

    def check_ends(self) -> None:
        """Compare the history's end with the checkpoints and anchors that reach beyond it."""
        size = self._tree.size
        for known, anchors in sorted(self._anchored.items(), reverse=True):
            for anchor, _ in anchors:
                self._truncated(size, known, anchor.name)
        if self._wanted:
            self._truncated(size, max(self._wanted), CHECKPOINTS)
        if self._matched < size:
            self._report.add(Finding("not signed", first=self._matched, last=size - 1))
        while self._detail is not None:
            self._report.add(Finding("stray detail", first=size, name=DETAILS))
            self._detail = next(self._details, None)
        for seq in self._gone:
            if seq not in self._erased:
                self._report.add(Finding("detail gone", first=seq, last=seq))
        self._report.erased = sum(seq in self._erased for seq in self._gone)
        self._report.anchored = max(self._matched_anchor.values(), default=0)

    def _truncated(self, size: int, known: int, name: str) -> None:
        if name not in self._differs:
            self._differs.add(name)
            self._report.add(
                Finding("truncated", first=size, last=known - 1, size=known, name=name)
            )

    def check_recorded(self, copies: dict[int, Note]) -> None:
        """Compare the anchors that entries record with their copies, and with the places."""
        for seq, (place, size) in self._recorded.items():
            if seq not in copies or copies[seq].size != size:
                self._report.add(Finding("anchor copy gone", first=seq, last=seq, size=size))
            for anchor in self._anchors:
                if anchor.place == place and size not in anchor.roots:
                    self._report.add(
                        Finding("anchor gone", first=seq, last=seq, size=size, name=anchor.name)
                    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else -1
