"""`luytre backup` and `luytre restore`: the data folder as one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luytre.cli.output import counted, say
from luytre.cli.recorded import recorded
from luytre.cli.settings import ConfigOption, read_config
from luytre.processor.backup import back_up, bring_back


def backup(
    target: Annotated[
        Path, typer.Argument(help="The file to write, as luytre-2026-11-25.tar.zst.")
    ],
    config: ConfigOption = None,
) -> None:
    """Save the data folder in one file, with a digest of each part. Stop `luytre run` first."""
    settings = read_config(config)
    recorded(settings, "backup.write", "data", to=str(target))
    copied = back_up(settings, target)
    say(f"{counted(copied.files, 'file')}, {copied.size / 2**20:,.1f} MiB saved in {target}")


def restore(
    source: Annotated[Path, typer.Argument(help="What `luytre backup` wrote.")],
    config: ConfigOption = None,
) -> None:
    """Make the data folder from a backup: it must not be there yet. Every file is checked."""
    settings = read_config(config)
    copied = bring_back(settings, source)
    recorded(settings, "backup.restore", "data", source=str(source), files=copied.files)
    say(f"{counted(copied.files, 'file')}, {copied.size / 2**20:,.1f} MiB in {settings.data_dir}")
