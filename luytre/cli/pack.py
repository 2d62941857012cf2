"""`luytre incidents pack` and `recompute`: the evidence of an incident, and the alerts from it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luytre.cli.incidents import Number, desk
from luytre.cli.output import console, counted, print_json, say, table, text
from luytre.cli.settings import ConfigOption, JsonOption, read_installation
from luytre.processor import build
from luytre.processor.kept import Kept
from luytre.processor.pack import Rooms
from luytre.processor.pack import pack as write_pack
from luytre.processor.pack_recompute import recompute as make_again
from luytre.processor.places import Places

if TYPE_CHECKING:
    from rich.text import Text

    from luytre.processor.pack_recompute import Verdict

DIFFERENT = 1


def pack(
    number: Number,
    to: Annotated[Path, typer.Option("--to", help="A new file, as incident-12.zip.")],
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write the evidence of an incident to a file that any machine can check.

    The file holds the raw events, the alerts, the rules, filters and mappings of that time, and the
    history's entries with their proofs. Check it with `luytre-verify FILE`.
    """
    settings = read_installation(config)
    with (
        desk(config, writes=True) as at,
        closing(build.alert_store(settings)) as alerts,
        closing(Kept(Places(settings.data_dir).kept)) as kept,
    ):
        rooms = Rooms(at.cases, alerts, build.archive(settings), kept)
        packed = write_pack(rooms, at.actor, number, to)
    if as_json:
        print_json(packed)
        return
    say(
        f"incident {number}: {counted(packed.alerts, 'alert')} in {counted(packed.files, 'file')},"
        f" {to}; entry {packed.entry}"
    )
    say(f"pack.json has the SHA-256 {packed.manifest}")
    for each in packed.missing:
        say(f"not in the pack: {each}")
    say(f"check it with: luytre-verify {to} --anchor ANCHOR; luytre incidents recompute {to}")


def recompute(
    file: Annotated[Path, typer.Argument(help="A file that `luytre incidents pack` made.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Make the alerts of a pack again from its raw events and rules, without any installation.

    Exit code 1: an alert is not what it was.
    """
    verdicts = make_again(file)
    if as_json:
        for verdict in verdicts:
            print_json(verdict)
    else:
        rows = [_row(verdict) for verdict in verdicts]
        console().print(table("", ["alert", "rule", "made again", ""], rows))
        same = sum(not (verdict.differs or verdict.not_possible) for verdict in verdicts)
        say(f"{same} of {counted(len(verdicts), 'alert')} made again, each with the same id")
    if any(verdict.differs for verdict in verdicts):
        raise typer.Exit(DIFFERENT)


def _row(verdict: Verdict) -> tuple[Text, ...]:
    said = text("the same", "green")
    if verdict.differs:
        said = text("differs", "bold red")
    elif verdict.not_possible:
        said = text("not possible")
    why = ", ".join(verdict.differs) or verdict.not_possible
    return text(verdict.alert[:10]), text(verdict.rule), said, text(why)
