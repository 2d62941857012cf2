"""`luytre rules draft|submit|approve|activate|...`: a rule's way into what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luytre.cli.content_desk import (
    check,
    desk,
    done,
    list_drafts,
    prove,
    show_draft,
    show_life,
)
from luytre.cli.filters import Number, ReasonOption
from luytre.cli.output import say
from luytre.cli.settings import ConfigOption, JsonOption


def draft(
    file: Annotated[Path, typer.Argument(help="One rule or correlation, new or changed.")],
    config: ConfigOption = None,
    reason: ReasonOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Propose a rule; it is checked among all that runs."""
    with desk(config) as at:
        found = at.drafts.propose(
            at.actor, file.read_bytes(), reason, lambda path: check(at.config, path)
        )
        show_draft(found, as_json=as_json)
        if not as_json:
            say("")
            say(f"next: luytre rules submit {found.id}")


def drafts(
    config: ConfigOption = None,
    state: Annotated[str, typer.Option("--state", "-s", help="Only in this state.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """List rules that went through review, newest first."""
    with desk(config, writes=False) as at:
        list_drafts(at.drafts.find(at.actor.scope, "rule", state), as_json=as_json)


def submit(
    number: Number,
    config: ConfigOption = None,
    days: Annotated[float, typer.Option(min=0, help="Of the archive's last days.")] = 30,
    limit: Annotated[int, typer.Option(min=0, help="Alerts shown of each kind.")] = 10,
    *,
    as_json: JsonOption = False,
) -> None:
    """Backtest a draft over the archive, and so hand it to another person for approval.

    Exit code 9: it was stopped, and can go on.
    """
    with desk(config) as at:
        prove(at, number, days, limit, as_json=as_json)
        digest = at.drafts.get(number, at.actor.scope).digest
    if not as_json:
        say(f"next, another person: luytre rules approve {number} {digest[:16]}")


def approve(
    number: Number,
    digest: Annotated[str, typer.Argument(help="The beginning of the digest that was tested.")],
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Agree to a rule that another person drafted and that was backtested."""
    with desk(config) as at:
        found = at.drafts.approve(at.actor, number, digest)
    done(f"draft {number} is approved; next: luytre rules activate {number}", found,
         as_json=as_json)  # fmt: skip


def activate(number: Number, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Let an approved rule run: every running worker takes it over within seconds."""
    with desk(config) as at:
        found = at.drafts.activate(at.actor, number)
    done(f"draft {number} is active", found, as_json=as_json)


def refuse(
    number: Number,
    config: ConfigOption = None,
    reason: ReasonOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Say no to a draft."""
    with desk(config) as at:
        found = at.drafts.refuse(at.actor, number, reason)
    done(f"draft {number} is refused", found, as_json=as_json)


def retire(
    number: Number,
    config: ConfigOption = None,
    reason: ReasonOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Take a reviewed rule out; one that it replaced runs again."""
    with desk(config) as at:
        found = at.drafts.retire(at.actor, number, reason)
    done(f"draft {number} is retired", found, as_json=as_json)


def history(number: Number, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show a draft whole, and who did what to it when."""
    with desk(config, writes=False) as at:
        if not as_json:
            show_draft(at.drafts.get(number, at.actor.scope), as_json=False)
        show_life(at, number, as_json=as_json)
