"""The history as files that verify offline, without this program."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from luytre.audit.canonical import canonical
from luytre.core.database import snapshot
from luytre.core.errors import LuytreError, NeighbourError, Refused

if TYPE_CHECKING:
    from pathlib import Path

    from luytre.audit.book import Book
    from luytre.audit.database import CaseDatabase
    from luytre.audit.signer import SignedState
    from luytre.core.actor import Actor

READ_ME = """\
This folder is the history of a Luytre installation. Check it with the separate program
`luytre-verify` and with what was kept elsewhere:

    luytre-verify THIS-FOLDER --anchor ANCHOR

Thư mục này là lịch sử của một hệ thống Luytre. Hãy kiểm tra bằng chương trình riêng
`luytre-verify` cùng với điểm neo được giữ ở nơi khác:

    luytre-verify THƯ-MỤC-NÀY --anchor ĐIỂM-NEO --language vi

entries.ndjson      one entry a line; SHA-256 over a zero byte and the line is its leaf (RFC 6962)
details.tsv         number, tab, detail; its SHA-256 is the entry's `detail`
checkpoint          the newest signed checkpoint (c2sp.org/tlog-checkpoint)
checkpoints.ndjson  earlier ones
anchors.ndjson      checkpoints that were kept elsewhere, by the entry that records it
key.txt             the key that signs (c2sp.org/signed-note)
"""


class Exported(NamedTuple):
    """How much was written, and what could not be had."""

    entries: int
    warnings: tuple[str, ...]


def export(cases: CaseDatabase, actor: Actor, folder: Path) -> Exported:
    """Write the whole history into a new folder. That it was exported is itself an entry.

    Evidence is worth most when something is wrong: without a signer, or with one that signed
    another history, all there is is written, and the warnings say what is missing.

    Raises:
        Refused: the folder is not empty.
        Forbidden: the actor may not read all of the history.
        NeighbourError: the folder cannot be written.
    """
    actor.require("audit.read", "")
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty: name a new folder")
    warnings: list[str] = []
    state = None
    try:
        with cases.change(actor) as change:
            change.record("audit.export", "history", organization="", to=str(folder))
        state = cases.signed()
    except LuytreError as error:
        warnings.append(f"the newest entries are not signed, nor this export recorded: {error}")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with snapshot(cases.connection):
            size = state.size if state else cases.book.size()
            _write(cases.book, size, state, folder)
    except OSError as error:
        raise NeighbourError(f"{folder}: {error}") from error
    return Exported(size, tuple(warnings))


def _write(book: Book, size: int, state: SignedState | None, folder: Path) -> None:
    (folder / "README.txt").write_text(READ_ME)
    with (
        (folder / "entries.ndjson").open("wb") as entries,
        (folder / "details.tsv").open("wb") as details,
    ):
        for seq, entry, detail in book.rows(0, size):
            entries.write(entry.encode() + b"\n")
            if detail is not None:
                details.write(b"%d\t%b\n" % (seq, detail.encode()))
    kept = book.checkpoints()
    with (folder / "checkpoints.ndjson").open("wb") as checkpoints:
        for at, note in kept:
            checkpoints.write(canonical({"note": note, "size": at}) + b"\n")
    with (folder / "anchors.ndjson").open("wb") as anchors:
        for seq, place, at, note in book.anchors():
            if seq < size:
                line = {"note": note, "place": place, "seq": seq, "size": at}
                anchors.write(canonical(line) + b"\n")
    newest = state.note if state else kept[-1][1] if kept else ""
    (folder / "checkpoint").write_text(newest)
    (folder / "key.txt").write_text((state.key if state else _first_key(book)) + "\n")


def _first_key(book: Book) -> str:
    """Return the key that the first entry names."""
    for _, entry, _ in book.rows(0, 1):
        return str(msgspec.json.decode(entry)["subject"]).removeprefix("key:")
    return ""
