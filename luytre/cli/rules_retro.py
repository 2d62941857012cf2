"""`luytre rules retro`: active content run back over the archive."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from luytre.cli.content_desk import Desk, desk
from luytre.cli.output import counted, print_json, say
from luytre.cli.rules_backtest import UNFINISHED, watched
from luytre.cli.settings import ConfigOption, JsonOption, read_config
from luytre.core.actor import Actor
from luytre.core.alert import Alert
from luytre.core.clock import SystemClock
from luytre.core.message import ALERTS_TOPIC
from luytre.processor import build, case_host, logs
from luytre.processor.alert_messages import alert_messages
from luytre.processor.places import Places
from luytre.processor.supervise import Stopped
from luytre.processor.trial import Proposed, trials
from luytre.review.backtest import Backtest
from luytre.review.drafts import Draft, Drafts
from luytre.review.events import Span
from luytre.review.job import key_of
from luytre.review.retro import Finder, Seen, search

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SETTLED = timedelta(minutes=5)
"""By then every worker runs what was activated, and the archive has what came before."""


def retro(
    config: ConfigOption = None,
    *,
    settled: Annotated[
        bool, typer.Option("--settled", help="Only what was activated five minutes ago or earlier.")
    ] = False,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="Stop when the parent process is gone.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Search the archive for what was activated since the last time; `luytre upkeep` does so too.

    Its alerts are marked as retro, and page nobody. Exit code 9: it was stopped, and can go on.
    """
    if with_parent:
        idle()
    stopped = Stopped(with_parent=with_parent)
    loop = Actor.loop("retro") if with_parent else None
    with desk(config, loop=loop) as at:
        if loop is None:
            at.actor.require("content.propose", "")
        now = datetime.now(UTC)
        for draft in at.drafts.unsearched(now - SETTLED if settled else now):
            seen = _searched(at, draft, stopped, quiet=as_json)
            if seen is None:
                raise typer.Exit(UNFINISHED)
            if as_json:
                print_json({"draft": draft.id, **asdict(seen)})
            else:
                say(f"{draft.title}: {_said(seen)}")


def idle() -> None:
    """Give way to everything else on this machine."""
    os.nice(19)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _said(seen: Seen) -> str:
    if not seen.alerts:
        return f"never seen in {counted(seen.events, 'event')}"
    first = datetime.fromisoformat(seen.first_at)
    days = (datetime.now(UTC) - first).days
    return f"{counted(seen.alerts, 'alert')}, first seen {days} days ago, {seen.first_at[:16]}Z"


def _searched(at: Desk, draft: Draft, stopped: Callable[[], bool], *, quiet: bool) -> Seen | None:
    folder = Places(at.config.data_dir).review
    changed = Proposed((at.drafts.path(draft),))
    remembered = folder / "remembered" / key_of("retro", draft.digest)
    sides = trials(at.config, changed, remembered, base=Proposed(removed=frozenset({draft.name})))
    span = Span(EPOCH, datetime.fromisoformat(draft.changed_at) + SETTLED)
    with closing(logs.open_log(at.config)) as opened:
        producer = opened.producer()

        def send(alerts: Sequence[Alert]) -> None:
            for message in alert_messages(alerts, b"retro"):
                producer.send(ALERTS_TOPIC, message)
            producer.flush()

        find, table = Finder(sides.after, send), build.archive(at.config)
        test = Backtest(table, sides, folder / "retro", Actor.loop("retro"), span, find=find)
        with closing(test.job), watched(quiet=quiet) as progress:
            return search(at.drafts, draft, test, progress, stopped)


class Beside:
    """Searches the archive in a process of its own, while there is something to search for."""

    def __init__(self, config: Path | None) -> None:
        self._config = config
        self._running: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Start it if it does not run and is needed; return how many it was started for."""
        settings = read_config(self._config)
        if self._running is not None and self._running.poll() is None:
            return 0
        if not Places(settings.data_dir).cases.exists():
            return 0
        with case_host.case_database(settings, loop=True) as cases:
            drafts = Drafts(cases, SystemClock(), Places(settings.data_dir).review)
            waiting = len(drafts.unsearched(datetime.now(UTC) - SETTLED))
        if waiting:
            named = ["--config", str(self._config)] if self._config else []
            command = [sys.executable, "-m", "luytre", "rules", "retro", "--settled", *named]
            self._running = subprocess.Popen([*command, "--with-parent"])  # noqa: S603 - ourselves
        return waiting
