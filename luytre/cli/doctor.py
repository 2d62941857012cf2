"""`luytre doctor`: is everything as it should be?"""

from __future__ import annotations

import typer

from luytre.cli.output import console, print_json, table, text
from luytre.cli.settings import ConfigOption, JsonOption, read_config
from luytre.core.finding import Finding
from luytre.processor.health import examine
from luytre.processor.wellness import ask_all

STYLES = {"good": "green", "warning": "yellow", "bad": "bold red"}


def doctor(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Check disk, clock, databases, rules, tables, archive, ledger and lag. Exit code 1 if bad."""
    show(examine(read_config(config)), as_json=as_json)


def health(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Ask each running process whether it is well: quick, for machines. Exit code 1 if not."""
    show(list(ask_all(read_config(config))), as_json=as_json)


def show(findings: list[Finding], *, as_json: bool) -> None:
    """Print findings, and end with exit code 1 if any is bad."""
    if as_json:
        for finding in findings:
            print_json(finding)
    else:
        rows = [
            (text(f.state, STYLES[f.state]), text(f.what), text(f.detail), text(f.remedy))
            for f in findings
        ]
        console().print(table("", ["", "what", "finding", "remedy"], rows))
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)
