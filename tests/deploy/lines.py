"""The files of deploy/, and whether a line of theirs is a command that Luytre has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from luytre.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What a wrong command line raises: typer brings click of its own, and names only this child."""


def parse(arguments: Sequence[str]) -> None:
    """Parse the arguments of ``luytre`` as the program does; raises what it would complain of."""
    command: Any = typer.main.get_command(app)
    left = list(arguments)
    while hasattr(command, "commands"):
        command = command.commands[left.pop(0)]
    command.make_context(command.name, left)
