"""`luytre audit`: who did what, and the proof that it was not rewritten."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luytre.audit import erase as erasing
from luytre.audit.anchors import anchor_in, anchor_page
from luytre.audit.book import LogQuery
from luytre.audit.canonical import stamp
from luytre.audit.export import export as write_export
from luytre.audit.reading import read_history
from luytre.cli.output import complain, console, counted, print_json, say, table, text
from luytre.cli.person import person
from luytre.cli.settings import ConfigOption, JsonOption, read_config, scope, utc
from luytre.core.clock import SystemClock
from luytre.core.errors import NeighbourError, Refused
from luytre.processor import case_host
from luytre.processor.places import Places
from luytre.processor.supervise import Stopped

if TYPE_CHECKING:
    from luytre.core.config import Config

app = typer.Typer(no_args_is_help=True, help="The history: read it, prove it, keep it elsewhere.")

DataOption = Annotated[
    Path | None, typer.Option("--data", help="The data folder; the configuration's by default.")
]
OrganizationOption = Annotated[
    list[str] | None, typer.Option("--organization", "-o", help="Only these organisations'.")
]
TimeOption = datetime | None


@app.command("log")
def show_log(  # noqa: PLR0913, PLR0917 - one option each
    config: ConfigOption = None,
    data: DataOption = None,
    organization: OrganizationOption = None,
    action: Annotated[str, typer.Option(help="An action, or its beginning, as incident.")] = "",
    user: Annotated[str, typer.Option(help="Who did it.")] = "",
    subject: Annotated[str, typer.Option(help="What it was done to, as incident:12.")] = "",
    since: Annotated[TimeOption, typer.Option(help="From this time on (UTC).")] = None,
    until: Annotated[TimeOption, typer.Option(help="Before this time (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="After how many.")] = 0,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show who did what, newest first. That it was looked at is itself an entry."""
    settings = _installation(config, data)
    actor = person(settings).narrowed(scope(organization))
    first, last = utc(since), utc(until)
    query = LogQuery(
        action=action,
        user=user,
        subject=subject,
        since=stamp(first) if first else "",
        until=stamp(last) if last else "",
        limit=limit,
        offset=offset,
    )
    actor.require("audit.read")
    case_host.wake_signer(settings)
    with case_host.case_database(settings, loop=True) as cases:
        found, unlogged = read_history(cases, actor, query)
    if unlogged:
        complain(f"that this was read is not logged: {unlogged}")
    if as_json:
        for read in found:
            print_json({"entry": read.entry, "detail": read.detail})
        return
    rows = [
        (
            text(f"{read.entry['seq']}"),
            text(read.entry["at"][:19] + "Z"),
            text(read.entry["actor"]["user"]),
            text(read.entry["action"]),
            text(read.entry["subject"]),
            text(read.entry["organization"]),
        )
        for read in found
    ]
    if not rows:
        say("No entries.")
        return
    console().print(table("", ["entry", "time", "who", "did", "what", "organisation"], rows))


@app.command()
def verify(
    config: ConfigOption = None,
    data: DataOption = None,
    anchor: Annotated[
        list[Path] | None, typer.Option(help="What was kept elsewhere; may be repeated.")
    ] = None,
    language: Annotated[str, typer.Option(help="en or vi.")] = "en",
    *,
    as_json: JsonOption = False,
) -> None:
    """Verify the history of this machine: exports it for a moment, and asks luytre-verify.

    Exit code 0: whole; 1: altered, and the entries are named.
    """
    settings = _installation(config, data)
    with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix="verify-") as name:
        _write(settings, Path(name) / "export")
        command = [sys.executable, "-m", "luytre_verify", str(Path(name) / "export")]
        for place in [*(anchor or []), *(a for a in settings.audit.anchors if a.exists())]:
            command += ["--anchor", str(place)]
        command += ["--language", language, *(["--json"] if as_json else [])]
        done = subprocess.run(command, check=False)  # noqa: S603 - our own program
    raise typer.Exit(done.returncode)


@app.command()
def export(
    to: Annotated[Path, typer.Option("--to", help="A new folder.")],
    config: ConfigOption = None,
    data: DataOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write the whole history into a folder that luytre-verify can check on any machine."""
    count = _write(_installation(config, data), to)
    if as_json:
        print_json({"entries": count, "folder": str(to)})
    else:
        say(f"{count:,} entries in {to}; check them with: luytre-verify {to} --anchor ANCHOR")


@app.command()
def anchor(
    config: ConfigOption = None,
    data: DataOption = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="A folder elsewhere: a stick, another machine.")
    ] = None,
    *,
    page: Annotated[bool, typer.Option("--print", help="Write a page to print.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Keep the state of the history elsewhere, so that not even an administrator can rewrite it."""
    if (to is None) == (not page):
        raise Refused("say --to FOLDER or --print")
    settings = _installation(config, data)
    actor = person(settings)
    with case_host.case_database(settings) as cases:
        if to is None:
            sys.stdout.write(anchor_page(cases, actor, SystemClock().now()))
            return
        covered = anchor_in(cases, actor, to)
    if as_json:
        print_json({"entries": covered, "folder": str(to)})
    else:
        say(f"{counted(covered, 'entry').replace('entrys', 'entries')} anchored in {to}")


@app.command()
def erase(
    entry: Annotated[int, typer.Argument(help="The entry whose detail goes.")],
    reason: Annotated[str, typer.Option(help="The law, the request, its date.")],
    config: ConfigOption = None,
    data: DataOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Erase the detail of an entry; the entry stays, and the erasure is one too."""
    settings = _installation(config, data)
    with case_host.case_database(settings) as cases:
        receipt = erasing.erase(cases, person(settings), entry, reason)
    if as_json:
        print_json({"entry": entry, "receipt": receipt})
    else:
        say(f"the detail of entry {entry} is erased; entry {receipt} is the receipt")


@app.command()
def hold(
    subject: Annotated[str, typer.Argument(help="What is held, as incident:12.")],
    reason: Annotated[str, typer.Option(help="The request, its date.")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    organization: Annotated[
        str, typer.Option("--organization", "-o", help="Whose it is; the installation's if empty.")
    ] = "",
    *,
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
) -> None:
    """Put an incident on legal hold: nothing of its history is erased until it is released."""
    settings = _installation(config, data)
    with case_host.case_database(settings) as cases:
        if release:
            erasing.release(cases, person(settings), subject, organization)
        else:
            erasing.hold(cases, person(settings), subject, organization, reason)
    say(f"{subject} is {'released' if release else 'on hold'}")


@app.command()
def signer(
    config: ConfigOption = None,
    data: DataOption = None,
    *,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="Stop when standard input ends.")
    ] = False,
) -> None:
    """Be the process that signs the history; without it, changes are refused."""
    settings = read_config(config)
    if data is not None:
        settings = settings.model_copy(update={"data_dir": data.resolve()})
    case_host.sign(settings, Stopped(with_parent=with_parent))


def _installation(config: Path | None, data: Path | None) -> Config:
    """Return the configuration, with the data folder that was named; it must hold a history."""
    settings = read_config(config)
    if data is not None:
        settings = settings.model_copy(update={"data_dir": data.resolve()})
    if not Places(settings.data_dir).cases.exists():
        raise Refused(
            f"{settings.data_dir} holds no history: name the data folder with --data,"
            " or the configuration with --config"
        )
    return settings


def _write(settings: Config, folder: Path) -> int:
    actor = person(settings)
    try:
        with case_host.case_database(settings) as cases:
            done = write_export(cases, actor, folder)
    except NeighbourError:
        # Without a signer there is still evidence to export.
        with case_host.case_database(settings, loop=True) as cases:
            done = write_export(cases, actor, folder)
    for warning in done.warnings:
        complain(warning)
    return done.entries
