"""The history's entries about an incident, each proven to be under the signed checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luytre.audit.canonical import canonical
from luytre.core.database import snapshot
from luytre.core.errors import NeighbourError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from luytre.audit.database import CaseDatabase
    from luytre.audit.signer import SignedState
    from luytre.core.database import Connection


def entries_about(connection: Connection, number: int) -> tuple[int, ...]:
    """Return the numbers of all entries about an incident, and about those it came from."""
    subjects = [f"incident:{one}" for one in sorted(_family(connection, number))]
    marks = ", ".join("?" * len(subjects))
    rows: Any = connection.execute(
        f"SELECT seq FROM audit_entries WHERE subject IN ({marks}) ORDER BY seq",  # noqa: S608
        subjects,
    )
    return tuple(int(seq) for (seq,) in rows)


def ranges(numbers: Sequence[int]) -> str:
    """Return rising numbers as short text: ``2,5,7-9``."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][-1] == number - 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ",".join("-".join(map(str, each)) for each in found)


def custody(cases: CaseDatabase, entries: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of custody: these entries with their proofs, the checkpoint, the key."""
    state = cases.signed()
    if state.size <= max(entries):
        raise NeighbourError("the signer has not signed what was packed: pack it again")
    with snapshot(cases.connection):
        proven = [_proven(cases, seq, state) for seq in entries]
    yield "custody/entries.ndjson", b"".join(proven)
    yield "custody/checkpoint", state.note.encode()
    yield "custody/key.txt", f"{state.key}\n".encode()


def _family(connection: Connection, number: int) -> set[int]:
    """Return the incident and those that its alerts were in before: merged into it, or split."""
    family, fresh = {number}, {number}
    while fresh:
        marks = ", ".join("?" * len(fresh))
        rows: Any = connection.execute(
            f"SELECT id FROM incidents WHERE merged_into IN ({marks})"  # noqa: S608
            " UNION SELECT json_extract(detail, '$.after.from') FROM audit_entries"
            f" WHERE subject IN ({marks}) AND json_extract(entry, '$.action') = 'incident.split'",
            (*sorted(fresh), *(f"incident:{one}" for one in sorted(fresh))),
        )
        fresh = {int(one) for (one,) in rows if one is not None} - family
        family |= fresh
    return family


def _proven(cases: CaseDatabase, seq: int, state: SignedState) -> bytes:
    [(_, entry, detail)] = cases.book.rows(seq, seq + 1)
    proof = [node.hex() for node in cases.book.inclusion(seq, state.size)]
    return canonical({"detail": detail, "entry": entry, "proof": proof, "seq": seq}) + b"\n"
