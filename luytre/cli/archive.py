"""`luytre archive`: count and read the events that were kept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from luytre.cli.output import console, counted, print_json, say, table, text, time_text
from luytre.cli.recorded import recorded
from luytre.cli.settings import ConfigOption, JsonOption, read_installation, scope, utc
from luytre.processor import build

app = typer.Typer(no_args_is_help=True, help="Count, read, and check the archive of all events.")

OrganizationOption = Annotated[
    list[str] | None, typer.Option("--organization", "-o", help="Only these organisations' events.")
]
TimeOption = Annotated[datetime | None, typer.Option(help="Received in this span (UTC).")]


@app.command()
def count(config: ConfigOption = None, organization: OrganizationOption = None) -> None:
    """Print how many events the archive shows."""
    found = build.archive(read_installation(config))
    say(found.count(scope(organization)))


@app.command()
def read(
    config: ConfigOption = None,
    organization: OrganizationOption = None,
    since: TimeOption = None,
    until: TimeOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    *,
    as_json: JsonOption = False,
) -> None:
    """Print events, oldest first."""
    frame = (
        build.archive(read_installation(config))
        .scan(scope(organization), since=utc(since), until=utc(until))
        .sort("event.ingested", "luytre.stream", "luytre.sequence")
        .head(limit)
        .collect()
    )
    if as_json:
        for row in frame.iter_rows(named=True):
            print_json({key: value for key, value in row.items() if value is not None})
        return
    columns = ["@timestamp", "organization.id", "event.dataset", "host.name", "event.original"]
    rows = [
        tuple(text(_readable(row[column])) for column in columns)
        for row in frame.select(columns).iter_rows(named=True)
    ]
    console().print(table("", columns, rows))


@app.command()
def check(config: ConfigOption = None) -> None:
    """Say what is wrong with the archive's files, and the remedy. Exit code 1 if anything is."""
    problems = build.archive(read_installation(config)).check()
    for problem in problems:
        say(problem)
    if problems:
        raise typer.Exit(1)
    say("The archive is sound.")


@app.command()
def mend(
    config: ConfigOption = None,
    *,
    forget_damaged: Annotated[
        bool, typer.Option("--forget-damaged", help="Also give up files that cannot be read.")
    ] = False,
) -> None:
    """Move aside what a power cut tore; what was not durable comes again from the log."""
    settings = read_installation(config)
    recorded(settings, "archive.mend", "archive", forget_damaged=forget_damaged)
    table_ = build.archive(settings)
    for path in table_.mend():
        say(f"moved aside: {path}")
    if forget_damaged:
        say(f"{counted(table_.forget_damaged(), 'damaged file')} given up")


def _readable(value: object) -> str:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")[:200]
    return "" if value is None else str(value)
