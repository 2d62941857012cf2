"""The account of every input: what shippers gave out against what the ledger has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


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


class ShippedRow(Protocol):
    """A row of the shipper's registry."""

    stream: str
    organization: str
    path: str
    next_seq: int


class LedgerRow(Protocol):
    """A row of the ledger."""

    stream: str
    organization: str
    events: int
    rejects: int
    resent: int
    holes: Sequence[tuple[int, int]]
    end: int
    last_at: datetime | None


def accounts(shipped: Iterable[ShippedRow], seen: Iterable[LedgerRow]) -> list[Account]:
    """Join both sides. A stream of another machine's shipper counts as shipped up to its end."""
    rows = {row.stream: row for row in shipped}
    result = [_account(rows.pop(row.stream, None), row) for row in seen]
    result += [
        Account(r.organization, r.stream, r.path, r.next_seq, 0, 0, r.next_seq, 0, (), 0, None)
        for r in rows.values()
    ]
    return sorted(result, key=lambda account: (account.organization, account.path, account.stream))


def _account(row: ShippedRow | None, seen: LedgerRow) -> Account:
    shipped = max(row.next_seq if row else 0, seen.end)
    missing = sum(last - first + 1 for first, last in seen.holes)
    return Account(
        organization=seen.organization,
        stream=seen.stream,
        path=row.path if row else "",
        shipped=shipped,
        events=seen.events,
        rejects=seen.rejects,
        pending=shipped - seen.end,
        missing=missing,
        holes=tuple(seen.holes),
        resent=seen.resent,
        last_at=seen.last_at,
    )
