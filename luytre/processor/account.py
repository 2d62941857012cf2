"""The account of every input: what shippers gave out against what the ledger has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest.ledger import StreamRow
    from ingest.shippers.registry import FileRow


@dataclass(frozen=True, slots=True)
class Account:
    """One stream. ``shipped`` = ``events`` + ``rejects`` + ``pending`` + ``missing``, always.

    ``pending`` is behind the last number that was seen: on its way. ``missing`` is in ``holes``:
    numbers below it that did not arrive, a blind window.
    """

    organization: str
    stream: str
    path: str
    shipped: int
    events: int
    rejects: int
    pending: int
    missing: int
    holes: tuple[tuple[int, int], ...]
    resent: int
    last_at: datetime | None


def accounts_of(shipped: Iterable[FileRow], seen: Iterable[StreamRow]) -> list[Account]:
    """Join both sides. A stream of another machine's shipper counts as shipped up to its end."""
    rows = {row.stream: row for row in shipped}
    result = [_account(rows.pop(row.stream, None), row) for row in seen]
    result += [
        Account(r.organization, r.stream, r.path, r.place.seq, 0, 0, r.place.seq, 0, (), 0, None)
        for r in rows.values()
    ]
    return sorted(result, key=lambda account: (account.organization, account.path, account.stream))


def _account(row: FileRow | None, seen: StreamRow) -> Account:
    counts = seen.counts
    shipped = max(row.place.seq if row else 0, seen.end)
    return Account(
        organization=counts.organization,
        stream=seen.stream,
        path=row.path if row else "",
        shipped=shipped,
        events=seen.events,
        rejects=seen.rejects,
        pending=shipped - seen.end,
        missing=seen.missing,
        holes=seen.holes,
        resent=counts.resent,
        last_at=counts.received_at,
    )
