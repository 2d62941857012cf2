"""`luytre rejects`: what could not be read, and trying it again."""

from __future__ import annotations

from typing import Annotated

import polars as pl
import typer

from luytre.cli.output import console, counted, print_json, say, table, text, time_text
from luytre.cli.settings import ConfigOption, JsonOption, read_installation
from luytre.core.errors import Refused
from luytre.processor import build

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
    """List rejects, newest first, each once, with its reason and its original bytes."""
    found = build.rejects(read_installation(config), reason)
    shown = found.tail(limit).reverse()
    if as_json:
        for row in shown.iter_rows(named=True):
            print_json(row)
        return
    if not found.height:
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
    reasons = found.group_by("error.message").len().sort("len", "error.message", descending=True)
    columns = ["rejects", "reason"]
    counts = [(f"{n:,}", text(why)) for why, n in reasons.head(10).rows()]
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
    now becomes the event that it would have been.
    """
    settings = read_installation(config)
    found = build.rejects(settings, reason)
    if ids:
        found = found.filter(pl.any_horizontal(pl.col("event.id").str.starts_with(i) for i in ids))
    if ids and not found.height:
        raise Refused(f"no reject's id begins with {' or '.join(ids)}")
    build.replay(settings, found)
    say(f"{counted(found.height, 'reject')} sent again")
