"""`luytre rules backtest`: a change of rules, filters, mappings, or tables over the archive."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from luytre.cli.output import (
    console,
    counted,
    error_console,
    level_text,
    print_json,
    say,
    table,
    text,
)
from luytre.cli.person import person
from luytre.cli.settings import ConfigOption, JsonOption, read_config, read_installation, scope, utc
from luytre.core.actor import Actor
from luytre.core.config import Config
from luytre.core.errors import Refused
from luytre.core.organization import Scope
from luytre.processor import build
from luytre.processor.places import Places
from luytre.processor.supervise import Stopped
from luytre.processor.trial import Proposed, Trials, trials
from luytre.review.backtest import Backtest, Report
from luytre.review.backtest import Progress as Told
from luytre.review.events import Span, last_days
from luytre.review.job import key_of

SHOWN_MAX, LINES_MAX = 10, 40
UNFINISHED = 9

DaysOption = Annotated[
    float, typer.Option("--days", min=0, help="Of the archive's last days, by receipt.")
]
SinceOption = Annotated[datetime | None, typer.Option(help="Received from then on (UTC).")]
UntilOption = Annotated[datetime | None, typer.Option(help="Received before then (UTC).")]
OrganizationOption = Annotated[
    list[str] | None, typer.Option("--organization", "-o", help="Only these organisations' events.")
]


def backtest(  # noqa: PLR0913, PLR0917 - one option each
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="New or changed rules, filters, correlations; they replace what has their id."
        ),
    ] = None,
    config: ConfigOption = None,
    days: DaysOption = 30.0,
    since: SinceOption = None,
    until: UntilOption = None,
    organization: OrganizationOption = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Ids of rules or filters that would go.")
    ] = None,
    other: Annotated[
        Path | None,
        typer.Option("--to", help="Another configuration: other mappings, placeholders, tables."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Alerts shown of each kind.")] = SHOWN_MAX,
    *,
    whole: Annotated[
        bool, typer.Option("--whole", help="Judge by all rules, not only by those that differ.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say which alerts a change would have gained and lost; killed, the same command goes on.

    Exit code 9: it was stopped before it was done.
    """
    if not paths and not without and other is None:
        raise Refused("say what changes: rules or filters, --without ID, or --to CONFIGURATION")
    settings = read_installation(config)
    actor = person(settings)
    changed = Proposed(
        tuple(paths or ()), frozenset(without or ()), read_config(other) if other else None
    )
    seen = actor.within(scope(organization))
    span = span_of(settings, seen, days, since, until)
    test, _ = prepare(settings, actor, changed, span, seen, whole=whole)
    with watched(quiet=as_json) as progress:
        report = test.run(progress, Stopped())
    if as_json:
        print_json(document(report))
    else:
        show(test, report, limit)
    test.job.close()
    if not report.finished:
        raise typer.Exit(UNFINISHED)


def span_of(
    config: Config, seen: Scope, days: float, since: datetime | None, until: datetime | None
) -> Span:
    """Return which part of the archive the options name."""
    newest = last_days(build.archive(config), seen, days)
    return Span(utc(since) or newest.since, utc(until) or newest.until)


def prepare(
    config: Config, actor: Actor, changed: Proposed, span: Span, seen: Scope, *, whole: bool
) -> tuple[Backtest, Trials]:
    """Return the backtest of a change, wired, and its two sides."""
    folder = Places(config.data_dir).review
    remembered = folder / "remembered" / key_of(*span, seen, whole)
    sides = trials(config, changed, remembered, whole=whole)
    table = build.archive(config)
    return Backtest(table, sides, folder / "backtests", actor, span, scope=seen), sides


@contextmanager
def watched(*, quiet: bool = False) -> Iterator[Told]:
    """Show how far it came, on a terminal; give what is to be told of it."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    hidden = quiet or not sys.stderr.isatty()
    with Progress(*columns, console=error_console(), transient=True, disable=hidden) as bar:
        task = bar.add_task("events", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def document(report: Report) -> dict[str, object]:
    """Return a report as JSON gives it."""
    return {
        "key": report.key,
        "finished": report.finished,
        "since": report.since,
        "until": report.until,
        "digest_before": report.digest_before,
        "digest_after": report.digest_after,
        "events": report.events,
        "judged": report.judged,
        "otherwise": report.otherwise,
        "unreadable": report.unreadable,
        "failed": report.failed,
        "gained": report.gained,
        "lost": report.lost,
        "level_changed": report.level_changed,
        "rules": [line._asdict() for line in report.lines],
        "spent_s": {step: round(seconds, 3) for step, seconds in report.spent_s.items()},
        "wall_s": round(report.wall_s, 3),
        "events_per_s": round(report.events_per_s),
        "engine_events_per_s": {
            side: round(report.engine_events_per_s(side)) for side in ("before", "after")
        },
        "faults": list(report.faults),
    }


def show(test: Backtest, report: Report, limit: int) -> None:
    """Print a report for people."""
    out = console()
    if not report.finished:
        done, total = test.job.progress()
        say(f"Stopped after {done:,} of {counted(total, 'event')}: the same command goes on.",
            "yellow")  # fmt: skip
    say(
        f"{counted(report.events, 'event')} received from {report.since[:16]}Z to"
        f" {report.until[:16]}Z, {report.judged:,} of log sources that the change is about"
    )
    changed = f", {report.level_changed:,} of another level" if report.level_changed else ""
    say(f"{report.gained:,} alerts gained, {report.lost:,} lost{changed}", "bold")
    rows = [
        (
            level_text(line.level),
            text(line.title),
            text(line.organization),
            *(text(f"{n:,}") for n in (line.before, line.after)),
            text(f"+{line.gained:,}" if line.gained else "", "green"),
            text(f"-{line.lost:,}" if line.lost else "", "red"),
            text(f"{line.hidden:,}" if line.hidden else ""),
        )
        for line in report.lines[:LINES_MAX]
    ]
    columns = ["level", "rule", "organisation", "before", "after", "gained", "lost", "hidden"]
    if rows:
        out.print(table("", columns, rows))
    if len(report.lines) > LINES_MAX:
        say(f"… and {len(report.lines) - LINES_MAX} more rows; --json has all")
    show_differences(test, report, limit)
    _costs(report)
    for fault in report.faults:
        say(f"refused: {fault}", "yellow")


def show_differences(test: Backtest, report: Report, limit: int) -> None:
    """Print the first alerts of each kind."""
    for kind, total in (("gained", report.gained), ("lost", report.lost)):
        found = test.job.differences(kind, limit=limit) if limit else []
        if found:
            rows = [
                (
                    text(each.at[:19] + "Z"),
                    text(each.organization),
                    text(each.title),
                    text(", ".join(each.hidden_by)),
                    text(each.event_id[:16]),
                )
                for each in found
            ]
            columns = ["time", "organisation", "rule", "hidden by", "event"]
            console().print(table(f"\n{kind}, {len(found):,} of {total:,}", columns, rows))


def _costs(report: Report) -> None:
    if not report.judged:
        return
    steps = ", ".join(
        f"{step} {report.spent_s[step] * 1e6 / report.judged:.1f}"
        for step in ("read", "decode", "enrich", "before", "after", "correlate")
        if step in report.spent_s
    )
    say("")
    say(f"Processor time in microseconds an event: {steps}")
    say(
        f"{report.events_per_s:,.0f} events/s in all; the engine alone"
        f" {report.engine_events_per_s('before'):,.0f} before,"
        f" {report.engine_events_per_s('after'):,.0f} after"
    )
    for count, what in (
        (report.otherwise, "are read as another log source than they were archived as"),
        (report.unreadable, "cannot be read any more"),
        (report.failed, "could not be judged"),
    ):
        if count:
            say(f"{counted(count, 'event')} {what}", "yellow")
