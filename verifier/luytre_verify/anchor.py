"""What was kept elsewhere: a folder of leaves and checkpoints, a printed page, or a typed line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from luytre_verify.checkpoint import (
    HASH_BYTES,
    Key,
    Note,
    Unreadable,
    find_key,
    find_note,
    read_note,
)
from luytre_verify.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

TYPED = re.compile(r"([0-9]{1,18}):([0-9a-fA-F\s]+)")


@dataclass(frozen=True, slots=True)
class Anchor:
    """Says what the history was: ``roots`` by size, and the leaves, if it kept them.

    ``place`` is the id that the history's own entries give an anchor folder; ``key`` the key that
    signs, if the anchor knows it; ``damage`` what is wrong with the anchor itself.
    """

    name: str
    roots: dict[int, bytes] = field(default_factory=dict)
    leaves: bytes = b""
    place: str = ""
    key: Key | None = None
    notes: tuple[Note, ...] = ()
    damage: str = ""

    @property
    def size(self) -> int:
        return max(self.roots, default=0)


def read_anchor(path: Path) -> Anchor:
    """Read an anchor folder, or a page with a checkpoint and a key. Raises ``Unreadable``."""
    if path.is_dir():
        return _folder(path)
    text = path.read_text(encoding="utf-8", errors="replace")
    note = find_note(text)
    key = find_key(text)
    damage = "" if note.is_signed_by(key) else "its signature is wrong"
    return Anchor(path.name, {note.size: note.root}, key=key, notes=(note,), damage=damage)


def typed_anchor(text: str) -> Anchor:
    """Read SIZE:ROOT as a person types it from a page. Raises ``Unreadable``."""
    found = TYPED.fullmatch(text.strip())
    digits = "".join(found[2].split()) if found else ""
    root = bytes.fromhex(digits) if len(digits) == 2 * HASH_BYTES else b""
    if not found or not root:
        raise Unreadable(f"{text} is not SIZE:ROOT with a root of 64 hexadecimal digits")
    return Anchor(text, {int(found[1]): root})


def _folder(path: Path) -> Anchor:
    if not (path / "leaves.bin").exists():
        inside = [child for child in sorted(path.iterdir()) if (child / "leaves.bin").exists()]
        if len(inside) != 1:
            raise Unreadable(f"{path} holds {len(inside)} anchors: name one of its folders")
        return _folder(inside[0])
    try:
        about = json.loads((path / "anchor.json").read_text())
        key, place = find_key(about["key"]), str(about["place"])
        lines = (path / "checkpoints.ndjson").read_text().split("\n")
        # The last line ends with its line end, or was cut by a crash before it counted.
        notes = tuple(read_note(json.loads(line)["note"]) for line in lines[:-1])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"{path}: {error}") from error
    roots = {note.size: note.root for note in notes}
    size = max(roots, default=0)
    leaves = (path / "leaves.bin").read_bytes()[: size * HASH_BYTES]
    damage = _damage(notes, key, leaves)
    return Anchor(path.name, roots, b"" if damage else leaves, place, key, notes, damage)


def _damage(notes: tuple[Note, ...], key: Key, leaves: bytes) -> str:
    """Say why an anchor folder is not to be believed."""
    wrong = [note.size for note in notes if not note.is_signed_by(key)]
    if wrong:
        return f"its checkpoint of {wrong[0]} entries is not signed by its key"
    if len({note.size for note in notes}) != len(notes):
        return "it has two checkpoints of one size"
    wanted = {note.size: note.root for note in notes}
    tree = Tree()
    for start in range(0, len(leaves), HASH_BYTES):
        tree.add(leaves[start : start + HASH_BYTES])
        if tree.size in wanted and wanted.pop(tree.size) != tree.root():
            return f"its leaves are not those of its checkpoint of {tree.size} entries"
    wanted.pop(0, None)
    return f"its leaves end before its checkpoint of {min(wanted)} entries" if wanted else ""
