"""`luytre kafka`: the topics that Luytre needs, and rules for every machine at once."""

from __future__ import annotations

from typing import Annotated

import typer

from luytre.cli.output import complain, counted, say
from luytre.cli.person import person
from luytre.cli.recorded import recorded
from luytre.cli.settings import ConfigOption, read_config
from luytre.processor import kafka_setup
from luytre.processor import publish as publishing
from luytre.processor.publications import SHOWN

app = typer.Typer(no_args_is_help=True, help="Topics, and rules for all machines.")


@app.command()
def setup(
    config: ConfigOption = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 if something would change.")
    ] = False,
) -> None:
    """Make the topics that are missing, and set those that are there as they should be.

    Run it once with an account that may make topics; the other processes then need to read and
    write only. It deletes nothing and never takes partitions away.
    """
    settings = read_config(config)
    if not check:
        recorded(settings, "kafka.setup", "topics")
    changes = kafka_setup.setup(settings, change=not check)
    for change in changes:
        say(("would " if check else "") + change)
    if not changes:
        say("Every topic is as it should be.")
    if check and changes:
        raise typer.Exit(1)


@app.command()
def publish(
    config: ConfigOption = None,
    agree: Annotated[
        str, typer.Option(help="Agree to what another person proposed: the beginning of its id.")
    ] = "",
    *,
    with_faults: Annotated[
        bool,
        typer.Option(
            "--with-faults", help="Publish although some rules are bad: workers skip them."
        ),
    ] = False,
) -> None:
    """Publish the rules of this machine's folders; every worker takes them over, without a stop.

    For workers with `kafka.content`, from the case host: it is in the history who did it. Where
    `people` are named a second person must agree. `luytre doctor` says which version runs.
    """
    settings = read_config(config)
    done = publishing.publish(settings, person(settings), agree=agree, with_faults=with_faults)
    for fault in done.faults:
        complain(f"bad rule: {fault}")
    shown = done.digest[:SHOWN]
    size = f"{done.bytes / 1024:,.0f} KiB"
    say(f"{shown}: {counted(done.files, 'file')}, {size}, {done.state}")
    if done.state == "proposed":
        say(f"Another person agrees with: luytre kafka publish --agree {shown}")
