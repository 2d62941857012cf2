"""`luytre kafka`: the topics that Luytre needs, and rules for every machine at once."""

from __future__ import annotations

from typing import Annotated

import typer

from luytre.cli.output import complain, counted, say
from luytre.cli.recorded import recorded
from luytre.cli.settings import ConfigOption, read_config
from luytre.processor import kafka_setup
from luytre.processor import publish as publishing

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
    *,
    with_faults: Annotated[
        bool,
        typer.Option(
            "--with-faults", help="Publish although some rules are bad: workers skip them."
        ),
    ] = False,
) -> None:
    """Publish the rules of this machine's folders; every worker takes them over, without a stop.

    For workers with `kafka.content`. `luytre doctor` says which version each of a machine runs.
    """
    settings = read_config(config)
    recorded(settings, "content.publish", "rules", with_faults=with_faults)
    done = publishing.publish(settings, with_faults=with_faults)
    for fault in done.faults:
        complain(f"bad rule: {fault}")
    files = counted(done.files, "file")
    size = f"{done.bytes / 1024:,.0f} KiB"
    say(f"{done.digest[:12]}: {files}, {size}, " + ("published" if done.changed else "as before"))
