"""`luytre rejects`: what could not be read, and trying it again."""

from __future__ import annotations

from typing import Annotated

import typer

from luytre.cli.output import console, counted, print_json, say, table, text, time_text
from luytre.cli.recorded import recorded
from luytre.cli.settings import ConfigOption, JsonOption, read_installation
from luytre.core.errors import Refused
from luytre.processor import rejects

app = typer.Typer(no_args_is_help=True, help="List and replay what could not be read.")

SHOWN_CHARS = 80


@app.command("list")
def list_rejects(
    config: ConfigOption = None,
    reason: Annotated[str, typer.Option(help="Only reasons that contain this.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    *,
    as_json: JsonOption = False,
) -> None:
    """List what cannot be read, newest first, with its reason and its original bytes.

    Each is listed once, and no more after a replay could read it.
    """
    shown, reasons = rejects.newest(read_installation(config), reason, limit)
    if as_json:
        for row in shown.iter_rows(named=True):
            print_json(row)
        return
    if not reasons:
        say("No rejects.")
        return
    rows = [
        (
            text(row["event.id"][:10]),
            text(time_text(row["event.ingested"])),
            text(row["organization.id"]),
            text(row["error.message"]),
            text(row["event.original"].decode(errors="backslashreplace")[:SHOWN_CHARS]),
        )
        for row in shown.iter_rows(named=True)
    ]
    console().print(table("", ["id", "received", "organisation", "reason", "original"], rows))
    columns = ["rejects", "reason"]
    counts = [(f"{n:,}", text(why)) for why, n in reasons.most_common(10)]
    console().print(table("\nBy reason", columns, counts))


@app.command()
def replay(
    config: ConfigOption = None,
    reason: Annotated[str, typer.Option(help="Only reasons that contain this.")] = "",
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="Only rejects whose id begins with this.")
    ] = None,
) -> None:
    """Send rejects through the pipeline again, after what made them unreadable was mended.

    Their ids stay the same, so what is still unreadable is the same reject, and what is readable
    now becomes the event that it would have been. That a message was damaged on the way, or given
    up by its shipper, does not stop what is readable of it: choose by --reason or --id.
    """
    settings = read_installation(config)
    recorded(settings, "rejects.replay", "rejects", reason=reason, ids=ids or [])
    sent = rejects.replay(settings, reason, ids or ())
    if ids and not sent:
        raise Refused(f"no reject's id begins with {' or '.join(ids)}")
    say(f"{counted(sent, 'reject')} sent again")
