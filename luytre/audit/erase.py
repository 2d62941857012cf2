"""Erasing a detail for a lawful reason, with a receipt; and holding it for a lawful reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luytre.core.errors import Refused

if TYPE_CHECKING:
    from luytre.audit.database import CaseDatabase
    from luytre.core.actor import Actor


def erase(cases: CaseDatabase, actor: Actor, seq: int, reason: str) -> int:
    """Erase the detail of an entry; return the number of the receipt, itself an entry.

    The entry stays, with the digest of what was erased: the history proves as much as before.

    Raises:
        Refused: there is no such detail, no reason is given, or what it is about is on hold.
        Forbidden: the actor may not.
    """
    if not reason.strip():
        raise Refused("an erasure needs a reason: the law, the request, its date")
    with cases.change(actor) as change:
        found = change.connection.execute(
            "SELECT subject, json_extract(entry, '$.organization'), detail IS NULL"
            " FROM audit_entries WHERE seq = ?",
            (seq,),
        ).fetchone()
        if found is None or found[2]:
            raise Refused(f"entry {seq} does not exist, or its detail is erased already")
        held = hold_of(cases, str(found[0]))
        if held:
            raise Refused(f"{found[0]} is on legal hold ({held}): nothing of it is erased")
        receipt = change.record(
            "audit.erase", f"entry:{seq}", organization=str(found[1]), reason=reason
        )
        cases.book.erase(seq)
    return receipt


def hold(cases: CaseDatabase, actor: Actor, subject: str, organization: str, reason: str) -> None:
    """Put what an entry is about (``incident:12``) on hold: it is not erased until released."""
    if not reason.strip():
        raise Refused("a hold needs a reason: the request, its date")
    with cases.change(actor) as change:
        if hold_of(cases, subject):
            raise Refused(f"{subject} is on hold already")
        change.connection.execute("INSERT INTO legal_holds VALUES (?, ?)", (subject, reason))
        change.record("audit.hold", subject, organization=organization, reason=reason)


def release(cases: CaseDatabase, actor: Actor, subject: str, organization: str) -> None:
    """End a hold."""
    with cases.change(actor) as change:
        change.connection.execute("DELETE FROM legal_holds WHERE subject = ?", (subject,))
        if not change.connection.changes():
            raise Refused(f"{subject} is not on hold")
        change.record("audit.release", subject, organization=organization)


def hold_of(cases: CaseDatabase, subject: str) -> str:
    """Return why a subject is on hold, "" if it is not."""
    found: Any = cases.connection.execute(
        "SELECT reason FROM legal_holds WHERE subject = ?", (subject,)
    ).get
    return str(found or "")
