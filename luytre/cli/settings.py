"""The options that many commands share, and what they give."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luytre.core.config import Config, load_config
from luytre.core.errors import Refused
from luytre.core.log import configure_logs

DEFAULT_CONFIG = Path("luytre.yaml")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="The configuration; ./luytre.yaml by default, if it is there."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]


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
        config = load_config(path or DEFAULT_CONFIG)
    configure_logs(level=config.logs.level)
    return config
