"""The command ``luytre``: one file per group of commands."""

from __future__ import annotations

import sys
from importlib.metadata import version

import typer

from luytre.cli import alerts, archive, demo, doctor, ledger, rejects, rules, run, scan
from luytre.cli.output import error_console
from luytre.core.errors import LuytreError
from luytre.core.log import escape_controls

app = typer.Typer(
    name="luytre",
    help="Log analytics for security operations: logs in, Sigma alerts out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(run.run)
app.command()(run.ship)
app.command()(run.detect)
app.command()(run.index)
app.command()(run.upkeep)
app.command()(scan.scan)
app.command()(ledger.ledger)
app.command()(doctor.doctor)
app.command()(demo.demo)
app.add_typer(alerts.app, name="alerts")
app.add_typer(rules.app, name="rules")
app.add_typer(rejects.app, name="rejects")
app.add_typer(archive.app, name="archive")


@app.command("version")
def show_version() -> None:
    """Print the version."""
    print(version("luytre"))  # noqa: T201 - a command's output


def main() -> None:
    """Run a command; an error of ours is a sentence and an exit code, not a traceback."""
    try:
        app()
    except LuytreError as error:
        for line in str(error).splitlines():
            error_console().print(escape_controls(line), markup=False, highlight=False)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output (head, less) has seen enough.
        sys.stderr.close()
        sys.exit(0)
