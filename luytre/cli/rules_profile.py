"""`luytre rules profile`: the cost of rules and columns on a sample of events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detections.profile import Profile
from luytre.cli.output import complain, console, counted, print_json, say, table, text
from luytre.cli.settings import ConfigOption, JsonOption, log_source, read_config
from luytre.processor.profiling import profile_rules

SHOWN_MAX = 20
DEAR_US = 1.0


def profile(
    sample: Annotated[
        list[str], typer.Argument(help="Files or folders with events, or glob patterns.")
    ],
    config: ConfigOption = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", "-r", help="Rule files or folders; all configured ones if none."),
    ] = None,
    hint: Annotated[str, typer.Option("--log-source", help="What the files hold.")] = "auto",
    events: Annotated[int, typer.Option(min=1, help="Events to measure with.")] = 20_000,
    each: Annotated[
        int, typer.Option(min=1, help="Rules of a part that are measured one by one.")
    ] = 30,
    *,
    as_json: JsonOption = False,
) -> None:
    """Measure what rules and columns cost on a sample of events."""
    found = profile_rules(
        read_config(config),
        rules or [],
        sample,
        hint=log_source(hint),
        events_max=events,
        rules_max=each,
        progress=lambda part: complain(f"measuring {part}"),
    )
    if as_json:
        for kind, rows in (("part", found.parts), ("column", found.columns), ("rule", found.rules)):
            for row in rows:
                print_json({"kind": kind, "measured": row})
        return
    _print(found)


def _print(found: Profile) -> None:
    out = console()
    rows = [
        (
            p.part,
            f"{p.events:,}",
            f"{p.rules:,}",
            f"{p.matches:,}",
            f"{p.cold_us:.1f}",
            f"{p.warm_us:.1f}",
        )
        for p in found.parts[:SHOWN_MAX]
    ]
    names = ["part", "events", "rules", "matches", "us/event, new values", "known values"]
    out.print(table("All rules together", names, rows))
    rows = [
        (c.part, c.column, f"{c.rules:,}", f"{c.values:,}", f"{c.bytes_mean:.0f}", f"{c.us:.2f}")
        for c in found.columns[:SHOWN_MAX]
    ]
    names = ["part", "column", "rules", "values", "bytes", "us/event"]
    out.print(table("Columns, whatever the rules", names, rows))
    shown = [
        (
            text(f"{r.us:.2f}", "bold red" if r.us >= DEAR_US else ""),
            r.title,
            f"{r.parts:,}",
            f"{r.events:,}",
            f"{r.matches:,}",
            r.estimate.grade,
            ", ".join([*(f"tests {t}" for t in r.estimate.tested), *r.estimate.triggers]) or "-",
        )
        for r in found.rules[:SHOWN_MAX]
    ]
    names = ["us/event", "rule", "parts", "events", "matches", "estimate", "because of"]
    out.print(table("Rules, beyond their columns", names, shown))
    measured = sum(part.events for part in found.parts)
    say(
        f"{counted(measured, 'event')}, {counted(len(found.rules), 'rule')} measured one by one,"
        f" {found.unmeasured:,} of lower estimate only together;"
        f" {counted(found.left, 'event')} of small parts left out"
    )
