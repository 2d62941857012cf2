"""`luytre console`: the pages for people, and the API."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from luytre.cli.output import say
from luytre.cli.settings import ConfigOption, read_config
from luytre.core.clock import SystemClock
from luytre.core.errors import Refused
from luytre.core.health import HEALTH
from luytre.processor import slots
from luytre.processor.supervise import DRAIN_S, Stopped
from luytre.processor.wellness import mute


def console(
    config: ConfigOption = None,
    listen: Annotated[
        str, typer.Option("--listen", help="Address as host:port; the configured one by default.")
    ] = "",
    *,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="Stop when standard input ends.")
    ] = False,
) -> None:
    """Serve the console until stopped; `luytre users add` makes who logs in."""
    # The web is a third of a second to load, which no other command should wait for.
    from luytre.console import server  # noqa: PLC0415

    settings = read_config(config)
    if listen:
        given = {**settings.console.model_dump(), "listen": listen}
        try:
            console_ = type(settings.console).model_validate(given)
        except ValueError as error:
            raise Refused(f"--listen {listen}: {error}") from None
        settings = settings.model_copy(update={"console": console_})
    stopped = Stopped(with_parent=with_parent, drain_s=DRAIN_S)
    address = settings.console.listen or server.DEFAULT_LISTEN
    tls = settings.console.certificate_file is not None
    HEALTH.ask("console", partial(mute, address, tls=tls))
    with slots.alone(settings, "console", SystemClock()), slots.metrics(settings, "console"):
        server.serve(settings, stopped, began=lambda where: say(f"The console is at {where}"))
