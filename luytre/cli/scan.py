"""`luytre scan`: Sigma rules over files, once."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import msgspec
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from ingest.shippers.files import discover, read_file, read_stream
from luytre.cli.output import (
    complain,
    console,
    counted,
    error_console,
    level_text,
    print_json,
    say,
    table,
    text,
    time_text,
)
from luytre.cli.settings import ConfigOption, JsonOption, log_source, read_config, zone
from luytre.core.alert import LEVELS, Alert
from luytre.core.clock import SystemClock
from luytre.core.errors import Refused
from luytre.processor import build
from luytre.processor.content import content
from luytre.processor.scan import Scanned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from luytre.core.config import Config
    from luytre.core.message import Message

SHOWN_MAX = 50
REASON_CHARS = 200
INCOMPLETE = 5


def scan(  # noqa: PLR0913 - one option each
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, or patterns; - is standard input.")
    ],
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", "-r", help="More Sigma rules: files or folders.")
    ] = None,
    config: ConfigOption = None,
    hint: Annotated[
        str, typer.Option("--log-source", help="What the files hold: auto, or a log source's name.")
    ] = "auto",
    time_zone: Annotated[
        str,
        typer.Option(
            help="The zone of times that do not say theirs, as Asia/Ho_Chi_Minh or +07:00."
        ),
    ] = "UTC",
    level: Annotated[
        str, typer.Option(help="Show alerts of this level and above.")
    ] = "informational",
    limit: Annotated[int, typer.Option(min=1, help="Alerts shown in the table.")] = SHOWN_MAX,
    *,
    builtin: Annotated[
        bool,
        typer.Option("--builtin/--no-builtin", help="Also run the rules that come with Luytre."),
    ] = True,
    rejects: Annotated[
        Path | None, typer.Option(help="Write what cannot be read to this NDJSON file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run Sigma rules over files once. Exit code 5: some input was rejected or a rule refused."""
    least = _rank(level)
    log_source(hint)
    zone(time_zone)
    settings = read_config(config)
    loaded = content(settings, extra=rules or [], builtin=builtin)
    scanner = build.scanner(settings, loaded, SystemClock())
    shown: list[Alert] = []
    with ExitStack() as opened:
        rejected = opened.enter_context(rejects.open("wb")) if rejects else None
        progress = opened.enter_context(_progress(quiet=as_json))
        for found in scanner.run(_messages(paths, settings, hint, time_zone, progress)):
            alerts = [a for a in found.alerts if LEVELS.index(a.rule.level) >= least]
            for alert in alerts if as_json else ():
                print_json(alert)
            shown.extend(alerts)
            shown.sort(key=lambda a: -LEVELS.index(a.rule.level))
            del shown[limit:]
            if rejected is not None:
                _write_rejects(rejected, found.rejects)
    if not as_json:
        _show(shown, scanner.scanned)
    for line in _account(scanner.scanned):
        (complain if as_json else say)(line)
    for fault in loaded.faults:
        complain(f"rule refused: {fault}")
    if scanner.scanned.rejects or loaded.faults:
        raise typer.Exit(INCOMPLETE)


def _write_rejects(target: BinaryIO, frames: Sequence[pl.DataFrame]) -> None:
    for frame in frames:
        target.writelines(msgspec.json.encode(row) + b"\n" for row in frame.to_dicts())


def _rank(level: str) -> int:
    if level not in LEVELS:
        raise Refused(f"{level} is not a level; levels are {', '.join(LEVELS)}")
    return [*LEVELS].index(level)  # tuple.index is typed for levels only


def _messages(
    paths: Sequence[str], settings: Config, hint: str, time_zone: str, progress: Progress
) -> Iterator[Message]:
    if list(paths) == ["-"]:
        yield from read_stream(
            sys.stdin.buffer,
            settings.ship,
            organization=settings.organization,
            hint=hint,
            shipper="scan",
            zone=time_zone,
        )
        return
    files = discover(paths)
    task = progress.add_task("reading", total=sum(path.stat().st_size for path in files))
    for path in files:
        progress.update(task, description=escape_name(path))
        yield from read_file(
            path,
            settings.ship,
            organization=settings.organization,
            hint=hint,
            shipper="scan",
            zone=time_zone,
            progress=lambda count: progress.advance(task, count),
        )


def escape_name(path: Path) -> str:
    """Return a file's name as one short line of plain text."""
    return text(path.name).plain[-40:]


def _progress(*, quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=error_console(),
        transient=True,
        disable=quiet or not sys.stderr.isatty(),
    )


def _show(shown: Sequence[Alert], scanned: Scanned) -> None:
    out = console()
    if shown:
        rows = [
            (
                text(time_text(alert.seen_at)),
                level_text(alert.rule.level),
                text(alert.rule.title),
                text(alert.event.get("host.name", "")),
                text(_why(alert)),
            )
            for alert in shown
        ]
        out.print(table("", ["time", "level", "rule", "host", "why"], rows))
    counted = sorted(scanned.by_rule.items(), key=lambda i: (-LEVELS.index(i[0][1]), -i[1]))
    if scanned.alerts > len(shown):
        counts = [(level_text(lvl), text(title), text(n)) for (title, lvl), n in counted]
        out.print(table("", ["level", "rule", "alerts"], counts))


def _account(scanned: Scanned) -> list[str]:
    kinds = (("event", scanned.events), ("alert", scanned.alerts), ("reject", scanned.rejects))
    return [
        ", ".join(counted(count, kind) for kind, count in kinds),
        *(f"  {n:,} x {why}"[:REASON_CHARS] for why, n in scanned.reasons.most_common(10)),
    ]


def _why(alert: Alert) -> str:
    reason = next(iter(alert.reasons), None)
    if reason is None:
        return ""
    return f"{reason.field or 'keyword'} {reason.operation} {reason.pattern}"[:120]
