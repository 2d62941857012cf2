"""`luytre kafka setup`: the topics that Luytre needs, made and set as they should be."""

from __future__ import annotations

from typing import Annotated

import typer

from luytre.cli.output import say
from luytre.cli.settings import ConfigOption, read_config
from luytre.processor import kafka_setup

app = typer.Typer(no_args_is_help=True, help="Prepare a Kafka cluster.")


@app.callback()
def _group() -> None:
    """Prepare a Kafka cluster."""


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
    changes = kafka_setup.setup(read_config(config), change=not check)
    for change in changes:
        say(("would " if check else "") + change)
    if not changes:
        say("Every topic is as it should be.")
    if check and changes:
        raise typer.Exit(1)
