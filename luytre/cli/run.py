"""`luytre run` and the loops it starts: ship, detect, index, upkeep."""

from __future__ import annotations

from typing import Annotated

import typer

from luytre.cli.output import counted, say
from luytre.cli.rules_retro import Beside
from luytre.cli.settings import ConfigOption, read_config
from luytre.core.clock import SystemClock
from luytre.processor import build, slots, triage_loop
from luytre.processor.content import content
from luytre.processor.places import Places
from luytre.processor.supervise import DRAIN_S, Stopped, Supervisor
from luytre.processor.upkeep import Task
from luytre.processor.workers import read_workers

Workers = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="Detect processes; the configuration's by default."),
]
WithParent = Annotated[
    bool, typer.Option("--with-parent", hidden=True, help="Stop when standard input ends.")
]


def run(
    config: ConfigOption = None,
    workers: Workers = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Check the configuration, print the plan, and stop.")
    ] = False,
) -> None:
    """Run everything on this machine: the shipper, detect, correlate, index, triage, upkeep."""
    settings = read_config(config)
    rules = content(settings)
    number = workers or settings.workers
    pages = bool(settings.console.listen)
    commands = build.commands(
        config, number, correlations=bool(rules.correlations.rules), console=pages
    )
    for line in build.check(settings, rules):
        say(line)
    if check:
        for name, command in commands.items():
            say(f"{name}: luytre {' '.join(command)}")
        return
    stopped = Stopped()
    with slots.alone(settings, "run", SystemClock()):
        status = Places(settings.data_dir).supervisor

        def more() -> dict[str, list[str]]:
            # Rules that look at many events may come while it runs.
            wanted = any(w.correlations for w in read_workers(settings, slots.is_taken))
            return build.commands(config, number, correlations=wanted, console=pages)

        Supervisor(commands, SystemClock(), status=status, more=more).run(stopped)


def _stopped(*, with_parent: bool) -> Stopped:
    return Stopped(with_parent=with_parent, drain_s=DRAIN_S)


def ship(
    config: ConfigOption = None,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Send all that is there, packed files too, then stop.")
    ] = False,
    with_parent: WithParent = False,
) -> None:
    """Follow files and listen, and put what arrives durably into the log."""
    settings = read_config(config)
    if once:
        say(f"{counted(build.ship_once(settings), 'event')} sent")
        return
    build.ship(settings, _stopped(with_parent=with_parent))


def detect(
    config: ConfigOption = None,
    worker: Annotated[
        int | None,
        typer.Option(
            min=0, max=255, help="This worker's number on this machine; the first free one if none."
        ),
    ] = None,
    *,
    with_parent: WithParent = False,
) -> None:
    """Turn messages into events, match them against the rules, archive them."""
    build.detect(read_config(config), worker, _stopped(with_parent=with_parent))


def correlate(config: ConfigOption = None, *, with_parent: WithParent = False) -> None:
    """Correlate matches in event time: rules that look at many events."""
    build.correlate(read_config(config), _stopped(with_parent=with_parent))


def index(config: ConfigOption = None, *, with_parent: WithParent = False) -> None:
    """Put alerts into the store."""
    build.index(read_config(config), _stopped(with_parent=with_parent))


def triage(config: ConfigOption = None, *, with_parent: WithParent = False) -> None:
    """Group alerts into incidents, on the case host."""
    triage_loop.triage(read_config(config), _stopped(with_parent=with_parent))


def upkeep(
    config: ConfigOption = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Do it now, then stop.")] = False,
    with_parent: WithParent = False,
) -> None:
    """Apply retention to the log, the alerts and the archive, and compact the archive."""
    settings = read_config(config)
    search: Task = ("search the archive for what is newly active", 60, Beside(config))
    build.upkeep(
        settings, _stopped(with_parent=with_parent), once=once, more=[] if once else [search]
    )
