"""Anchors: the state of the history, kept where whoever rewrites it cannot reach.

A folder elsewhere (a stick, another machine's share) keeps the leaves as well as the checkpoints,
so that the verifier can name the very entry that was altered; a printed page keeps one checkpoint.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import msgspec

from luytre.audit.canonical import stamp
from luytre.audit.notes import NoteError, parse_note
from luytre.core.database import snapshot
from luytre.core.errors import NeighbourError, Refused

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from luytre.audit.book import Book
    from luytre.audit.database import CaseDatabase
    from luytre.audit.signer import SignedState
    from luytre.core.actor import Actor

LEAF_BYTES = 32
PRINTED = "print"
GROUP = 4


class _About(msgspec.Struct, frozen=True):
    """What an anchor's folder says of itself."""

    origin: str
    key: str
    place: str


class _Line(msgspec.Struct, frozen=True):
    note: str


def anchor_in(cases: CaseDatabase, actor: Actor, place: Path) -> int:
    """Bring the anchor in a folder up to date, record it, and return how many entries it covers.

    Raises:
        Refused: the folder keeps a history that this one does not continue. That is an alarm:
            either the database was rolled back or forked, or the folder is another's.
        NeighbourError: the folder cannot be written.
    """
    actor.require("audit.anchor", "")
    state = cases.signed()
    folder = place / state.origin.replace("/", "-")
    try:
        with snapshot(cases.connection):
            about = _bring_up(cases.book, state, folder)
    except OSError as error:
        raise NeighbourError(f"{folder}: {error}") from error
    if about is not None:
        _record(cases, actor, state, about.place, str(place))
    return state.size


def is_behind(cases: CaseDatabase, place: Path) -> bool:
    """Tell whether a folder misses any entry besides those that record anchors.

    Else each anchor, itself an entry, would call for the next.
    """
    state = cases.signed()
    path = place / state.origin.replace("/", "-") / "checkpoints.ndjson"
    try:
        with snapshot(cases.connection):
            covered, _ = _newest(cases.book, state, path)
            return cases.book.others_since(covered, "audit.anchor") > 0
    except OSError as error:
        raise NeighbourError(f"{path}: {error}") from error


def anchor_page(cases: CaseDatabase, actor: Actor, now: datetime) -> str:
    """Return a page to print: signed checkpoint, key, and the root in groups to type."""
    actor.require("audit.anchor", "")
    with cases.change(actor) as change:
        # There is always something to print: the wish itself.
        change.record("audit.page", "history", organization="")
    state = cases.signed()
    digits = state.root.hex()
    groups = [digits[at : at + GROUP] for at in range(0, len(digits), GROUP)]
    half = len(groups) // 2
    _record(cases, actor, state, PRINTED, "a printed page")
    return (
        f"Luytre — anchor of the history / điểm neo của lịch sử\n{stamp(now)}\n\n"
        f"{state.note}\n"
        f"{state.key}\n\n"
        f"entries / số bản ghi: {state.size}\n"
        f"root / gốc:  {' '.join(groups[:half])}\n"
        f"             {' '.join(groups[half:])}\n\n"
        f"luytre-verify EXPORT --checkpoint '{state.size}:{' '.join(groups)}'\n\n"
        "Keep this page where the administrators of this machine cannot change it.\n"
        "Hãy giữ trang này ở nơi mà người quản trị máy này không thể sửa.\n"
        "\nsigned by / người ký: ______________________   date / ngày: ______________\n"
    )


def _record(cases: CaseDatabase, actor: Actor, state: SignedState, place: str, where: str) -> None:
    with cases.change(actor) as change:
        subject = f"anchor:{place}:{state.size}:{state.root.hex()}"
        seq = change.record("audit.anchor", subject, organization="", where=where)
        cases.book.add_anchor(seq, where, state.size, state.note)


def _bring_up(book: Book, state: SignedState, folder: Path) -> _About | None:
    """Append to the folder what it lacks; None if it lacks nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    about = _about(state, folder)
    checkpoints = folder / "checkpoints.ndjson"
    size, whole_bytes = _newest(book, state, checkpoints)
    if size == state.size:
        return None
    # What a crash left behind the last whole line never counted.
    _append(folder / "leaves.bin", size * LEAF_BYTES, b"".join(book.leaves(size, state.size)))
    _append(checkpoints, whole_bytes, msgspec.json.encode(_Line(state.note)) + b"\n")
    return about


def _about(state: SignedState, folder: Path) -> _About:
    path = folder / "anchor.json"
    if path.exists():
        try:
            about = msgspec.json.decode(path.read_bytes(), type=_About)
        except msgspec.MsgspecError as error:
            raise Refused(f"{path} is damaged: {error}") from error
        if (about.origin, about.key) != (state.origin, state.key):
            raise Refused(f"{folder} is the anchor of another history, or of another key")
        return about
    about = _About(state.origin, state.key, secrets.token_hex(4))
    _append(path, 0, msgspec.json.encode(about) + b"\n")
    return about


def _newest(book: Book, state: SignedState, path: Path) -> tuple[int, int]:
    """Return how many entries the folder covers, and how many bytes of its list are whole."""
    data = path.read_bytes() if path.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    if not whole:
        return 0, 0
    try:
        line = msgspec.json.decode(whole.splitlines()[-1], type=_Line)
        checkpoint, _ = parse_note(line.note)
    except (msgspec.MsgspecError, NoteError) as error:
        raise Refused(f"{path} is damaged: {error}") from error
    continues = checkpoint.size <= state.size and book.root(checkpoint.size) == checkpoint.root
    if not continues:
        raise Refused(
            f"ALARM: {path.parent} keeps a history of {checkpoint.size:,} entries that this"
            f" database (of {state.size:,}) does not continue: it was rolled back or forked"
        )
    return checkpoint.size, len(whole)


def _append(path: Path, at: int, data: bytes) -> None:
    """Write ``data`` at a place of a file, cut what lies behind, and return once it is on disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "wb") as stream:
        stream.truncate(at)
        stream.seek(at)
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
