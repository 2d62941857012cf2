"""`luytre ledger`: what was shipped, what became of it, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from luytre.cli.output import console, print_json, say, table, text, time_text
from luytre.cli.settings import ConfigOption, JsonOption, read_installation
from luytre.processor import build

if TYPE_CHECKING:
    from luytre.processor.account import Account


def ledger(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Account for every input: delivered, rejected, or still on its way; and every hole.

    A hole is a blind window: sequence numbers that a shipper gave out and that did not arrive. It
    heals by itself when they do.
    """
    settings = read_installation(config)
    accounts = build.accounts(settings)
    if as_json:
        for account in accounts:
            print_json(msgspec.to_builtins(account))
        return
    if not accounts:
        say("Nothing was shipped yet. `luytre run` ships; `luytre doctor` says what is missing.")
        return
    rows = [_row(account) for account in accounts]
    columns = [
        "organisation",
        "input",
        "shipped",
        "events",
        "rejects",
        "on its way",
        "holes",
        "last",
    ]
    console().print(table("", columns, rows))
    total: dict[str, int] = defaultdict(int)
    for account in accounts:
        for name in ("shipped", "events", "rejects", "pending", "missing"):
            total[name] += getattr(account, name)
    say(
        f"{total['shipped']:,} shipped = {total['events']:,} events + {total['rejects']:,} rejects"
        f" + {total['pending']:,} on their way + {total['missing']:,} missing"
    )


def _row(account: Account) -> tuple[Any, ...]:
    holes = ", ".join(f"{first}-{last}" for first, last in account.holes[:3])
    more = f" (+{len(account.holes) - 3})" if len(account.holes) > 3 else ""  # noqa: PLR2004
    return (
        text(account.organization),
        text(account.path or account.stream),
        text(f"{account.shipped:,}"),
        text(f"{account.events:,}"),
        text(f"{account.rejects:,}"),
        text(f"{account.pending:,}"),
        text(holes + more),
        text(time_text(account.last_at)),
    )
