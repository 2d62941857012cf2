"""The options that many commands share, and what they give."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ingest.logsources import HINTS
from luytre.core.alert import LEVELS, Level
from luytre.core.config import Config, load_config
from luytre.core.errors import Refused
from luytre.core.log import configure_logs
from luytre.core.organization import Scope
from luytre.core.zone import check_zone
from luytre.processor.logs import has_run

DEFAULT_CONFIG = Path("luytre.yaml")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="The configuration; ./luytre.yaml by default, if it is there."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]

PathsArgument = Annotated[
    list[Path] | None, typer.Argument(help="Rule files or folders; all configured ones if none.")
]


def read_config(path: Path | None) -> Config:
    """Return the configuration that a command was given, and set up logs after it.

    Raises:
        Refused: if a file was named that does not exist.
        ConfigurationError: with all its faults.
    """
    if path is None and not DEFAULT_CONFIG.exists():
        config = Config()
    elif path is not None and not path.exists():
        raise Refused(f"{path} does not exist")
    else:
        config = load_config(path or DEFAULT_CONFIG, HINTS)
    configure_logs(level=config.logs.level)
    return config


def read_installation(path: Path | None) -> Config:
    """Return the configuration of a pipeline that has run here, for commands that only look.

    Raises:
        Refused: nothing has run: most likely the wrong folder, and empty answers would mislead.
        ConfigurationError: with all its faults.
    """
    config = read_config(path)
    if not has_run(config):
        raise Refused(
            f"nothing has run in {config.data_dir}: start `luytre run`,"
            " or name its configuration with --config"
        )
    return config


def log_source(name: str) -> str:
    """Return a log source's name if there is such a one; raises ``Refused``."""
    if name not in HINTS:
        raise Refused(f"no log source is named {name}; known are {', '.join(HINTS)}")
    return name


def zone(name: str) -> str:
    """Return a time zone's name if there is such a one; raises ``Refused``."""
    try:
        return check_zone(name)
    except ValueError as error:
        raise Refused(str(error)) from None


def scope(organizations: list[str] | None) -> Scope:
    """Return what a command may see: the named organisations, or all."""
    return Scope.only(*organizations) if organizations else Scope.everything()


def utc(moment: datetime | None) -> datetime | None:
    """Return a time that was given without a zone as UTC."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def levels(names: list[str] | None) -> tuple[Level, ...]:
    """Return the levels that were named, mildest first; raises ``Refused``."""
    unknown = [name for name in names or [] if name not in LEVELS]
    if unknown:
        raise Refused(f"{', '.join(unknown)}: levels are {', '.join(LEVELS)}")
    return tuple(level for level in LEVELS if level in (names or []))
