"""The command ``luytre``: one file per group of commands."""

from __future__ import annotations

import sys
from importlib.metadata import version

import typer

from luytre.cli import (
    alerts,
    archive,
    audit,
    backup,
    console,
    demo,
    doctor,
    elastic,
    filters,
    incidents,
    kafka,
    ledger,
    pack,
    playbook_runs,
    playbooks,
    rejects,
    report,
    rules,
    run,
    scan,
    users,
)
from luytre.cli.output import complain
from luytre.core.database import DatabaseError
from luytre.core.errors import LuytreError, NeighbourError

app = typer.Typer(
    name="luytre",
    help="Log analytics for security operations: logs in, Sigma alerts out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command()(run.run)
app.command()(run.ship)
app.command()(run.detect)
app.command()(run.correlate)
app.command()(run.index)
app.command()(run.triage)
app.command()(run.upkeep)
app.command("respond")(playbook_runs.respond_loop)
app.command()(scan.scan)
app.command()(ledger.ledger)
app.command()(doctor.doctor)
app.command()(doctor.health)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(demo.demo)
app.command()(console.console)
app.add_typer(alerts.app, name="alerts")
app.add_typer(rules.app, name="rules")
app.add_typer(filters.app, name="filters")
app.add_typer(rejects.app, name="rejects")
app.add_typer(archive.app, name="archive")
app.add_typer(elastic.app, name="elastic")
app.add_typer(kafka.app, name="kafka")
app.add_typer(playbooks.app, name="playbooks")
app.add_typer(report.app, name="report")
incidents.app.command()(pack.pack)
incidents.app.command()(pack.recompute)
app.add_typer(incidents.app, name="incidents")
app.add_typer(audit.app, name="audit")
app.add_typer(users.app, name="users")


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
            complain(line)
        sys.exit(error.exit_code)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else error)
        sys.exit(NeighbourError.exit_code)
    except DatabaseError as error:
        complain(f"a database failed: {error}; `luytre doctor` says which")
        sys.exit(NeighbourError.exit_code)
