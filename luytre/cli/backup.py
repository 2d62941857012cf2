"""`luytre backup` and `luytre restore`: the data folder as one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luytre.cli.output import counted, say
from luytre.cli.recorded import recorded
from luytre.cli.settings import ConfigOption, read_config
from luytre.core.clock import SystemClock
from luytre.core.errors import Refused
from luytre.processor.backup import back_up, bring_back, file_in, forget_old


def backup(
    target: Annotated[
        Path,
        typer.Argument(
            help="The file to write, as luytre-2026-11-25.tar.zst, or a folder: the time names it."
        ),
    ],
    config: ConfigOption = None,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Then delete all but the newest so many of the folder."),
    ] = None,
) -> None:
    """Save the data folder in one file, with a digest of each part. Stop `luytre run` first."""
    if keep is not None and not target.is_dir():
        raise Refused(f"--keep is for a folder, and {target} is none")
    settings, file = read_config(config), file_in(target, SystemClock().now())
    recorded(settings, "backup.write", "data", to=str(file))
    copied = back_up(settings, file)
    say(f"{counted(copied.files, 'file')}, {copied.size / 2**20:,.1f} MiB saved in {file}")
    if keep is not None:
        gone = forget_old(target, keep)
        say(f"{counted(gone, 'older backup')} deleted")


def restore(
    source: Annotated[Path, typer.Argument(help="What `luytre backup` wrote.")],
    config: ConfigOption = None,
) -> None:
    """Make the data folder from a backup: it must not be there yet. Every file is checked."""
    settings = read_config(config)
    copied = bring_back(settings, source)
    recorded(settings, "backup.restore", "data", source=str(source), files=copied.files)
    say(f"{counted(copied.files, 'file')}, {copied.size / 2**20:,.1f} MiB in {settings.data_dir}")
