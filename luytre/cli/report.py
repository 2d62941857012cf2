"""`luytre report`: of an incident or a period, as HTML to print, CSV, or DOCX."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luytre.cli.output import say
from luytre.cli.person import person
from luytre.cli.settings import ConfigOption, read_installation, scope
from luytre.core.errors import Refused
from luytre.processor.report import DAYS, Gatherer, day
from luytre.processor.report_form import fill
from luytre.processor.report_write import WRITERS

if TYPE_CHECKING:
    from luytre.core.config import Config
    from luytre.processor.report_form import Report

app = typer.Typer(no_args_is_help=True, help="Report an incident, or a period, in legal forms.")

ToOption = Annotated[Path, typer.Option("--to", help="The file: .html, .csv, or .docx.")]
LanguageOption = Annotated[str, typer.Option("--language", help="`vi` or `en`.")]
OrganizationOption = Annotated[
    list[str] | None, typer.Option("--organization", "-o", help="Only these organisations'.")
]


@app.command()
def incident(
    run: Annotated[str, typer.Argument(help="The run of the incident's playbook, or its start.")],
    to: ToOption,
    config: ConfigOption = None,
    form: Annotated[
        str, typer.Option(help="incident (72 h), notice (24 h), or breach.")
    ] = "incident",
    language: LanguageOption = "vi",
) -> None:
    """Report one incident: findings, measures, deadlines, blind windows, proof."""
    settings = read_installation(config)
    tables = _gatherer(settings, None, language).run(run)
    _write(fill(form, tables, language), to)


@app.command()
def period(
    kind: Annotated[str, typer.Argument(help="day, week, half-year, or year.")],
    to: ToOption,
    config: ConfigOption = None,
    last: Annotated[str, typer.Option("--last", help="Its last day, as 2026-11-25; today.")] = "",
    organization: OrganizationOption = None,
    language: LanguageOption = "vi",
) -> None:
    """Report a period: alerts, incidents, playbooks, deadlines, blind windows, proof."""
    if kind not in DAYS:
        raise Refused(f"{kind}: periods are {', '.join(DAYS)}")
    settings = read_installation(config)
    try:
        until = day(last)
    except ValueError:
        raise Refused(f"{last} is no day (2026-11-25)") from None
    tables = _gatherer(settings, organization, language).period(kind, until)
    _write(fill("period", tables, language), to)


def _gatherer(settings: Config, organization: list[str] | None, language: str) -> Gatherer:
    who = person(settings)
    who.require("read")
    return Gatherer(settings, who.within(scope(organization)), language, datetime.now(UTC))


def _write(report: Report, to: Path) -> None:
    writer = WRITERS.get(to.suffix.removeprefix("."))
    if writer is None:
        raise Refused(f"{to}: the file's name must end in {', '.join(WRITERS)}")
    to.write_bytes(writer(report))
    say(f"written to {to}")
